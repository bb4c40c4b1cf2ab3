import Personas
import Testing

@Suite("Keys of blobs")
struct BlobKeyTests {
    private static let digest = [UInt8](repeating: 7, count: 32)

    @Test("of one digest are one key where neither has an object, and are told apart by their objects otherwise")
    func equality() {
        let (one, other) = (Identifier.random(), Identifier.random())
        #expect(BlobKey(digest: Self.digest) == BlobKey(digest: Self.digest))
        #expect(BlobKey(digest: Self.digest, object: one) == BlobKey(digest: Self.digest, object: one))
        let keys = [nil, one, other].map { BlobKey(digest: Self.digest, object: $0) }
        #expect(Set(keys + keys).count == 3)
    }

    @Test("are in the order of their digests first, and in that of their objects, none first, within one")
    func order() throws {
        let objects = [
            nil, try #require(Identifier("00000000-0000-4000-8000-000000000001")),
            try #require(Identifier("f0000000-0000-4000-8000-000000000000")),
        ]
        let keys = [6, 7, 8].flatMap { digest in
            objects.map { BlobKey(digest: [UInt8](repeating: digest, count: 32), object: $0) }
        }
        #expect(keys.shuffled().sorted() == keys)
        for key in keys { #expect(!(key < key)) }
    }
}
