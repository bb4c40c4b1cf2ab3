/// What the structure of an image file says about it.
///
/// Only `ImageSanitizer` makes one, so its bytes have been checked.
package struct SanitizedImage: Sendable, Equatable {
    /// The format, told by the bytes.
    package let format: ImageFormat
    /// The width as stored, in pixels: 1…`ImageLimits.sidePixelsMax`. An orientation that turns the picture is not applied.
    package let width: Int
    /// The height as stored, in pixels: 1…`ImageLimits.sidePixelsMax`. An orientation that turns the picture is not applied.
    package let height: Int
    /// The file as it is to be stored: cut after its end marker, without location and other metadata.
    package let bytes: [UInt8]
}

/// Why bytes are not an acceptable image.
package struct ImageProblem: Error, Sendable, Equatable {
    /// The predicate of a sentence about the image, such as "is truncated"; it holds nothing of the file and is safe to show to a client.
    package let reason: String

    static let unrecognised = ImageProblem(reason: "is not a JPEG, PNG, WebP or GIF image")
    static let truncated = ImageProblem(reason: "is truncated")
    static let withoutPixels = ImageProblem(reason: "has a side of 0 pixels")
    static let sideTooLong = ImageProblem(reason: "is larger than \(ImageLimits.sidePixelsMax) pixels a side")
    static let tooManyPixels = ImageProblem(reason: "has more than \(ImageLimits.pixelsMax) pixels")

    /// The file breaks a rule of its format; the detail is a clause made of constants, never of the file's content.
    static func damaged(_ detail: String) -> ImageProblem {
        ImageProblem(reason: "is damaged: \(detail)")
    }

    /// The file may be sound, but is of a kind that viewers do not agree on or that invites abuse.
    static func unsupported(_ detail: String) -> ImageProblem {
        ImageProblem(reason: "is not supported: \(detail)")
    }
}

/// How large a declared image may be. Images are never decoded here, but what decodes one later (a trainer, a browser)
/// pays for what its header declares, however small the file is.
package enum ImageLimits {
    /// The longest side in pixels. WebP cannot express more, and no camera takes more in one exposure.
    package static let sidePixelsMax = 16_384
    /// The most pixels in all: 400 MB once decoded with four bytes a pixel, and the size of the largest medium-format photographs.
    package static let pixelsMax = 100_000_000
    /// The most scans of a JPEG. Each scan makes a decoder walk the whole picture again; encoders write about ten.
    package static let jpegScansMax = 100
    /// The largest compressed text or EXIF chunk of a PNG that is stored when metadata is not removed: a compressed one may inflate
    /// a thousandfold in its reader.
    package static let metadataChunkBytesMax = 64 * 1024
    /// The largest colour profile kept in a PNG or WebP: profiles of displays and printers are up to some hundred KB.
    package static let colourProfileBytesMax = 1024 * 1024

    /// Refuses a picture, canvas or frame whose declared size is out of bounds.
    static func check(width: Int, height: Int) throws(ImageProblem) {
        guard width > 0, height > 0 else { throw .withoutPixels }
        guard width <= sidePixelsMax, height <= sidePixelsMax else { throw .sideTooLong }
        guard width * height <= pixelsMax else { throw .tooManyPixels }
    }
}

/// Tells from its structure alone whether bytes are a complete image, and takes from the file all that its receivers have no business with.
///
/// No pixel is decoded: a decoder is the part of an image library that hostile files attack, and the answer to
/// "is it complete, what is it, how large" does not need one. Each format is walked once from its first byte to its end marker,
/// in time linear in the size of the file and with every length checked against what is there.
package enum ImageSanitizer {
    /// Checks a file and returns what it is, or says why it is not accepted.
    ///
    /// Bytes after the end marker are cut off rather than refused: many phones write some, and archives and scripts hide there.
    /// Unless told otherwise, location, camera, comments, thumbnails and every other part that does not affect the picture are removed
    /// without touching the compressed pixels; the orientation and the colour profile stay. Sanitizing the result again returns the same bytes.
    package static func sanitize(_ bytes: [UInt8], removingMetadata: Bool = true) throws(ImageProblem) -> SanitizedImage {
        switch format(of: bytes) {
        case .jpeg: try JPEGWalker.sanitize(bytes, removingMetadata: removingMetadata)
        case .png: try PNGWalker.sanitize(bytes, removingMetadata: removingMetadata)
        case .webp: try WebPWalker.sanitize(bytes, removingMetadata: removingMetadata)
        case .gif: try GIFWalker.sanitize(bytes, removingMetadata: removingMetadata)
        case nil: throw .unrecognised
        }
    }

    /// The format the first bytes claim to be.
    private static func format(of bytes: [UInt8]) -> ImageFormat? {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            return .jpeg
        }
        if bytes.starts(with: PNGWalker.signature) {
            return .png
        }
        if bytes.starts(with: "GIF87a".utf8) || bytes.starts(with: "GIF89a".utf8) {
            return .gif
        }
        if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
            return .webp
        }
        return nil
    }
}
