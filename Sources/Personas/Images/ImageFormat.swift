/// The image formats the service takes in and serves, told apart by the bytes and never by a declared type.
///
/// SVG is left out on purpose: it is a document that can run script.
package enum ImageFormat: String, Sendable, CaseIterable, Codable {
    /// JPEG (ITU-T T.81), baseline, extended or progressive, 8 bits a sample.
    case jpeg
    /// PNG (W3C PNG, third edition), animated or not.
    case png
    /// WebP (RFC 9649), lossy or lossless, animated or not.
    case webp
    /// GIF 87a or 89a, animated or not.
    case gif

    /// The media type to serve such an image with, for example `image/jpeg`.
    package var contentType: String {
        switch self {
        case .jpeg: "image/jpeg"
        case .png: "image/png"
        case .webp: "image/webp"
        case .gif: "image/gif"
        }
    }

    /// The usual extension of such a file, without the dot.
    package var fileExtension: String {
        switch self {
        case .jpeg: "jpg"
        case .png: "png"
        case .webp: "webp"
        case .gif: "gif"
        }
    }
}
