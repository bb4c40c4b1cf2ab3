import Foundation
import TestSupport

/// Forms of one thing many times over, each the most costly of its kind that is known.
enum RepetitiveForms {
    /// What stands between the parts of each.
    static let boundary = String(repeating: "-", count: 40) + "b"

    /// Bodies of about `byteCount` bytes, with what each is full of.
    static func all(byteCount: Int) -> [(name: String, bytes: [UInt8])] {
        var generator = SplitMix64(seed: 1)
        let random = (0..<byteCount / 8).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
        let beginning = "\r\n--\(boundary.dropLast())"
        let contents: [(String, [UInt8])] = [
            ("random bytes", random), ("carriage returns", repeated("\r", bytes: byteCount)),
            ("ends of line", repeated("\r\n", bytes: byteCount)),
            ("beginnings of boundaries", repeated(beginning, bytes: byteCount)), ("hyphens", repeated("-", bytes: byteCount)),
        ]
        let third = byteCount / 3
        return contents.flatMap { label, content in
            var images = MultipartForm([("name", "Nova")], images: [], boundary: boundary)
            for index in 0..<3 { images.addFile("image", "\(index)", Array(content.prefix(third))) }
            var ignored = MultipartForm([("name", "Nova")], images: [], boundary: boundary)
            ignored.addFile("ignored", "file", content)
            return [("form, images of \(label)", images.bytes), ("form, a field of \(label)", ignored.bytes)]
        }
    }
}
