import Foundation

/// Reads bytes from front to back and never outside its range. What would lie past the end is a problem of the file, not a trap,
/// so that the walkers can follow any length a hostile file declares.
///
/// Nothing here allocates: a file of 10 MB may consist of millions of parts.
struct ByteReader {
    /// The whole file; `position` and `end` are indices into it.
    let bytes: [UInt8]
    /// The index of the next byte to read.
    private(set) var position: Int
    /// The index after the last byte that may be read.
    let end: Int
    /// What the bytes are a part of; nil for a whole file.
    private let part: StaticString?

    /// A reader of a whole file.
    init(_ bytes: [UInt8]) {
        self.init(bytes: bytes, range: bytes.indices, part: nil)
    }

    private init(bytes: [UInt8], range: Range<Int>, part: StaticString?) {
        self.bytes = bytes
        self.position = range.lowerBound
        self.end = range.upperBound
        self.part = part
    }

    /// How many bytes are left.
    var remaining: Int { end - position }

    /// What is thrown when more is asked for than there is: a file that ends early is truncated, a part of it that does is damaged.
    private var problemAtEnd: ImageProblem { part.map { .damaged("\($0) ends early") } ?? .truncated }

    /// Steps over `count` bytes and returns where they are.
    @discardableResult
    mutating func take(_ count: Int) throws(ImageProblem) -> Range<Int> {
        guard count >= 0, count <= remaining else { throw problemAtEnd }
        let start = position
        position += count
        return start..<position
    }

    /// Steps over `count` bytes and returns a reader of just these, for which an early end is damage to the part named.
    mutating func section(_ count: Int, of part: StaticString) throws(ImageProblem) -> ByteReader {
        ByteReader(bytes: bytes, range: try take(count), part: part)
    }

    /// The next byte.
    mutating func byte() throws(ImageProblem) -> UInt8 {
        guard position < end else { throw problemAtEnd }
        defer { position += 1 }
        return bytes[position]
    }

    /// An unsigned number of `byteCount` (1…4) bytes, most significant first.
    mutating func bigEndian(_ byteCount: Int) throws(ImageProblem) -> Int {
        var number = 0
        for index in try take(byteCount) { number = number << 8 | Int(bytes[index]) }
        return number
    }

    /// An unsigned number of `byteCount` (1…4) bytes, least significant first.
    mutating func littleEndian(_ byteCount: Int) throws(ImageProblem) -> Int {
        var number = 0
        for index in try take(byteCount).reversed() { number = number << 8 | Int(bytes[index]) }
        return number
    }

    /// The next four bytes, as the type of a chunk.
    mutating func chunkType() throws(ImageProblem) -> ChunkType {
        ChunkType(UInt32(truncatingIfNeeded: try bigEndian(4)))
    }

    /// Whether the text, byte for byte, comes next.
    func starts(with text: StaticString) -> Bool {
        guard text.utf8CodeUnitCount <= remaining else { return false }
        return text.withUTF8Buffer { bytes[position..<position + $0.count].elementsEqual($0) }
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

/// The type of a chunk of PNG and RIFF: four characters, compared as one number.
struct ChunkType: Hashable, ExpressibleByStringLiteral {
    private let code: UInt32

    /// The type of the four bytes, of which the first is the most significant.
    init(_ code: UInt32) {
        self.code = code
    }

    /// The type as people write it, in exactly four characters of ASCII.
    init(stringLiteral text: StaticString) {
        precondition(text.utf8CodeUnitCount == 4)
        code = text.withUTF8Buffer { $0.reduce(0) { $0 << 8 | UInt32($1) } }
    }

    /// The four bytes.
    var bytes: [UInt8] { withUnsafeBytes(of: code.bigEndian) { Array($0) } }
}
