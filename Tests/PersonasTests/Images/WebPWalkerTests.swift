import Personas
import TestSupport
import Testing

@Suite("Rules for WebP")
struct WebPWalkerTests {
    private static let lossy = ImageFixture.webpLossy.bytes
    private static let lossless = ImageFixture.webpLossless.bytes
    /// The lossy picture chunk of 20 × 12 pixels.
    private static let picture = Array(lossy[12...])
    /// The lossless picture chunk of 20 × 12 pixels.
    private static let losslessPicture = Array(lossless[12...])
    private static let unfitPicture = "is damaged: a WebP picture does not fit its header"

    private static func chunk(_ type: String, _ payload: [UInt8]) -> [UInt8] {
        ascii(type) + littleEndian(UInt32(payload.count)) + payload + (payload.count % 2 == 1 ? [0] : [])
    }

    private static func file(_ chunks: [UInt8]...) -> [UInt8] {
        let body = ascii("WEBP") + chunks.joined()
        return ascii("RIFF") + littleEndian(UInt32(body.count)) + body
    }

    private static func header(_ width: UInt32 = 20, _ height: UInt32 = 12, flags: UInt8 = 0) -> [UInt8] {
        chunk("VP8X", [flags, 0, 0, 0] + littleEndian(width - 1).prefix(3) + littleEndian(height - 1).prefix(3))
    }

    private static func frame(left: UInt8 = 0, width: UInt8 = 20, _ chunks: [UInt8]...) -> [UInt8] {
        chunk("ANMF", [left / 2, 0, 0, 0, 0, 0, width - 1, 0, 0, 11, 0, 0, 100, 0, 0, 0] + chunks.joined())
    }

    private static let animation = chunk("ANIM", [0, 0, 0, 0, 0, 0])

    @Test(
        "refuses what breaks the standard",
        arguments: [
            RefusedFile("nothing in it", file() + [0, 0, 0, 0], "is damaged: a WebP file is empty"),
            RefusedFile("a sound first", file(chunk("fmt ", [0, 0]), picture), "is damaged: a WebP file does not start with a picture"),
            RefusedFile(
                "a chunk longer than the file",
                file(ascii("VP8 ") + [0xFF, 0xFF, 0xFF, 0xFF] + picture[8...]),
                "is damaged: a WebP file ends early"
            ),
            RefusedFile("a rest that is no chunk", file(picture, [1, 2, 3]), "is damaged: a WebP file ends early"),
            RefusedFile(
                "a picture that is no key frame",
                lossy.replacing(from: 20, with: [0x31]),
                "is damaged: a lossy WebP picture has a wrong header"
            ),
            RefusedFile("version 4", lossy.replacing(from: 20, with: [0x38]), "is damaged: a lossy WebP picture has a wrong header"),
            RefusedFile(
                "a picture not to be shown",
                lossy.replacing(from: 20, with: [0x20]),
                "is damaged: a lossy WebP picture has a wrong header"
            ),
            RefusedFile("a wrong start code", lossy.replacing(from: 23, with: [0]), "is damaged: a lossy WebP picture has a wrong header"),
            RefusedFile(
                "a partition longer than the picture",
                lossy.replacing(from: 21, with: [0xFF]),
                "is damaged: a lossy WebP picture has a wrong header"
            ),
            RefusedFile(
                "a wrong lossless signature",
                lossless.replacing(from: 20, with: [0x2E]),
                "is damaged: a lossless WebP picture has a wrong header"
            ),
            RefusedFile(
                "lossless version 7",
                lossless.replacing(from: 24, with: [0xF0]),
                "is damaged: a lossless WebP picture has a wrong header"
            ),
            RefusedFile("a short picture", file(chunk("VP8 ", [0x30, 4, 0, 0x9D])), "is damaged: a WebP chunk ends early"),
            RefusedFile("a header alone", file(header()), "is damaged: a WebP file holds no picture"),
            RefusedFile(
                "a short header",
                file(chunk("VP8X", [0, 0, 0, 0, 19, 0, 0, 11]), picture),
                "is damaged: a WebP header has a wrong size"
            ),
            RefusedFile("two headers", file(header(), header(), picture), "is damaged: a WebP file has two headers"),
            RefusedFile("a header of another size", file(header(21, 12), picture), unfitPicture),
            RefusedFile("two pictures", file(header(), picture, losslessPicture), unfitPicture),
            RefusedFile("a still picture in an animation", file(header(flags: 2), animation, picture), unfitPicture),
            RefusedFile(
                "a frame without an announcement",
                file(header(), frame(picture)),
                "is damaged: a WebP frame does not fit its header"
            ),
            RefusedFile(
                "a frame before the animation's header",
                file(header(flags: 2), frame(picture), animation),
                "is damaged: a WebP frame does not fit its header"
            ),
            RefusedFile(
                "a frame below the picture",
                file(header(20, 11, flags: 2), animation, frame(picture)),
                "is damaged: a WebP frame is outside the picture"
            ),
            RefusedFile(
                "a frame outside the picture",
                file(header(flags: 2), animation, frame(left: 2, picture)),
                "is damaged: a WebP frame is outside the picture"
            ),
            RefusedFile(
                "a frame of another size",
                file(header(flags: 2), animation, frame(width: 19, picture)),
                "is damaged: a WebP picture does not fit its frame"
            ),
            RefusedFile(
                "a frame of two pictures",
                file(header(flags: 2), animation, frame(picture, picture)),
                "is damaged: a WebP picture does not fit its frame"
            ),
            RefusedFile("an empty frame", file(header(flags: 2), animation, frame()), "is damaged: a WebP frame holds no picture"),
            RefusedFile(
                "a long animation header",
                file(header(flags: 2), chunk("ANIM", [UInt8](repeating: 0, count: 8))),
                "is damaged: a WebP animation has a wrong header"
            ),
        ]
    )
    func damaged(file: RefusedFile) {
        #expect(problem(in: file.bytes) == file.reason)
    }

    @Test("refuses sizes that no decoder should have to take")
    func sizes() {
        #expect(problem(in: Self.file(Self.header(65_535, 65_535), Self.picture)) == "is larger than 16384 pixels a side")
        #expect(problem(in: Self.file(Self.header(16_384, 16_384), Self.picture)) == "has more than 100000000 pixels")
        #expect(problem(in: Self.lossy.replacing(from: 26, with: [0xFF, 0x3F, 0xFF, 0x3F])) == "has more than 100000000 pixels")
        #expect(problem(in: Self.lossy.replacing(from: 26, with: [0, 0])) == "has a side of 0 pixels")
        #expect(problem(in: Self.lossless.replacing(from: 21, with: [0xFF, 0xFF, 0xFF, 0x0F])) == "has more than 100000000 pixels")
    }

    @Test("takes pictures and frames made by hand")
    func accepted() {
        #expect(problem(in: Self.file(Self.header(), Self.picture)) == nil)
        #expect(problem(in: Self.file(Self.header(), Self.losslessPicture)) == nil)
        #expect(problem(in: Self.file(Self.header(22, 12, flags: 2), Self.animation, Self.frame(left: 2, Self.picture))) == nil)
    }

    @Test("the header of what is stored tells what the file holds, and no more")
    func flags() throws {
        let everything = Self.header(flags: 0xFD).replacing(from: 9, with: [1, 2, 3])
        let profile = Self.chunk("ICCP", [1, 2, 3])
        let hidden = Self.chunk("XMP ", ascii("CANARY"))
        let bytes = Self.file(everything, profile, Self.picture, Self.chunk("EXIF", [1, 2]), hidden, profile)
        #expect(try ImageSanitizer.sanitize(bytes).bytes == Self.file(Self.header(flags: 0x30), profile, Self.picture))
    }

    @Test("drops a colour profile that comes too late")
    func lateColourProfile() throws {
        let profile = Self.chunk("ICCP", [1, 2])
        let alpha = Self.chunk("ALPH", [0, 0])
        let frame = Self.frame(Self.picture)
        #expect(
            try ImageSanitizer.sanitize(Self.file(Self.header(), Self.picture, profile)).bytes == Self.file(Self.header(), Self.picture)
        )
        #expect(
            try ImageSanitizer.sanitize(Self.file(Self.header(), alpha, profile, Self.picture)).bytes
                == Self.file(Self.header(), alpha, Self.picture)
        )
        #expect(
            try ImageSanitizer.sanitize(Self.file(Self.header(flags: 2), Self.animation, profile, frame)).bytes
                == Self.file(Self.header(flags: 2), Self.animation, frame)
        )
    }

    @Test("keeps the first orientation of several, at the end of the file")
    func severalExifChunks() throws {
        func exif(_ orientation: UInt8) -> [UInt8] {
            Self.chunk(
                "EXIF",
                [0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
            )
        }
        let bytes = Self.file(Self.header(), exif(6), Self.picture, exif(3))
        #expect(try ImageSanitizer.sanitize(bytes).bytes == Self.file(Self.header(flags: 8), Self.picture, exif(6)))
    }

    @Test("leaves out whatever follows the picture of a simple file")
    func chunksAfterASimplePicture() throws {
        let bytes = Self.file(Self.picture, Self.chunk("EXIF", [1, 2]), Self.losslessPicture)
        #expect(try ImageSanitizer.sanitize(bytes).bytes == Self.lossy)
    }

    @Test("adds the padding that some writers leave out at the end")
    func missingPadding() throws {
        let odd = Self.chunk("VP8 ", Array(Self.picture[8...] + [0]))
        let padded = Self.file(odd)
        let unpadded = Self.file(Array(odd.dropLast()))
        #expect(unpadded.count == padded.count - 1)
        #expect(try ImageSanitizer.sanitize(unpadded).bytes == padded)
        #expect(try ImageSanitizer.sanitize(padded).bytes == padded)
        #expect(problem(in: Array(padded.dropLast())) == "is truncated")
    }
}
