import Foundation
import TestSupport

/// Images for tests, whole and small unless a length is asked for.
package enum Picture {
    /// A PNG that differs for every seed, of 16 × 16 pixels.
    package static func png(seed: Int = 0) -> [UInt8] { PNG.noise(width: 16, height: 16, seed: UInt64(seed)) }

    /// Such a PNG of exactly so many bytes, at least 400.
    package static func png(byteCount: Int, seed: Int = 0) -> [UInt8] {
        PNG.noise(width: 16, height: 16, seed: UInt64(seed), byteCount: byteCount)
    }

    /// Three PNGs of a seed.
    package static func three(seed: Int = 0) -> [[UInt8]] { (0..<3).map { png(seed: seed * 3 + $0) } }

    /// Images of 10 MiB, the most that is taken.
    package static let largest = (0..<3).map { png(byteCount: 10 * 1_024 * 1_024, seed: 1_000 + $0) }

    /// A baseline JPEG of 20 × 12 pixels.
    package static let jpeg = SampleImages.bytes("jpeg-plain.jpg")

    /// A lossy WebP of 20 × 12 pixels.
    package static let webp = SampleImages.bytes("webp-lossy.webp")

    /// A GIF of 20 × 12 pixels.
    package static let gif = SampleImages.bytes("gif-plain.gif")

    /// One image of each format, with its content type.
    package static let formats: [(contentType: String, bytes: [UInt8])] = [
        ("image/png", png()), ("image/jpeg", jpeg), ("image/webp", webp), ("image/gif", gif),
    ]

    /// Bytes as bare base64.
    package static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// Bytes as a data URL, of a type that may be another than theirs.
    package static func dataURL(_ bytes: [UInt8], type: String = "image/jpeg") -> String { "data:\(type);base64,\(base64(bytes))" }
}
