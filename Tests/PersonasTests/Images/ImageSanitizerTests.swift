import Personas
import TestImages
import TestSupport
import Testing

@Suite("Sanitizing images")
struct ImageSanitizerTests {
    @Test("tells the format and the size", arguments: ImageFixture.all)
    func formatAndSize(fixture: ImageFixture) throws {
        let image = try ImageSanitizer.sanitize(fixture.bytes)
        #expect(image.format == fixture.format)
        #expect(image.width == fixture.width)
        #expect(image.height == fixture.height)
    }

    @Test("refuses a file cut short at any byte", arguments: ImageFixture.all)
    func truncation(fixture: ImageFixture) {
        for count in fixture.bytes.indices {
            let start = Array(fixture.bytes[..<count])
            #expect(throws: ImageProblem.self, "cut to \(count) bytes") { try ImageSanitizer.sanitize(start) }
            #expect(throws: ImageProblem.self, "cut to \(count) bytes") { try ImageSanitizer.sanitize(start, removingMetadata: false) }
        }
    }

    @Test("says that a file whose second half is missing is truncated", arguments: ImageFixture.all)
    func truncationReason(fixture: ImageFixture) {
        #expect(problem(in: Array(fixture.bytes.dropLast(8))) == "is truncated")
    }

    @Test("cuts off whatever follows the end marker", arguments: ImageFixture.all)
    func trailingBytes(fixture: ImageFixture) throws {
        let stored = try ImageSanitizer.sanitize(fixture.bytes).bytes
        for tail in [[0], [0x0A], ascii("PK\u{3}\u{4}CANARY"), fixture.bytes] {
            #expect(try ImageSanitizer.sanitize(fixture.bytes + tail).bytes == stored)
            #expect(try ImageSanitizer.sanitize(fixture.bytes + tail, removingMetadata: false).bytes == fixture.bytes)
        }
    }

    @Test("leaves a file as it is when metadata is to stay", arguments: ImageFixture.all)
    func metadataStays(fixture: ImageFixture) throws {
        #expect(try ImageSanitizer.sanitize(fixture.bytes, removingMetadata: false).bytes == fixture.bytes)
    }

    @Test("leaves a file without metadata as it is", arguments: ImageFixture.all.filter { !$0.hasMetadata })
    func nothingToRemove(fixture: ImageFixture) throws {
        #expect(try ImageSanitizer.sanitize(fixture.bytes).bytes == fixture.bytes)
    }

    @Test("removes location, camera, comments and thumbnails", arguments: ImageFixture.all.filter(\.hasMetadata))
    func metadataIsGone(fixture: ImageFixture) throws {
        let stored = try ImageSanitizer.sanitize(fixture.bytes).bytes
        #expect(fixture.bytes.contains("CANARY"))
        for secret in ["CANARY", "2024:05:06", "ASCII", "xmpmeta", "JFXX", "8BIM", "MPF", "tEXt", "zTXt", "iTXt", "tIME", "XMP"] {
            #expect(!stored.contains(secret), "\(secret)")
        }
    }

    @Test("keeps the orientation, and of EXIF nothing else", arguments: ImageFixture.all)
    func orientation(fixture: ImageFixture) throws {
        let stored = try ImageSanitizer.sanitize(fixture.bytes).bytes
        let name = fixture.format == .jpeg ? "Exif\0\0" : fixture.format == .png ? "eXIf" : "EXIF"
        guard let orientation = fixture.orientation else {
            #expect(!stored.contains(name))
            return
        }
        let block: [UInt8] = [
            0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0,
        ]
        let header: [UInt8] =
            switch fixture.format {
            case .jpeg: [0xFF, 0xE1, 0, 34] + ascii(name)
            case .png: [0, 0, 0, 26] + ascii(name)
            case .webp, .gif: ascii(name) + [26, 0, 0, 0]
            }
        #expect(stored.contains(header + block))
    }

    @Test("removing metadata leaves exactly the file that was written without it")
    func sameAsWithoutMetadata() throws {
        #expect(try ImageSanitizer.sanitize(ImageFixture.jpegThumbnails.bytes).bytes == ImageFixture.jpegPlain.bytes)
        let animatedGIF = try ImageSanitizer.sanitize(ImageFixture.gifAnimated.bytes).bytes
        #expect(try ImageSanitizer.sanitize(ImageFixture.gifExtensions.bytes).bytes == animatedGIF)
        let animatedWebP = try ImageSanitizer.sanitize(ImageFixture.webpAnimated.bytes).bytes
        #expect(try ImageSanitizer.sanitize(ImageFixture.webpUnknownChunks.bytes).bytes == animatedWebP)
    }

    @Test(
        "keeps the colour profile",
        arguments: [
            (ImageFixture.jpegMetadata, "ICC_PROFILE"), (ImageFixture.pngMetadata, "iCCP"), (ImageFixture.webpMetadata, "ICCP"),
        ]
    )
    func colourProfile(fixture: ImageFixture, name: String) throws {
        #expect(try ImageSanitizer.sanitize(fixture.bytes).bytes.contains(name))
    }

    @Test("keeps animations and how often they repeat")
    func animations() throws {
        #expect(try ImageSanitizer.sanitize(ImageFixture.gifAnimated.bytes).bytes.contains("NETSCAPE2.0\u{3}\u{1}\u{2}\0\0"))
        let png = try ImageSanitizer.sanitize(ImageFixture.pngAnimated.bytes).bytes
        #expect(png.contains("acTL") && png.contains("fcTL") && png.contains("fdAT"))
        let webp = try ImageSanitizer.sanitize(ImageFixture.webpAnimated.bytes).bytes
        #expect(webp.contains("ANIM") && webp.contains("ANMF"))
    }

    @Test("what is stored is not changed a second time", arguments: ImageFixture.all)
    func fixedPoint(fixture: ImageFixture) throws {
        let once = try ImageSanitizer.sanitize(fixture.bytes)
        #expect(try ImageSanitizer.sanitize(once.bytes) == once)
    }

    @Test("never traps on a changed byte, and what it still accepts is stable", arguments: ImageFixture.all)
    func flippedBytes(fixture: ImageFixture) {
        var generator = SplitMix64(seed: 20_240_506)
        var refusedCount = 0
        for _ in 0..<1_000 {
            var bytes = fixture.bytes
            let index = Int.random(in: bytes.indices, using: &generator)
            bytes[index] ^= UInt8.random(in: 1...255, using: &generator)
            if let image = try? ImageSanitizer.sanitize(bytes) {
                #expect((try? ImageSanitizer.sanitize(image.bytes)) == image, "byte \(index) is \(bytes[index])")
            } else {
                refusedCount += 1
            }
        }
        #expect(refusedCount > 0)
    }

    @Test(
        "refuses what is no image of the four formats",
        arguments: [
            "", "\0", "GIF", "GIF88a", "RIFF", "RIFF\u{4}\0\0\0WAVE", "BM\u{36}\0\0\0", "%PDF-1.7", "PK\u{3}\u{4}", "<svg xmlns=\"\"/>",
            "\u{89}PNG\r\n\u{1A}\n", "data:image/png;base64,iVBORw0KGgo=", "<!DOCTYPE html>", "\0\0\0\u{18}ftypheic", "II*\0", "MM\0*",
        ]
    )
    func otherFiles(text: String) {
        #expect(problem(in: Array(text.utf8)) == "is not a JPEG, PNG, WebP or GIF image")
    }

    @Test("refuses a signature with nothing behind it")
    func signaturesAlone() {
        #expect(problem(in: [0xFF, 0xD8]) == "is not a JPEG, PNG, WebP or GIF image")
        #expect(problem(in: [0xFF, 0xD8, 0xFF]) == "is truncated")
        #expect(problem(in: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) == "is truncated")
        #expect(problem(in: ascii("GIF89a")) == "is truncated")
        #expect(problem(in: ascii("RIFF\u{10}\0\0\0WEBP")) == "is truncated")
    }

    @Test("takes time in proportion to the size of hostile files", .timeLimit(.minutes(1)))
    func hostileFiles() {
        let png = ImageFixture.pngPlain.bytes
        let textChunk = PNG.chunk("tEXt", [])
        let manyChunks = png[..<33] + Array(repeating: textChunk, count: 50_000).joined() + png[33...]
        let gif = ImageFixture.gifPlain.bytes
        let manyBlocks = gif.dropLast() + Array(repeating: [0x21, 0xFE, 0] as [UInt8], count: 200_000).joined() + [0x3B]
        #expect((try? ImageSanitizer.sanitize(Array(manyChunks)))?.bytes == png)
        #expect((try? ImageSanitizer.sanitize(Array(manyBlocks)))?.bytes == gif)
        #expect(problem(in: [0xFF, 0xD8] + Array(repeating: 0xFF, count: 1_000_000)) == "is truncated")
    }

    @Test("has a media type and a file extension for each format")
    func formats() {
        #expect(ImageFormat.allCases.map(\.contentType) == ["image/jpeg", "image/png", "image/webp", "image/gif"])
        #expect(ImageFormat.allCases.map(\.fileExtension) == ["jpg", "png", "webp", "gif"])
    }
}
