import Personas
import TestImages
import TestSupport
import Testing

/// A worker that fetches a stored image takes no more bytes than a client may send, so that none may be stored that is larger.
@Suite("The size of a stored image")
struct StoredSizeTests {
    private static let position = ImagePosition(field: .imageBase64s, index: 1)
    private static let bytesMax = 10 * 1_024 * 1_024

    /// A kind of file and what is added to it when it is stored: the smallest EXIF block there is says no more in four bytes less.
    struct Kind: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let growth: Int
        /// The next larger file has so many bytes more.
        var step = 1
        /// Makes a file of exactly so many bytes.
        let file: @Sendable (Int) -> [UInt8]
    }

    /// An orientation without the four bytes after the directory that say where the next one is.
    private static let shortBlock: [UInt8] = [0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0]

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    static let kinds: [Kind] = [
        Kind(testDescription: "JPEG with EXIF", growth: 4) { count in
            let plain = ImageFixture.jpegPlain.bytes
            let exif = [0xFF, 0xE1, 0, 30] + ascii("Exif\0\0") + shortBlock
            let inner = Array(plain[2..<(plain.count - 2)])
            return [0xFF, 0xD8] + exif + inner + zeros(count - plain.count - exif.count) + [0xFF, 0xD9]
        },
        Kind(testDescription: "JPEG without metadata", growth: 0) { count in
            let plain = ImageFixture.jpegPlain.bytes
            return plain.dropLast(2) + zeros(count - plain.count) + [0xFF, 0xD9]
        },
        Kind(testDescription: "PNG with EXIF", growth: 4) { count in
            let plain = ImageFixture.pngPlain.bytes
            let exif = PNG.chunk("eXIf", shortBlock)
            let data = PNG.chunk("IDAT", zeros(count - plain.count - exif.count - 12))
            let inner = Array(plain[33..<(plain.count - 12)])
            return Array(plain[..<33]) + exif + inner + data + PNG.chunk("IEND", [])
        },
        Kind(testDescription: "WebP with EXIF", growth: 4, step: 2) { extendedWebP($0, exif: shortBlock) },
        Kind(testDescription: "WebP with EXIF of an odd size that lacks its padding", growth: 3, step: 2) {
            extendedWebP($0, exif: shortBlock + [0])
        },
        Kind(testDescription: "WebP that lacks its padding", growth: 1, step: 2) { count in
            riff(webpPicture(payloadBytes: count - 20))
        },
        Kind(testDescription: "GIF with a repetition", growth: 0) { count in
            let repetition = [0x21, 0xFF, 11] + ascii("NETSCAPE2.0") + [3, 1, 0, 0, 0]
            let start = ascii("GIF89a") + [4, 0, 4, 0, 0, 0, 0] + repetition + [0x2C, 0, 0, 0, 0, 4, 0, 4, 0, 0, 2]
            let room = count - start.count - 2
            // Blocks of two bytes, and one of three where the room is odd.
            let odd: [UInt8] = room.isMultiple(of: 2) ? [] : [2, 1, 1]
            return start + odd + Array(repeating: [1, 1] as [UInt8], count: (room - odd.count) / 2).joined() + [0, 0x3B]
        },
    ]

    private static func extendedWebP(_ count: Int, exif: [UInt8]) -> [UInt8] {
        let header = ascii("VP8X") + littleEndian(10) + [8, 0, 0, 0, 19, 0, 0, 11, 0, 0]
        let end = ascii("EXIF") + littleEndian(UInt32(exif.count)) + exif
        return riff(header + webpPicture(payloadBytes: count - 12 - header.count - 8 - end.count) + end)
    }

    /// A lossless picture of 20 × 12 pixels, as far as its header tells, without padding.
    private static func webpPicture(payloadBytes: Int) -> [UInt8] {
        ascii("VP8L") + littleEndian(UInt32(payloadBytes)) + [0x2F, 0x13, 0xC0, 0x02, 0] + zeros(payloadBytes - 5)
    }

    private static func riff(_ chunks: [UInt8]) -> [UInt8] {
        ascii("RIFF") + littleEndian(UInt32(chunks.count + 4)) + ascii("WEBP") + chunks
    }

    @Test("A file that becomes 10 MiB is taken, one that becomes larger is too large", arguments: kinds)
    func edge(kind: Kind) throws {
        let largest = kind.file(Self.bytesMax - kind.growth)
        #expect(largest.count == Self.bytesMax - kind.growth)
        let stored = try ReferenceImage.checked(largest, keepingMetadata: false, at: Self.position)
        #expect(stored.bytes.count == Self.bytesMax)
        let larger = kind.file(Self.bytesMax - kind.growth + kind.step)
        #expect(throws: Failure.imageTooLarge(Self.position)) {
            try ReferenceImage.checked(larger, keepingMetadata: false, at: Self.position)
        }
        guard larger.count <= Self.bytesMax else { return }
        // It is an image, and the rule is about what is stored.
        let untouched = try ReferenceImage.checked(larger, keepingMetadata: true, at: Self.position)
        #expect(untouched.bytes == larger)
    }

    @Test("No file grows by more than these", arguments: ImageFixture.all)
    func fixtures(fixture: ImageFixture) throws {
        #expect(try ImageSanitizer.sanitize(fixture.bytes).bytes.count <= fixture.bytes.count + 4)
    }
}
