/// The parts of a file that are to be stored, in order. Nothing is copied until a part is left out or put in,
/// so that an image without metadata costs no second 10 MB.
struct KeptBytes {
    private let source: [UInt8]
    /// While nothing has been left out, everything before this index is kept.
    private var prefixEnd = 0
    /// What is kept, from the first difference from the source on.
    private var copy: [UInt8]?

    /// Nothing of the source yet.
    init(of source: [UInt8]) {
        self.source = source
    }

    /// Keeps a part of the source.
    mutating func keep(_ range: Range<Int>) {
        if copy == nil, range.lowerBound == prefixEnd {
            prefixEnd = range.upperBound
        } else {
            startCopy()
            copy?.append(contentsOf: source[range])
        }
    }

    /// Puts in bytes the source does not have in this place.
    mutating func insert(_ bytes: some Sequence<UInt8>) {
        startCopy()
        copy?.append(contentsOf: bytes)
    }

    /// How many bytes have been kept and put in.
    var count: Int { copy?.count ?? prefixEnd }

    /// Replaces bytes that have been kept or put in before; `offset` counts in these, not in the source.
    mutating func overwrite(at offset: Int, with replacement: [UInt8]) {
        guard offset >= 0, offset + replacement.count <= count else { return }
        let isSame = (copy ?? source)[offset...].starts(with: replacement)
        guard !isSame else { return }
        startCopy()
        copy?.replaceSubrange(offset..<offset + replacement.count, with: replacement)
    }

    /// What has been kept and put in.
    var bytes: [UInt8] {
        if let copy {
            return copy
        }
        return prefixEnd == source.count ? source : Array(source[..<prefixEnd])
    }

    private mutating func startCopy() {
        guard copy == nil else { return }
        var copy = [UInt8]()
        copy.reserveCapacity(source.count)
        copy.append(contentsOf: source[..<prefixEnd])
        self.copy = copy
    }
}
