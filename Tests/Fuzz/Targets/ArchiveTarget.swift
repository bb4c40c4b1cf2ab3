import Personas
import PersonasWire
import Synchronization

extension FuzzTarget {
    /// Archives: whatever is taken for one has nothing in it that was not looked at, and is refused as soon as anything is missing from it. Digests are
    /// stood in for by sums, or no mutated input would ever come past them.
    static let archives = FuzzTarget(
        name: "archives",
        pieces: utf8(
            "items/000001.jsonl", "items/000002.jsonl", "media/", ".png", "manifest.json", "ustar\u{0}00", "ustar  \u{0}", "\n", "../")
            + utf8(
                "00000000000\u{0}", "00000000001\u{0}", "77777777777\u{0}", "0", "2", "x", "L",
                "{\"format\":\"personas-archive\",\"version\":1,")
            + utf8("\"status\":\"completed\"", "\"error\":null", "\"portrait\":null", "\"reference\":[", "\"metadata\":{}")
            + [[0], [0x80], Array(repeating: 0, count: 512), Array(repeating: 0x30, count: 64)],
        check: { (bytes) throws(BrokenProperty) in
            try checkHeader(bytes)
            try checkLine(bytes)
            guard let archive = verified(bytes) else { return }
            try require(archive.itemCount <= bytes.count, "no archive has more items than bytes")
            try require(
                verified(Array(bytes.dropLast(512))) == nil || bytes.suffix(512).allSatisfy { $0 == 0 }, "the end of an archive counts")
            try require(verified(bytes + [1]) == nil, "nothing may stand behind an archive")
        })

    private static func verified(_ bytes: [UInt8]) -> VerifiedArchive? {
        let verification = ArchiveVerification(format: ArchiveDocuments(), images: MemoryIndex(), makeDigest: { Sum() })
        return try? verification.verify(MemoryFile(bytes: bytes)) { (_) throws(Failure) in }
    }

    private static func checkHeader(_ bytes: [UInt8]) throws(BrokenProperty) {
        guard let header = try? TarHeader(block: Array(bytes.prefix(TarHeader.blockBytes))) else { return }
        try require((try? TarHeader(block: header.block)) == header, "a header that is read and written is read as the same")
        try require(ArchivePath(bytes: header.path.bytes[...]) == header.path, "a path that is read and written is read as the same")
        try require(!header.path.text.contains(".."), "no path leads anywhere else")
        try require((0...0o77777777777).contains(header.byteCount), "no length is beyond eleven digits")
    }

    private static func checkLine(_ bytes: [UInt8]) throws(BrokenProperty) {
        let format = ArchiveDocuments()
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let item = try? format.item(in: Array(line)) else { continue }
            let written = format.line(of: item)
            try require((try? format.item(in: written)) == item, "an item that is read and written is read as the same")
            try require(format.line(of: item) == written && !written.contains(0x0A), "an item is always the same line")
            try require(item.references.count == Limits.referenceImages, "an item has its images")
        }
        if let manifest = try? format.manifest(in: bytes) {
            try require((try? format.manifest(in: format.document(of: manifest))) == manifest, "a manifest is read as it was written")
        }
    }
}

private struct MemoryFile: ArchiveFile {
    let bytes: [UInt8]
    var byteCount: Int { bytes.count }

    func read(at offset: Int, count: Int) -> [UInt8] { Array(bytes.dropFirst(offset).prefix(count)) }
}

private final class MemoryIndex: DigestIndex {
    private let places = Mutex<[[UInt8]: Range<Int>]>([:])

    func insert(_ digest: [UInt8], at place: Range<Int>) -> Bool { places.withLock { $0.updateValue(place, forKey: digest) == nil } }

    func place(of digest: [UInt8]) -> Range<Int>? { places.withLock { $0[digest] } }
}

/// A digest that a mutation hits now and then: the sum of all bytes, in two of its own.
private struct Sum: RunningDigest {
    private var sum = 0

    mutating func add(_ bytes: [UInt8]) { sum += bytes.reduce(0) { $0 + Int($1) } }

    func finish() -> [UInt8] { Array(repeating: 0, count: 31) + [UInt8(truncatingIfNeeded: sum % 4)] }
}
