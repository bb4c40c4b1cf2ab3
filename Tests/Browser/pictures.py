"""Pictures for tests in a browser: small ones, ones of the size of photographs, and files that are none."""

import base64
import pathlib
import random
import struct
import zlib

# A page draws gradients with noise on them, as light on a face with the grain of a sensor: a file of real size, which a browser decodes as any other.
DRAW = """async ([width, height, type, quality, seed]) => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const gradient = context.createLinearGradient(0, 0, width, height);
  gradient.addColorStop(0, `hsl(${seed * 67 % 360} 60% 70%)`);
  gradient.addColorStop(1, `hsl(${(seed * 67 + 140) % 360} 50% 25%)`);
  context.fillStyle = gradient;
  context.fillRect(0, 0, width, height);
  context.fillStyle = `hsl(${(seed * 67 + 20) % 360} 55% 80%)`;
  context.beginPath();
  context.ellipse(width / 2, height * 0.45, width * 0.22, height * 0.28, 0, 0, 7);
  context.fill();
  const grain = new OffscreenCanvas(512, 512);
  const pixels = new ImageData(512, 512);
  for (let index = 0; index < pixels.data.length; index += 1) pixels.data[index] = index % 4 === 3 ? 60 : Math.random() * 255;
  grain.getContext("2d").putImageData(pixels, 0, 0);
  context.fillStyle = context.createPattern(grain, "repeat");
  context.fillRect(0, 0, width, height);
  const blob = await canvas.convertToBlob({ type, quality });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let start = 0; start < bytes.length; start += 32768) text += String.fromCharCode(...bytes.subarray(start, start + 32768));
  return btoa(text);
}"""


def png(width, height, seed=0, bytes_min=0):
    """A PNG file of one colour; with the least bytes that it has to have, of noise."""
    if bytes_min:
        rows = b"".join(b"\0" + random.Random(seed * height + row).randbytes(width * 3) for row in range(height))
    else:
        rows = (b"\0" + random.Random(seed).randbytes(3) * width) * height
    chunks = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + _chunk(b"IDAT", zlib.compress(rows, 1))
    file = b"\x89PNG\r\n\x1a\n" + chunks
    padding = bytes_min - len(file) - 24
    # Decoders pass over a chunk whose name begins with a small letter.
    return file + (_chunk(b"paDd", b"\0" * padding) if padding > 0 else b"") + _chunk(b"IEND", b"")


def photograph(browser, width, height, seed=0, type="image/jpeg", quality=0.92):
    """A file as a camera makes it, encoded by the browser: image/jpeg, image/webp or image/png."""
    page = browser.chromium.new_context().new_page()
    try:
        return base64.b64decode(page.evaluate(DRAW, [width, height, type, quality, seed]))
    finally:
        page.context.close()


def heic():
    """The beginning of a photograph as iPhones store it, which Chromium does not decode."""
    return struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + bytes(4000)


def huge_png(side=16_385):
    """A small file that claims more pixels than the service takes."""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + _chunk(b"IEND", b"")


def file(name, content, type="image/png"):
    """A file as Playwright takes it for `set_input_files`."""
    return {"name": name, "mimeType": type, "buffer": content}


def stored(folder, name, content):
    """A file on disk, which large ones have to be: Playwright takes half a minute to hand over what is in memory."""
    path = pathlib.Path(folder) / name
    path.write_bytes(content)
    return str(path)


def files(count=3, seed=0):
    """Small files of different colours."""
    return [file(f"photograph-{index + 1}.png", png(64, 64, seed + index)) for index in range(count)]


def _chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
