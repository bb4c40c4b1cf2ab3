import Foundation

/// Reads bytes from front to back and never outside its range. What would lie past the end is a problem of the file, not a trap,
/// so that the probes can follow any length a hostile file declares.
struct ByteReader {
    /// The whole file; `position` and `end` are indices into it.
    let bytes: [UInt8]
    /// The index of the next byte to read.
    private(set) var position: Int
    /// The index after the last byte that may be read.
    let end: Int
    /// What to throw when more is asked for than there is: a file that ends early is truncated, a part of it that does is damaged.
    private let problemAtEnd: ImageProblem

    /// A reader of a whole file.
    init(_ bytes: [UInt8]) {
        self.init(bytes: bytes, range: bytes.indices, problemAtEnd: .truncated)
    }

    private init(bytes: [UInt8], range: Range<Int>, problemAtEnd: ImageProblem) {
        self.bytes = bytes
        self.position = range.lowerBound
        self.end = range.upperBound
        self.problemAtEnd = problemAtEnd
    }

    /// How many bytes are left.
    var remaining: Int { end - position }

    /// Steps over `count` bytes and returns where they are.
    @discardableResult
    mutating func take(_ count: Int) throws(ImageProblem) -> Range<Int> {
        guard count >= 0, count <= remaining else { throw problemAtEnd }
        let start = position
        position += count
        return start..<position
    }

    /// Steps over `count` bytes and returns a reader of just these, for which an early end is damage with the detail given.
    mutating func section(_ count: Int, of detail: String) throws(ImageProblem) -> ByteReader {
        ByteReader(bytes: bytes, range: try take(count), problemAtEnd: .damaged("\(detail) ends early"))
    }

    /// The next byte.
    mutating func byte() throws(ImageProblem) -> UInt8 {
        guard position < end else { throw problemAtEnd }
        defer { position += 1 }
        return bytes[position]
    }

    /// An unsigned number of `byteCount` (1…4) bytes, most significant first.
    mutating func bigEndian(_ byteCount: Int) throws(ImageProblem) -> Int {
        bytes[try take(byteCount)].reduce(0) { $0 << 8 | Int($1) }
    }

    /// An unsigned number of `byteCount` (1…4) bytes, least significant first.
    mutating func littleEndian(_ byteCount: Int) throws(ImageProblem) -> Int {
        bytes[try take(byteCount)].reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    /// The next `byteCount` bytes as text; a byte that is not UTF-8 becomes U+FFFD.
    mutating func text(_ byteCount: Int) throws(ImageProblem) -> String {
        String(decoding: bytes[try take(byteCount)], as: UTF8.self)
    }

    /// Whether the text, byte for byte, comes next.
    func starts(with text: String) -> Bool {
        bytes[position..<end].starts(with: text.utf8)
    }

    /// Goes to the next occurrence of a byte, at the speed of `memchr`: nearly all of a photograph is compressed data
    /// in which only this byte is looked for.
    mutating func advance(to value: UInt8) throws(ImageProblem) {
        let start = position
        let count = remaining
        let found = bytes.withUnsafeBytes { buffer -> Int? in
            guard count > 0, let base = buffer.baseAddress else { return nil }
            return memchr(base + start, Int32(value), count).map { UnsafeRawPointer($0) - base }
        }
        guard let found else { throw problemAtEnd }
        position = found
    }

    /// Goes back to a place that has been read before.
    mutating func rewind(to earlier: Int) {
        position = min(max(earlier, 0), position)
    }
}
