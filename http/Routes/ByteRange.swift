/// What a `Range` header asks for (RFC 9110, section 14).
enum ByteRange: Equatable {
    /// The whole file: no header, one that asks for several ranges, or one that is no range; a server may ignore what it does not care to serve
    /// in parts.
    case whole
    /// One part of the file.
    case part(Range<Int>)
    /// A part that the file does not have.
    case unsatisfiable

    /// Reads a `Range` header.
    init(_ header: String?, of byteCount: Int) {
        self = header.flatMap { Self.read($0.utf8[...], of: byteCount) } ?? .whole
    }

    private static func read(_ header: Substring.UTF8View, of byteCount: Int) -> ByteRange? {
        let unit = "bytes=".utf8
        guard header.starts(with: unit) else { return nil }
        let parts = header.dropFirst(unit.count).split(separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let (first, last) = bounds(parts[0], parts[1]) else { return nil }
        switch (first, last) {
        case (let first?, let last?):
            guard first <= last else { return nil }
            return first < byteCount ? .part(first..<(min(last, byteCount - 1) + 1)) : .unsatisfiable
        case (let first?, nil): return first < byteCount ? .part(first..<byteCount) : .unsatisfiable
        case (nil, let length?): return length > 0 && byteCount > 0 ? .part(max(0, byteCount - length)..<byteCount) : .unsatisfiable
        case (nil, nil): return nil
        }
    }

    /// The two numbers, of which one may be missing; nil for anything else.
    private static func bounds(_ first: Substring.UTF8View, _ last: Substring.UTF8View) -> (first: Int?, last: Int?)? {
        let isDigit = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        guard first.allSatisfy(isDigit), last.allSatisfy(isDigit) else { return nil }
        // More digits than a number holds are still only beyond every file.
        func number(_ digits: Substring.UTF8View) -> Int? { digits.isEmpty ? nil : Int(Substring(digits)) ?? Int.max - 1 }
        return (number(first), number(last))
    }
}
