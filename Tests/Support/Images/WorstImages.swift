import TestSupport

/// Image files of one part many times over, the smallest there is of its kind, around a picture that is accepted.
package enum WorstImages {
    /// A file of about `byteCount` bytes, and what it is full of.
    package typealias File = (name: String, bytes: [UInt8])

    /// What the picture and its frame take of a file at the most.
    private static let frameBytesMax = 512

    /// Every file of every format, none longer than `byteCount` but for one, a PNG that holds the longest directory there can be.
    package static func all(byteCount: Int) -> [File] {
        let fillerBytes = byteCount - frameBytesMax
        return jpegs(fillerBytes) + pngs(fillerBytes) + webps(fillerBytes) + gifs(fillerBytes)
    }

    private static func jpegs(_ byteCount: Int) -> [File] {
        func segment(_ marker: UInt8, _ payload: [UInt8] = []) -> [UInt8] { [0xFF, marker, 0, UInt8(payload.count + 2)] + payload }
        let start: [UInt8] = [0xFF, 0xD8]
        let table = segment(0xDB, [0] + [UInt8](repeating: 1, count: 64))
        let frame = segment(0xC0, [8, 0, 8, 0, 8, 1, 1, 0x11, 0])
        let scan = segment(0xDA, [1, 1, 0, 0, 63, 0])
        let end: [UInt8] = [0xFF, 0xD9]
        let icc = segment(0xE2, Array("ICC_PROFILE\0".utf8))
        let segments: [(String, [UInt8])] = [
            ("empty application segments", segment(0xE9)), ("empty comments", segment(0xFE)), ("empty Huffman tables", segment(0xC4)),
            ("kept and dropped segments in turn", segment(0xC4) + segment(0xE9)), ("restart intervals", segment(0xDD, [0, 0])),
            ("thumbnails", segment(0xE0, Array("JFIF\0".utf8) + [UInt8](repeating: 0, count: 10))),
            ("profile segments and comments in turn", icc + segment(0xFE)),
            ("Huffman tables", segment(0xC4, [UInt8](repeating: 0, count: 17))),
            ("quantization tables", table), ("fill bytes", [0xFF]),
        ]
        let data: [(String, [UInt8])] = [
            ("escaped bytes", [0xFF, 0]), ("restart markers", [0xFF, 0xD0]), ("fill bytes in a scan", [0xFF, 0xFF, 0]), ("plain data", [1]),
        ]
        return segments.map { ("JPEG, \($0)", start + repeated($1, bytes: byteCount) + table + frame + scan + [1] + end) }
            + data.map { ("JPEG, \($0)", start + table + frame + scan + repeated($1, bytes: byteCount) + end) }
    }

    private static func pngs(_ byteCount: Int) -> [File] {
        let start = PNG.signature
        let header = PNG.header(width: 4, height: 4)
        let data = PNG.chunk("IDAT", [0x78, 0x9C] + [UInt8](repeating: 0, count: 20))
        let end = PNG.chunk("IEND")
        let chunks: [(String, [UInt8])] = [
            ("empty texts", PNG.chunk("tEXt")), ("empty unknown chunks", PNG.chunk("zzZz")),
            ("colour chunks", PNG.chunk("gAMA", [0, 0, 0, 1])),
            ("empty EXIF", PNG.chunk("eXIf")),
        ]
        var frames = PNG.chunk("acTL", [UInt8](repeating: 0, count: 8)) + data
        var number: UInt32 = 0
        while frames.count < byteCount {
            frames += PNG.chunk("fdAT", bigEndian(number)) + PNG.chunk("tEXt")
            number += 1
        }
        return chunks.map { ("PNG, \($0)", start + header + repeated($1, bytes: byteCount) + data + end) } + [
            ("PNG, empty data", start + header + data + repeated(PNG.chunk("IDAT"), bytes: byteCount) + end),
            ("PNG, frames and texts in turn", start + header + frames + end),
            ("PNG, one large chunk", start + header + PNG.chunk("IDAT", [0x78, 0x9C] + [UInt8](repeating: 0, count: byteCount)) + end),
            ("PNG, a long EXIF directory", start + header + PNG.chunk("eXIf", longDirectory) + data + end),
        ]
    }

    /// A directory of as many entries as there can be, none of them the orientation.
    private static let longDirectory = Array("MM\0*\0\0\0\u{8}".utf8) + [0xFF, 0xFF] + [UInt8](repeating: 0, count: 65_535 * 12)

    private static func webps(_ byteCount: Int) -> [File] {
        func chunk(_ type: String, _ payload: [UInt8] = []) -> [UInt8] {
            Array(type.utf8) + littleEndian(UInt32(payload.count)) + payload + (payload.count % 2 == 1 ? [0] : [])
        }
        func file(_ body: [UInt8]) -> [UInt8] {
            Array("RIFF".utf8) + littleEndian(UInt32(body.count + 4)) + Array("WEBP".utf8) + body
        }
        let picture = chunk("VP8L", [0x2F, 0, 0, 0, 0])
        func header(_ flags: UInt8) -> [UInt8] { chunk("VP8X", [flags] + [UInt8](repeating: 0, count: 9)) }
        let animated = header(2) + chunk("ANIM", [UInt8](repeating: 0, count: 6))
        let frame = chunk("ANMF", [UInt8](repeating: 0, count: 16) + picture)
        let frameWithMore = chunk("ANMF", [UInt8](repeating: 0, count: 16) + picture + chunk("XMP "))
        let emptyChunksInFrame = chunk("ANMF", [UInt8](repeating: 0, count: 16) + picture + repeated(chunk("XMP "), bytes: byteCount))
        return [
            ("WebP, empty chunks after a picture", file(picture + repeated(chunk("XMP "), bytes: byteCount))),
            ("WebP, empty chunks", file(header(0) + repeated(chunk("XMP "), bytes: byteCount) + picture)),
            ("WebP, frames", file(animated + repeated(frame, bytes: byteCount))),
            ("WebP, frames with another chunk", file(animated + repeated(frameWithMore, bytes: byteCount))),
            ("WebP, frames and chunks in turn", file(animated + repeated(frame + chunk("XMP "), bytes: byteCount))),
            ("WebP, empty chunks in a frame", file(animated + emptyChunksInFrame)),
        ]
    }

    private static func gifs(_ byteCount: Int) -> [File] {
        let start = Array("GIF89a".utf8) + [4, 0, 4, 0, 0, 0, 0]
        func picture(_ data: [UInt8] = [1, 1]) -> [UInt8] { [0x2C, 0, 0, 0, 0, 4, 0, 4, 0, 0, 2] + data + [0] }
        let control: [UInt8] = [0x21, 0xF9, 4, 0, 0, 0, 0, 0]
        let blocks: [(String, [UInt8])] = [
            ("empty comments", [0x21, 0xFE, 0]), ("superfluous terminators", [0]), ("nameless applications", [0x21, 0xFF, 0]),
            ("applications", [0x21, 0xFF, 1, 0x41, 0]), ("repetitions", [0x21, 0xFF, 11] + Array("NETSCAPE2.0".utf8) + [3, 1, 0, 0, 0]),
            ("controls", control), ("pictures", picture()), ("pictures and comments in turn", picture() + [0x21, 0xFE, 0]),
            ("pictures with controls and comments between", control + [0x21, 0xFE, 0] + picture()), ("drawn texts", [0x21, 0x01, 0]),
        ]
        return blocks.map { ("GIF, \($0)", start + repeated($1, bytes: byteCount) + picture() + [0x3B]) } + [
            ("GIF, data in blocks of one byte", start + picture(repeated([1, 1], bytes: byteCount)) + [0x3B]),
            (
                "GIF, a comment in blocks of one byte",
                start + [0x21, 0xFE] + repeated([1, 1], bytes: byteCount) + [0] + picture() + [0x3B]
            ),
        ]
    }
}
