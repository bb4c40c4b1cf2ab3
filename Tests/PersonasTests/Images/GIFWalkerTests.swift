import Personas
import TestSupport
import Testing

@Suite("Rules for GIF")
struct GIFWalkerTests {
    private static let control: [UInt8] = [0x21, 0xF9, 4, 1, 10, 0, 0, 0]
    private static let drawnText: [UInt8] = [0x21, 0x01, 1, 0x41, 0]
    private static let comment: [UInt8] = [0x21, 0xFE, 6] + ascii("CANARY") + [0]
    private static let image = picture()

    private static func file(_ blocks: [UInt8]..., width: UInt16 = 4, height: UInt16 = 4) -> [UInt8] {
        ascii("GIF89a") + littleEndian(UInt32(height) << 16 | UInt32(width)) + [0, 0, 0] + blocks.joined() + [0x3B]
    }

    private static func picture(left: UInt8 = 0, width: UInt8 = 4, codeBits: UInt8 = 2, data: [UInt8] = [2, 0x44, 1, 0]) -> [UInt8] {
        [0x2C, left, 0, 0, 0, width, 0, 4, 0, 0x80, 0, 0, 0, 255, 255, 255, codeBits] + data
    }

    private static func application(_ name: String, _ blocks: [UInt8]) -> [UInt8] {
        [0x21, 0xFF, UInt8(name.utf8.count)] + ascii(name) + blocks + [0]
    }

    @Test(
        "refuses what breaks the standard",
        arguments: [
            RefusedFile("no picture", file(), "is damaged: a GIF holds no picture"),
            RefusedFile("only a comment", file(comment), "is damaged: a GIF holds no picture"),
            RefusedFile("an unknown block", file(image, [0x42]), "is damaged: a GIF has an unknown block"),
            RefusedFile("a code size of 0", file(picture(codeBits: 0)), "is damaged: a GIF picture has an impossible code size"),
            RefusedFile("a code size of 12", file(picture(codeBits: 12)), "is damaged: a GIF picture has an impossible code size"),
            RefusedFile("a picture without data", file(picture(data: [0])), "is damaged: a GIF picture holds no data"),
            RefusedFile("a picture without width", file(picture(width: 0)), "has a side of 0 pixels"),
            RefusedFile(
                "a control of 5 bytes",
                file([0x21, 0xF9, 5, 0, 0, 0, 0, 0, 0], image),
                "is damaged: a GIF control extension has a wrong size"
            ),
            RefusedFile(
                "a control without an end",
                file([0x21, 0xF9, 4, 0, 0, 0, 0, 1, 0, 0], image),
                "is damaged: a GIF control extension has a wrong size"
            ),
            RefusedFile("data without an end", file(picture(data: [2, 0x44, 1])), "is truncated"),
        ]
    )
    func damaged(file: RefusedFile) {
        #expect(problem(in: file.bytes) == file.reason)
    }

    @Test("refuses sizes that no decoder should have to take")
    func sizes() {
        #expect(problem(in: Self.file(Self.image, width: 0)) == "has a side of 0 pixels")
        #expect(problem(in: Self.file(Self.image, width: 65_535, height: 65_535)) == "is larger than 16384 pixels a side")
        #expect(problem(in: Self.file(Self.image, width: 16_384, height: 16_384)) == "has more than 100000000 pixels")
        let large = Self.image.replacing(from: 5, with: [0, 0x40, 0, 0x40])
        #expect(problem(in: Self.file(large)) == "has more than 100000000 pixels")
        let distant = Self.image.replacing(from: 1, with: [0xFE, 0x3F])
        #expect(problem(in: Self.file(distant)) == "is larger than 16384 pixels a side")
    }

    @Test("takes a picture that sticks out of the screen, as old files have it", arguments: [1, 2, 8, 11] as [UInt8])
    func accepted(codeBits: UInt8) {
        #expect(problem(in: Self.file(Self.picture(left: 3, codeBits: codeBits))) == nil)
    }

    @Test("a control applies to the picture after it, and goes with the text that is left out")
    func controls() throws {
        let bytes = Self.file(Self.control, Self.comment, Self.image, Self.image, Self.control, Self.drawnText, Self.image, Self.control)
        #expect(try ImageSanitizer.sanitize(bytes).bytes == Self.file(Self.control, Self.image, Self.image, Self.image))
    }

    @Test("keeps of the application data how often to repeat, and nothing hidden behind it")
    func applicationData() throws {
        let clean = Self.application("NETSCAPE2.0", [3, 1, 5, 0])
        let hiding = Self.application("NETSCAPE2.0", [5, 2, 0, 0, 1, 0, 3, 1, 5, 0, 3, 1, 9, 9, 6] + "CANARY".utf8)
        let other = Self.application("XMP DataXMP", [6] + "CANARY".utf8) + Self.application("NETSCAPE2.0", [5, 2, 0, 0, 1, 0])
        #expect(try ImageSanitizer.sanitize(Self.file(other, hiding, Self.image)).bytes == Self.file(clean, Self.image))
        let anonymous: [UInt8] = [0x21, 0xFF, 0]
        #expect(try ImageSanitizer.sanitize(Self.file(anonymous, Self.image)).bytes == Self.file(Self.image))
        let alternative = Self.application("ANIMEXTS1.0", [3, 1, 0, 0])
        #expect(try ImageSanitizer.sanitize(Self.file(alternative, Self.image)).bytes == Self.file(alternative, Self.image))
    }
}
