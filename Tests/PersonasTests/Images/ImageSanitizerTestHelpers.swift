import Personas
import Testing

/// Why a file is refused, or nil if it is accepted.
func problem(in bytes: [UInt8], removingMetadata: Bool = true) -> String? {
    do throws(ImageProblem) {
        _ = try ImageSanitizer.sanitize(bytes, removingMetadata: removingMetadata)
        return nil
    } catch {
        return error.reason
    }
}

/// The bytes of a text.
func ascii(_ text: String) -> [UInt8] {
    Array(text.utf8)
}

/// A file that breaks one rule, and what a client is told about it.
struct RefusedFile: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let reason: String

    init(_ testDescription: String, _ bytes: [UInt8], _ reason: String) {
        self.testDescription = testDescription
        self.bytes = bytes
        self.reason = reason
    }
}

extension [UInt8] {
    /// Whether the text occurs, byte for byte.
    func contains(_ text: String) -> Bool {
        firstIndex(of: Array(text.utf8)) != nil
    }

    /// Whether the bytes occur in this order.
    func contains(_ needle: [UInt8]) -> Bool {
        firstIndex(of: needle) != nil
    }

    /// Where the bytes occur first.
    func firstIndex(of needle: [UInt8]) -> Int? {
        guard needle.count <= count else { return nil }
        return (0...(count - needle.count)).first { self[$0] == needle[0] && self[$0...].starts(with: needle) }
    }

    /// The same bytes with some of them replaced from an index on.
    func replacing(from index: Int, with replacement: [UInt8]) -> [UInt8] {
        var copy = self
        copy.replaceSubrange(index..<index + replacement.count, with: replacement)
        return copy
    }

    /// The same bytes with the first occurrence of some replaced by others of any length.
    func replacing(_ old: [UInt8], with new: [UInt8]) -> [UInt8] {
        guard let index = firstIndex(of: old) else { return [] }
        var copy = self
        copy.replaceSubrange(index..<index + old.count, with: new)
        return copy
    }
}
