import Foundation
import Synchronization

/// An image on its way in, before its bytes are seen.
package enum ImageSource: Sendable {
    /// To be fetched within the create call.
    case url(String)
    /// Base64, bare or within a data URL.
    case base64(ImageText)
    /// A file.
    case file(ImageFile)
    /// A file that is larger than `Limits.imageBytesMax`, of which nothing was kept.
    case oversizedFile
}

/// The base64 of an image, bare or within a data URL, as the ASCII bytes that were sent.
package typealias ImageText = BytesTakenOnce<ArraySlice<UInt8>>

/// An image as the bytes that were sent.
package typealias ImageFile = BytesTakenOnce<[UInt8]>

/// Bytes of an image as they were sent, which whoever works on them takes away.
///
/// They are many times larger than all the rest that is known of a request. Base64 lies in the body, which is thereby let go of with the last of
/// its images, and not with the request; and of a file that is stored without its metadata, what was sent goes at once.
package final class BytesTakenOnce<Bytes: RangeReplaceableCollection<UInt8> & Sendable>: Sendable {
    /// How many there are.
    package let byteCount: Int
    private let bytes: Mutex<Bytes>

    /// Takes them in.
    package init(_ bytes: Bytes) {
        byteCount = bytes.count
        self.bytes = Mutex(bytes)
    }

    /// Hands them over, once; a second call gets none.
    package func take() -> Bytes {
        bytes.withLock { bytes in
            defer { bytes = Bytes() }
            return bytes
        }
    }
}

/// Taking in reference images: from text to checked bytes.
package enum ReferenceImage {
    /// The most bytes that a base64 text of a length can be decoded to, too large ones aside.
    static func decodedBytesMax(base64ByteCount count: Int) -> Int {
        min(count / 4 * 3, Limits.imageBytesMax)
    }

    /// Decodes base64, bare or as a data URL. The declared type is ignored, because clients label any bytes as JPEG.
    ///
    /// Line breaks within the base64 are passed over, as encoders for mail put them there.
    /// - Throws: `imageTooLarge` before anything is decoded, `invalidImage` for broken base64.
    package static func decode(base64 source: ArraySlice<UInt8>, at position: ImagePosition) throws(Failure) -> [UInt8] {
        var text = source
        if text.starts(with: "data:".utf8) {
            guard let comma = text.firstIndex(of: UInt8(ascii: ",")), text[..<comma].suffix(7).elementsEqual(";base64".utf8) else {
                throw .invalidImage(position, reason: "is not a base64 data URL")
            }
            text = text[text.index(after: comma)...]
        }
        text = withoutLineBreaks(text)
        guard text.count <= base64CharactersMax else { throw .imageTooLarge(position) }
        guard let decoded = Data(base64Encoded: Data(text)) else {
            throw .invalidImage(position, reason: "is not valid base64")
        }
        guard decoded.count <= Limits.imageBytesMax else { throw .imageTooLarge(position) }
        return [UInt8](decoded)
    }

    /// Characters of the base64 of the largest image.
    private static let base64CharactersMax = (Limits.imageBytesMax + 2) / 3 * 4

    /// Base64 without its line breaks; of a text that is too long without them no more than tells so.
    private static func withoutLineBreaks(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isLineBreak(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }
        guard let first = firstLineBreak(in: text.prefix(base64CharactersMax + 1)) else { return text }
        var characters = Array(text[..<first])
        characters.reserveCapacity(min(text.count, base64CharactersMax + 1))
        for byte in text[first...] where !isLineBreak(byte) {
            characters.append(byte)
            if characters.count > base64CharactersMax { break }
        }
        return characters[...]
    }

    /// Where the first line break is. Few texts have any, so nearly all are searched to their end: by the C library, which takes many bytes at once.
    private static func firstLineBreak(in text: ArraySlice<UInt8>) -> Int? {
        let offset = text.withUnsafeBytes { bytes -> Int? in
            guard let start = bytes.baseAddress else { return nil }
            func offset(of byte: Int32) -> Int? { memchr(start, byte, bytes.count).map { UnsafeRawPointer($0) - start } }
            return [offset(of: 0x0A), offset(of: 0x0D)].compactMap { $0 }.min()
        }
        return offset.map { text.startIndex + $0 }
    }

    /// Checks that bytes are one whole image of an accepted format, and takes the location and other metadata out.
    /// - Throws: `invalidImage` with the reason; `imageTooLarge` for what was sent or what would be stored.
    package static func checked(_ bytes: [UInt8], keepingMetadata: Bool, at position: ImagePosition) throws(Failure) -> SanitizedImage {
        guard bytes.count <= Limits.imageBytesMax else { throw .imageTooLarge(position) }
        let image: SanitizedImage
        do {
            image = try ImageSanitizer.sanitize(bytes, removingMetadata: !keepingMetadata)
        } catch {
            throw .invalidImage(position, reason: error.reason)
        }
        // The block that states the orientation may be a few bytes longer than what it stands for, and a client that fetches the stored image,
        // such as a worker, takes no more than this.
        guard image.bytes.count <= Limits.imageBytesMax else { throw .imageTooLarge(position) }
        return image
    }
}

/// Why an image could not be fetched.
package enum ImageFetchProblem: Error, Sendable, Equatable {
    /// More than `Limits.imageBytesMax` came or were announced.
    case tooLarge
    /// No image came; the reason is safe to show. All forbidden addresses share one reason, so that no client can map a network with it.
    case unavailable(reason: String)
    /// There was no place or no memory for the download, which says nothing about the image: `tooManyRequests` where that was the account's own
    /// doing, `usedUp` where it was that of others.
    case refused(Failure)
}

/// Fetches images from URLs that clients name, and never from inside the operator's network.
package protocol ImageFetcher: Sendable {
    /// Whether plain `http` URLs are taken too: only in development.
    var acceptsPlainHTTP: Bool { get }
    /// Fetches one image, following a few redirects, each checked like the first address.
    /// - Parameters:
    ///   - memory: what holds the image from its first byte on, and on whose account's share it is fetched.
    ///   - deadline: when to give up at the latest, whatever is under way.
    func fetch(
        _ url: String, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant
    ) async throws(ImageFetchProblem) -> [UInt8]
}
