import Personas
import TestImages
import TestSupport
import Testing

@Suite("Rules for PNG")
struct PNGWalkerTests {
    private static let end = PNG.chunk("IEND", [])
    /// Compressed data of the right form; nothing looks at more than its first two bytes and its size.
    private static let data = PNG.chunk("IDAT", [0x78, 0x9C] + [UInt8](repeating: 0, count: 20))

    private static func header(_ width: UInt32, _ height: UInt32, depth: UInt8 = 8, colour: UInt8 = 0, tail: [UInt8] = [0, 0, 0]) -> [UInt8]
    {
        PNG.header(width: width, height: height, depth: depth, colour: colour, methods: tail)
    }

    private static func file(_ chunks: [UInt8]...) -> [UInt8] {
        PNG.signature + chunks.joined()
    }

    @Test(
        "refuses what breaks the standard",
        arguments: [
            RefusedFile("no header", file(data, end), "is damaged: a PNG does not start with its header"),
            RefusedFile(
                "a header twice",
                file(header(4, 4), header(4, 4), data, end),
                "is damaged: a PNG has a chunk that does not belong there"
            ),
            RefusedFile("a long header", file(header(4, 4, tail: [0, 0, 0, 0]), data, end), "is damaged: a PNG header has a wrong size"),
            RefusedFile(
                "colour type 5",
                file(header(4, 4, colour: 5), data, end),
                "is damaged: a PNG header has an impossible colour type"
            ),
            RefusedFile("depth 3", file(header(4, 4, depth: 3), data, end), "is damaged: a PNG header has an impossible colour type"),
            RefusedFile(
                "RGB of 4 bits",
                file(header(4, 4, depth: 4, colour: 2), data, end),
                "is damaged: a PNG header has an impossible colour type"
            ),
            RefusedFile("compression 1", file(header(4, 4, tail: [1, 0, 0]), data, end), "is damaged: a PNG header has an unknown method"),
            RefusedFile("filter 1", file(header(4, 4, tail: [0, 1, 0]), data, end), "is damaged: a PNG header has an unknown method"),
            RefusedFile("interlace 2", file(header(4, 4, tail: [0, 0, 2]), data, end), "is damaged: a PNG header has an unknown method"),
            RefusedFile("no data", file(header(4, 4), end), "is damaged: a PNG ends without a picture"),
            RefusedFile(
                "an end with content", file(header(4, 4), data, PNG.chunk("IEND", [0])), "is damaged: a PNG ends without a picture"),
            RefusedFile("no end", file(header(4, 4), data), "is truncated"),
            RefusedFile(
                "data in two places",
                file(header(4, 4), data, PNG.chunk("tEXt", []), data, end),
                "is damaged: the picture data of a PNG is interrupted"
            ),
            RefusedFile("no palette", file(header(4, 4, colour: 3), data, end), "is damaged: a PNG lacks its palette"),
            RefusedFile(
                "a palette after the data",
                file(header(4, 4, colour: 2), data, PNG.chunk("PLTE", [1, 2, 3]), end),
                "is damaged: a PNG palette is wrong or out of place"
            ),
            RefusedFile(
                "a palette of 4 bytes",
                file(header(4, 4, colour: 3), PNG.chunk("PLTE", [1, 2, 3, 4]), data, end),
                "is damaged: a PNG palette is wrong or out of place"
            ),
            RefusedFile(
                "a palette for grey",
                file(header(4, 4), PNG.chunk("PLTE", [1, 2, 3]), data, end),
                "is damaged: a PNG palette is wrong or out of place"
            ),
            RefusedFile(
                "an unknown critical chunk",
                file(header(4, 4), PNG.chunk("CgBI", [1]), data, end),
                "is damaged: a PNG has a chunk that does not belong there"
            ),
            RefusedFile(
                "a chunk without a name",
                file(header(4, 4), PNG.chunk("tE0t", []), data, end),
                "is damaged: a PNG has a chunk that is none"
            ),
            RefusedFile(
                "data that is not deflated",
                file(header(4, 4), PNG.chunk("IDAT", [UInt8](repeating: 0, count: 22)), end),
                "is damaged: the picture data of a PNG is not compressed as it must be"
            ),
            RefusedFile(
                "a window of 64 KiB",
                file(header(4, 4), PNG.chunk("IDAT", [0x88, 0x1C, 0, 0, 0, 0, 0, 0]), end),
                "is damaged: the picture data of a PNG is not compressed as it must be"
            ),
            RefusedFile(
                "a preset dictionary",
                file(header(4, 4), PNG.chunk("IDAT", [0x78, 0x20, 0, 0, 0, 0, 0, 0]), end),
                "is damaged: the picture data of a PNG is not compressed as it must be"
            ),
            RefusedFile(
                "a wrong check of the compression header",
                file(header(4, 4), PNG.chunk("IDAT", [0x78, 0x9D, 0, 0, 0, 0, 0, 0]), end),
                "is damaged: the picture data of a PNG is not compressed as it must be"
            ),
            RefusedFile("too little data for its size", file(header(4_000, 4_000), data, end), "is truncated"),
        ]
    )
    func damaged(file: RefusedFile) {
        #expect(problem(in: file.bytes) == file.reason)
    }

    @Test("refuses a chunk whose checksum does not match")
    func checksum() {
        var bytes = ImageFixture.pngPlain.bytes
        bytes[bytes.count - 20] ^= 1
        #expect(problem(in: bytes) == "is damaged: a checksum of a PNG does not match")
    }

    @Test("refuses sizes that no decoder should have to take, and takes the largest allowed")
    func sizes() {
        #expect(problem(in: Self.file(Self.header(0, 4), Self.data, Self.end)) == "has a side of 0 pixels")
        for side in [16_385, 65_535, UInt32.max] {
            #expect(problem(in: Self.file(Self.header(side, 4), Self.data, Self.end)) == "is larger than 16384 pixels a side")
            #expect(problem(in: Self.file(Self.header(4, side), Self.data, Self.end)) == "is larger than 16384 pixels a side")
        }
        let muchData = PNG.chunk("IDAT", [0x78, 0x9C] + [UInt8](repeating: 0, count: 100_000))
        #expect(problem(in: Self.file(Self.header(16_384, 6_104), muchData, Self.end)) == "has more than 100000000 pixels")
        #expect(problem(in: Self.file(Self.header(10_000, 10_000), muchData, Self.end)) == nil)
        #expect(problem(in: Self.file(Self.header(16_384, 6_103), muchData, Self.end)) == nil)
    }

    @Test("drops unknown, repeated, wrongly sized and late chunks, and keeps those that decide how the picture looks")
    func ancillaryChunks() throws {
        let gamma = PNG.chunk("gAMA", [0, 0, 0xB1, 0x8F])
        let density = PNG.chunk("pHYs", [0, 0, 0, 1, 0, 0, 0, 1, 0])
        let hidden = [PNG.chunk("gAMA", ascii("CANARY")), PNG.chunk("prVt", [1]), PNG.chunk("tIME", [7]), gamma]
        let late = PNG.chunk("sRGB", [0])
        let bytes = Self.file(Self.header(4, 4), gamma, Array(hidden.joined()), density, Self.data, density, late, Self.end)
        #expect(try ImageSanitizer.sanitize(bytes).bytes == Self.file(Self.header(4, 4), gamma, density, Self.data, Self.end))
    }

    @Test("drops frames that no animation announces, and refuses an animation whose frames are out of order or outside")
    func animations() throws {
        let control = PNG.chunk("fcTL", bigEndian(0) + bigEndian(4) + bigEndian(4) + [UInt8](repeating: 0, count: 14))
        let still = Self.file(Self.header(4, 4), control, Self.data, Self.end)
        #expect(try ImageSanitizer.sanitize(still).bytes == Self.file(Self.header(4, 4), Self.data, Self.end))
        let announcement = PNG.chunk("acTL", [0, 0, 0, 1, 0, 0, 0, 0])
        #expect(problem(in: Self.file(Self.header(4, 4), announcement, control, Self.data, Self.end)) == nil)
        #expect(
            problem(in: Self.file(Self.header(4, 4), announcement, control, control, Self.data, Self.end))
                == "is damaged: the frames of an animated PNG are out of order"
        )
        #expect(
            problem(in: Self.file(Self.header(4, 3), announcement, control, Self.data, Self.end))
                == "is damaged: a frame of an animated PNG is outside the picture"
        )
    }

    @Test("refuses a text of more than 64 KiB when it would be stored, and only then")
    func largeText() {
        let bytes = Self.file(Self.header(4, 4), PNG.chunk("zTXt", [UInt8](repeating: 1, count: 65_537)), Self.data, Self.end)
        #expect(problem(in: bytes) == nil)
        #expect(problem(in: bytes, removingMetadata: false) == "is not supported: a PNG has more metadata than is stored")
    }

    @Test(
        "keeps each chunk that affects the picture once, before the data, and at the sizes that it may have",
        arguments: [
            ("tRNS", 1...256), ("bKGD", 1...6), ("pHYs", 9...9), ("acTL", 8...8), ("gAMA", 4...4), ("cHRM", 32...32), ("sRGB", 1...1),
            ("sBIT", 1...4), ("cICP", 4...4), ("mDCV", 24...24), ("cLLI", 8...8), ("iCCP", 1...1_048_576),
        ] as [(String, ClosedRange<Int>)])
    func keptChunks(type: String, sizes: ClosedRange<Int>) throws {
        func chunk(_ size: Int) -> [UInt8] { PNG.chunk(type, [UInt8](repeating: 1, count: size)) }
        let plain = Self.file(Self.header(4, 4), Self.data, Self.end)
        for size in [sizes.lowerBound, sizes.upperBound] {
            let kept = Self.file(Self.header(4, 4), chunk(size), Self.data, Self.end)
            #expect(try ImageSanitizer.sanitize(kept).bytes == kept)
            let twice = Self.file(Self.header(4, 4), chunk(size), chunk(size), Self.data, chunk(size), Self.end)
            #expect(try ImageSanitizer.sanitize(twice).bytes == kept)
        }
        for size in [sizes.lowerBound - 1, sizes.upperBound + 1] {
            #expect(try ImageSanitizer.sanitize(Self.file(Self.header(4, 4), chunk(size), Self.data, Self.end)).bytes == plain)
        }
    }

    @Test("drops chunks whose names differ in one letter", arguments: ["tRNT", "gAMB", "sRGC", "iCCQ", "acTM", "eXIg"])
    func unknownChunks(type: String) throws {
        let plain = Self.file(Self.header(4, 4), Self.data, Self.end)
        let bytes = Self.file(Self.header(4, 4), PNG.chunk(type, [0, 0, 0, 1]), Self.data, Self.end)
        #expect(try ImageSanitizer.sanitize(bytes).bytes == plain)
        #expect(try ImageSanitizer.sanitize(bytes, removingMetadata: false).bytes == bytes)
    }
}
