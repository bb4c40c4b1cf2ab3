import Personas
import Testing

@Suite("Rules for JPEG")
struct JPEGWalkerTests {
    private static let plain = ImageFixture.jpegPlain.bytes
    /// The marker and length of the only frame.
    private static let frame: [UInt8] = [0xFF, 0xC0, 0, 17]
    /// The marker and length of the only scan.
    private static let scan: [UInt8] = [0xFF, 0xDA, 0, 12]
    private static let impossibleMarker = "is damaged: a JPEG has a marker that does not belong there"

    /// The plain fixture with a marker in front of its frame.
    private static func inserting(_ bytes: [UInt8], before marker: [UInt8] = frame) -> [UInt8] {
        plain.replacing(marker, with: bytes + marker)
    }

    /// The plain fixture with bytes of its frame replaced, counted from the marker.
    private static func changingFrame(at offset: Int, to bytes: [UInt8]) -> [UInt8] {
        plain.replacing(from: (plain.firstIndex(of: frame) ?? 0) + offset, with: bytes)
    }

    /// The plain fixture with bytes of its scan header replaced, counted from the marker.
    private static func changingScan(at offset: Int, to bytes: [UInt8]) -> [UInt8] {
        plain.replacing(from: (plain.firstIndex(of: scan) ?? 0) + offset, with: bytes)
    }

    @Test(
        "refuses what breaks the standard",
        arguments: [
            RefusedFile("an end without a picture", [0xFF, 0xD8, 0xFF, 0xD9], "is damaged: a JPEG holds no picture"),
            RefusedFile("data between segments", inserting([0x3C]), "is damaged: a JPEG has data between its segments"),
            RefusedFile("a second start", inserting([0xFF, 0xD8]), impossibleMarker),
            RefusedFile("a restart outside a scan", inserting([0xFF, 0xD0]), impossibleMarker),
            RefusedFile("a reserved marker", inserting([0xFF, 0x02, 0, 2]), impossibleMarker),
            RefusedFile("an escaped byte outside a scan", inserting([0xFF, 0x00, 0, 2]), impossibleMarker),
            RefusedFile("a hierarchical marker", inserting([0xFF, 0xDE, 0, 2]), impossibleMarker),
            RefusedFile(
                "a segment shorter than its length",
                inserting([0xFF, 0xFE, 0, 1]),
                "is damaged: a JPEG has a segment of impossible size"
            ),
            RefusedFile(
                "a restart interval of 3 bytes",
                inserting([0xFF, 0xDD, 0, 5, 0, 0, 0]),
                "is damaged: a JPEG has a segment of impossible size"
            ),
            RefusedFile(
                "an end inside a quantization table",
                inserting([0xFF, 0xDB, 0, 5, 0, 1, 1]),
                "is damaged: a JPEG segment ends early"
            ),
            RefusedFile(
                "quantization table 4",
                inserting([0xFF, 0xDB, 0, 3, 4]),
                "is damaged: a JPEG has an impossible quantization table"
            ),
            RefusedFile("an end inside a Huffman table", inserting([0xFF, 0xC4, 0, 5, 0, 1, 1]), "is damaged: a JPEG segment ends early"),
            RefusedFile(
                "a Huffman table of too many symbols",
                inserting([0xFF, 0xC4, 0, 19, 0] + [UInt8](repeating: 17, count: 16)),
                "is damaged: a JPEG has an impossible Huffman table"
            ),
            RefusedFile(
                "two frames",
                inserting(Array(plain[(plain.firstIndex(of: frame) ?? 0)...].prefix(19)), before: scan),
                "is damaged: a JPEG has more than one frame"
            ),
            RefusedFile("no frame", plain.replacing(frame, with: [0xFF, 0xFE, 0, 17]), "is damaged: a JPEG has a scan before its frame"),
            RefusedFile("2 components", changingFrame(at: 9, to: [2]), "is damaged: a JPEG frame has an impossible number of components"),
            RefusedFile(
                "4 components in the space of 3",
                changingFrame(at: 9, to: [4]),
                "is damaged: a JPEG frame has an impossible number of components"
            ),
            RefusedFile("sampling of 0", changingFrame(at: 11, to: [0x20]), "is damaged: a JPEG frame has an impossible component"),
            RefusedFile("an undefined quantization table", changingFrame(at: 12, to: [3]), "is damaged: a JPEG lacks a quantization table"),
            RefusedFile(
                "a scan of no components",
                changingScan(at: 4, to: [0]),
                "is damaged: a JPEG scan has an impossible number of components"
            ),
            RefusedFile(
                "a scan of an unknown component",
                changingScan(at: 5, to: [9]),
                "is damaged: a JPEG scan names an unknown component"
            ),
            RefusedFile("a component without data", changingScan(at: 5, to: [2]), "is damaged: a JPEG lacks the data of a component"),
            RefusedFile(
                "a scan without data",
                inserting(Array(plain[(plain.firstIndex(of: scan) ?? 0)...].prefix(14)), before: scan),
                "is damaged: a JPEG scan holds no data"
            ),
            RefusedFile("too little data for its size", changingFrame(at: 5, to: [0x10, 0, 0x10, 0]), "is truncated"),
        ]
    )
    func damaged(file: RefusedFile) {
        #expect(problem(in: file.bytes) == file.reason)
    }

    @Test("refuses the kinds that browsers do not show", arguments: [0xC3, 0xC5, 0xC7, 0xC8, 0xC9, 0xCC, 0xCF] as [UInt8])
    func otherKinds(marker: UInt8) {
        #expect(
            problem(in: Self.changingFrame(at: 1, to: [marker]))
                == "is not supported: a JPEG must be baseline, extended or progressive with Huffman coding"
        )
    }

    @Test("refuses 12 bits a sample")
    func precision() {
        #expect(problem(in: Self.changingFrame(at: 4, to: [12])) == "is not supported: a JPEG must have 8 bits a sample")
    }

    @Test("takes an extended frame")
    func extendedFrame() {
        #expect(problem(in: Self.changingFrame(at: 1, to: [0xC1])) == nil)
    }

    @Test("refuses a progressive scan of several components that is not of their averages")
    func progressiveScan() throws {
        let bytes = ImageFixture.jpegProgressive.bytes
        let coefficients = try #require(bytes.firstIndex(of: Self.scan)) + 11
        for range in [[1, 1], [0, 64], [5, 4]] as [[UInt8]] {
            #expect(problem(in: bytes.replacing(from: coefficients, with: range)) == "is damaged: a JPEG scan has impossible coefficients")
        }
    }

    @Test("refuses sizes that no decoder should have to take")
    func sizes() {
        #expect(problem(in: Self.changingFrame(at: 5, to: [0, 0])) == "has a side of 0 pixels")
        #expect(problem(in: Self.changingFrame(at: 7, to: [0, 0])) == "has a side of 0 pixels")
        #expect(problem(in: Self.changingFrame(at: 5, to: [0xFF, 0xFF, 0xFF, 0xFF])) == "is larger than 16384 pixels a side")
        #expect(problem(in: Self.changingFrame(at: 7, to: [0x40, 0x01])) == "is larger than 16384 pixels a side")
        #expect(problem(in: Self.changingFrame(at: 5, to: [0x40, 0, 0x40, 0])) == "has more than 100000000 pixels")
    }

    @Test("takes 100 scans and no more")
    func scans() {
        let start = Self.plain.firstIndex(of: Self.scan) ?? 0
        let scan = Self.plain[start..<(Self.plain.count - 2)]
        let hundred = Self.plain[..<start] + Array(repeating: scan, count: 100).joined() + [0xFF, 0xD9]
        #expect(problem(in: Array(hundred)) == nil)
        #expect(problem(in: hundred.dropLast(2) + scan + [0xFF, 0xD9]) == "is not supported: a JPEG may have at most 100 scans")
    }

    @Test("walks over escaped bytes, restarts and fill bytes within a scan")
    func entropyCodedData() throws {
        let end: [UInt8] = [0xFF, 0xD9]
        let start = Array(Self.plain.dropLast(2))
        let data: [UInt8] = [1, 0xFF, 0, 2, 0xFF, 0xD3, 3, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xD7, 4]
        let whole = start + data + end
        let filled = start + data + [0xFF, 0xFF] + end
        #expect(try ImageSanitizer.sanitize(whole).bytes == whole)
        #expect(try ImageSanitizer.sanitize(filled).bytes == whole)
    }

    @Test("keeps the first orientation of several, and none that comes after the picture has begun")
    func severalExifSegments() throws {
        func exif(_ orientation: UInt8) -> [UInt8] {
            [0xFF, 0xE1, 0, 34] + ascii("Exif\0\0")
                + [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
        }
        let kept = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0] as [UInt8]
        let stored = try ImageSanitizer.sanitize(Self.inserting(exif(6) + exif(3))).bytes
        #expect(stored.contains(kept))
        #expect(stored.count == Self.plain.count + 36)
        #expect(try ImageSanitizer.sanitize(Self.plain.dropLast(2) + exif(6) + [0xFF, 0xD9]).bytes == Self.plain)
        for meaningless in [0, 1, 9, 255] as [UInt8] {
            #expect(try ImageSanitizer.sanitize(Self.inserting(exif(meaningless) + exif(6))).bytes == Self.plain)
        }
    }

    @Test("takes an orientation of four bytes, as some writers have it")
    func longOrientation() throws {
        let exif: [UInt8] = [
            0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 4, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0,
        ]
        let stored = try ImageSanitizer.sanitize(Self.inserting([0xFF, 0xE1, 0, 34] + ascii("Exif\0\0") + exif)).bytes
        #expect(stored.contains([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0] as [UInt8]))
    }

    @Test("drops an EXIF block that does not clearly state an orientation", arguments: Array(6..<14) + Array(16..<26))
    func damagedExif(offset: Int) throws {
        // From offset 6 on: byte order and magic number, offset of the directory, (number of entries,) tag, type, count, value.
        let stored = try ImageSanitizer.sanitize(ImageFixture.jpegProgressive.bytes).bytes
        let start = try #require(stored.firstIndex(of: ascii("Exif\0\0")))
        let bytes = stored.replacing(from: start + offset, with: [0x7F])
        #expect(stored.contains("Exif"))
        #expect(!(try ImageSanitizer.sanitize(bytes).bytes.contains("Exif")))
    }
}
