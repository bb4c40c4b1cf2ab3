import Crypto
import Personas
import PersonasWire

/// What a form says, as far as an idempotency key has to tell it from others: the names of its parts and the hash of each, however it is written.
///
/// Made while the form arrives, because of files that are too large nothing is kept.
struct FormDigest: MultipartReceiver {
    private var parts: [(name: [UInt8], digest: [UInt8])] = []
    private var name: [UInt8] = []
    private var hash = SHA256()

    mutating func begin(_ part: MultipartPart) {
        name = part.name
        hash = SHA256()
    }

    mutating func take(_ content: UnsafeRawBufferPointer) { hash.update(bufferPointer: content) }

    mutating func end() { parts.append((name, Array(hash.finalize()))) }

    /// Hands out the parts piece by piece: by name, whatever their order was, and those of one name in theirs.
    func pieces(_ take: ([UInt8]) -> Void) {
        for part in parts.enumerated().sorted(by: Self.comesFirst).map(\.element) {
            take(withUnsafeBytes(of: UInt64(part.name.count).littleEndian) { Array($0) })
            take(part.name)
            take(part.digest)
        }
    }

    private typealias Place = EnumeratedSequence<[(name: [UInt8], digest: [UInt8])]>.Element

    private static func comesFirst(_ left: Place, _ right: Place) -> Bool {
        if left.element.name == right.element.name { return left.offset < right.offset }
        return left.element.name.lexicographicallyPrecedes(right.element.name)
    }
}
