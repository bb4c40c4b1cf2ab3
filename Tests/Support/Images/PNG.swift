import Personas
import TestSupport

/// Makes PNG files (ISO/IEC 15948), right or wrong, part by part.
///
/// Pixels are stored rather than compressed (RFC 1951, 3.2.4), so that any decoder reads them and none has to be written here.
package enum PNG {
    /// What every file begins with.
    package static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Where the first chunk behind the header begins.
    package static let headerEnd = 33

    /// A chunk with its length and checksum.
    package static func chunk(_ type: String, _ content: [UInt8] = []) -> [UInt8] {
        let checked = Array(type.utf8) + content
        return bigEndian(UInt32(content.count)) + checked + bigEndian(CRC32.checksum(checked))
    }

    /// The first chunk.
    /// - Parameters:
    ///   - colour: 0 for grey, 2 for red, green and blue.
    ///   - methods: of compression, of filters and of interlacing.
    package static func header(
        width: UInt32, height: UInt32, depth: UInt8 = 8, colour: UInt8 = 0, methods: [UInt8] = [0, 0, 0]
    ) -> [UInt8] {
        chunk("IHDR", bigEndian(width) + bigEndian(height) + [depth, colour] + methods)
    }

    /// A whole picture of noise, another one for each seed.
    /// - Parameters:
    ///   - channels: bytes of a pixel: 1 for grey, 3 for colours.
    ///   - byteCount: the length of the file, which is then filled up behind the pixels with bytes that no decoder reads; nil for its own.
    package static func noise(width: Int, height: Int, channels: Int = 1, seed: UInt64, byteCount: Int? = nil) -> [UInt8] {
        let rows = noiseRows(width: width, height: height, channels: channels, seed: seed)
        let file = file(width: width, height: height, channels: channels, rows: rows)
        guard let byteCount else { return file }
        let filler = [UInt8](repeating: UInt8(truncatingIfNeeded: seed), count: byteCount - file.count)
        return self.file(width: width, height: height, channels: channels, rows: rows, filler: filler)
    }

    /// A whole picture.
    static func file(width: Int, height: Int, channels: Int = 1, rows: [UInt8], filler: [UInt8] = []) -> [UInt8] {
        signature + header(width: UInt32(width), height: UInt32(height), colour: channels == 1 ? 0 : 2)
            + chunk("IDAT", stored(rows) + filler) + chunk("IEND")
    }

    /// The rows of such a picture, each of which begins with the number of its filter, 0 for none.
    static func noiseRows(width: Int, height: Int, channels: Int, seed: UInt64) -> [UInt8] {
        var noise = SplitMix64(seed: seed)
        var rows: [UInt8] = []
        rows.reserveCapacity((width * channels + 1) * height)
        for _ in 0..<height {
            rows.append(0)
            for _ in 0..<width * channels { rows.append(UInt8(truncatingIfNeeded: noise.next())) }
        }
        return rows
    }

    /// Bytes as a stream of zlib (RFC 1950) that stores them.
    private static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        stream.reserveCapacity(bytes.count + bytes.count / 10_000 + 16)
        for start in stride(from: 0, to: bytes.count, by: 65_535) {
            let block = bytes[start..<min(bytes.count, start + 65_535)]
            let length = UInt16(block.count)
            stream.append(block.endIndex == bytes.count ? 1 : 0)
            for value in [length, ~length] { stream += [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)] }
            stream += block
        }
        var adler = Adler32()
        adler.add(bytes)
        return stream + bigEndian(adler.value)
    }
}

/// The checksum of zlib (RFC 1950).
struct Adler32 {
    private var low: UInt32 = 1
    private var high: UInt32 = 0

    mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            low = (low + UInt32(byte)) % 65_521
            high = (high + low) % 65_521
        }
    }

    var value: UInt32 { high << 16 | low }
}
