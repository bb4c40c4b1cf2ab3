/// The parts of a file that are to be stored, in order. Nothing is copied until a part is left out or put in,
/// so that an image without metadata costs no second 10 MB; and parts that follow one another are copied as one, however small they are.
struct KeptBytes {
    private let source: [UInt8]
    /// What has been kept and put in, without the last parts.
    private var copy: [UInt8] = []
    /// The last parts, as far as they follow one another in the source.
    private var last = 0..<0

    /// Nothing of the source yet.
    init(of source: [UInt8]) {
        self.source = source
    }

    /// Keeps a part of the source.
    mutating func keep(_ range: Range<Int>) {
        if range.lowerBound == last.upperBound {
            last = last.lowerBound..<range.upperBound
        } else {
            copyLast()
            last = range
        }
    }

    /// Puts in bytes the source does not have in this place.
    mutating func insert(_ bytes: some Sequence<UInt8>) {
        copyLast()
        copy.append(contentsOf: bytes)
    }

    /// How many bytes have been kept and put in.
    var count: Int { copy.count + last.count }

    /// Replaces bytes that have been kept or put in before; `offset` counts in these, not in the source.
    mutating func overwrite(at offset: Int, with replacement: [UInt8]) {
        guard offset >= 0, offset + replacement.count <= count else { return }
        if isPrefix, source[offset...].starts(with: replacement) { return }
        copyLast()
        copy.replaceSubrange(offset..<offset + replacement.count, with: replacement)
    }

    /// What has been kept and put in.
    mutating func joined() -> [UInt8] {
        if isPrefix, last.upperBound == source.count { return source }
        copyLast()
        return copy
    }

    /// Whether all that is kept is the beginning of the source.
    private var isPrefix: Bool { copy.isEmpty && last.lowerBound == 0 }

    private mutating func copyLast() {
        if copy.isEmpty { copy.reserveCapacity(source.count) }
        copy.append(contentsOf: source[last])
        last = last.upperBound..<last.upperBound
    }
}
