import Foundation

/// An image as it lies in the media store: named by its content.
package struct StoredImage: Sendable, Hashable {
    /// SHA-256 of the stored bytes, 32 bytes.
    package let digest: [UInt8]
    /// The format found in the bytes, whatever was declared.
    package let format: ImageFormat
    /// Pixels across.
    package let width: Int
    /// Pixels down.
    package let height: Int
    /// Length of the stored file.
    package let byteCount: Int

    /// Takes all members.
    package init(digest: [UInt8], format: ImageFormat, width: Int, height: Int, byteCount: Int) {
        self.digest = digest
        self.format = format
        self.width = width
        self.height = height
        self.byteCount = byteCount
    }
}

/// An image on its way in, before its bytes are seen.
package enum ImageSource: Sendable {
    /// To be fetched within the create call.
    case url(String)
    /// Base64, bare or within a data URL, as the ASCII bytes that were sent.
    case base64(ArraySlice<UInt8>)
}

/// Taking in reference images: from text to checked bytes.
package enum ReferenceImage {
    /// Decodes base64, bare or as a data URL. The declared type is ignored, because clients label any bytes as JPEG.
    ///
    /// Line breaks within the base64 are passed over, as encoders for mail put them there.
    /// - Throws: `imageTooLarge` before anything is decoded, `invalidImage` for broken base64.
    package static func decode(base64 source: ArraySlice<UInt8>, at position: ImagePosition) throws(Failure) -> [UInt8] {
        var text = source
        if text.starts(with: Array("data:".utf8)) {
            guard let comma = text.firstIndex(of: UInt8(ascii: ",")), text[..<comma].suffix(7).elementsEqual(";base64".utf8) else {
                throw .invalidImage(position, reason: "is not a base64 data URL")
            }
            text = text[text.index(after: comma)...]
        }
        if text.contains(where: { $0 == 0x0a || $0 == 0x0d }) {
            text = ArraySlice(text.filter { $0 != 0x0a && $0 != 0x0d })
        }
        guard text.count / 4 * 3 <= Limits.imageBytesMax + 3 else { throw .imageTooLarge(position) }
        guard let decoded = Data(base64Encoded: Data(text)) else {
            throw .invalidImage(position, reason: "is not valid base64")
        }
        guard decoded.count <= Limits.imageBytesMax else { throw .imageTooLarge(position) }
        return [UInt8](decoded)
    }

    /// Checks that bytes are one whole image of an accepted format, and takes the location and other metadata out.
    /// - Throws: `invalidImage` with the reason, `imageTooLarge`.
    package static func checked(_ bytes: [UInt8], keepingMetadata: Bool, at position: ImagePosition) throws(Failure) -> ProbedImage {
        guard bytes.count <= Limits.imageBytesMax else { throw .imageTooLarge(position) }
        do {
            return try ImageProbe.probe(bytes, removingMetadata: !keepingMetadata)
        } catch {
            throw .invalidImage(position, reason: error.reason)
        }
    }
}

/// Why an image could not be fetched.
package enum ImageFetchProblem: Error, Sendable, Equatable {
    /// More than `Limits.imageBytesMax` came or were announced.
    case tooLarge
    /// No image came; the reason is safe to show. All forbidden addresses share one reason, so that nobody can map a network with it.
    case unavailable(reason: String)
}

/// Fetches images from URLs that clients name, and never from inside the operator's network.
package protocol ImageFetcher: Sendable {
    /// Whether plain `http` URLs are taken too: only in development.
    var acceptsPlainHTTP: Bool { get }
    /// Fetches one image, following a few redirects, each checked like the first address.
    /// - Parameter deadline: when to give up at the latest, whatever is under way.
    func fetch(_ url: String, before deadline: ContinuousClock.Instant) async throws(ImageFetchProblem) -> [UInt8]
}

/// Keeps image bytes, named by their SHA-256.
package protocol MediaStore: Sendable {
    /// Makes an image durable: when this returns it survives a power cut.
    ///
    /// The bytes are held against removal until `release` is called, so that a row can be written that names them.
    /// - Throws: `mediaNotStored`, or `usedUp` when no file can be opened for the moment.
    func store(_ image: ProbedImage) async throws(Failure) -> StoredImage
    /// Ends the hold of `store`, once the row that names the image is committed.
    func release(_ images: [StoredImage])
    /// Ends the hold of `store` when the row was not committed. The next removal takes the bytes away, unless another row names them.
    func abandon(_ images: [StoredImage])
    /// The image behind a token.
    /// - Throws: `notFound` for a token that never was or is no more.
    func open(_ token: RandomToken) async throws(Failure) -> any MediaContent
    /// The bytes of a stored image, checked against its digest.
    /// - Throws: `unexpected` when they are missing or were changed on disk.
    func verifiedBytes(of image: StoredImage) async throws(Failure) -> [UInt8]
    /// Removes the files that no row names any more, the queued ones first. Returns how many.
    func removeUnreferenced() async throws(Failure) -> Int
}

/// An image opened for reading; deleting it meanwhile does not cut the reader off.
package protocol MediaContent: Sendable {
    /// What is known of the image.
    var image: StoredImage { get }
    /// Reads a part of the file; shorter only at its end.
    func read(at offset: Int, count: Int) async throws(Failure) -> [UInt8]
}
