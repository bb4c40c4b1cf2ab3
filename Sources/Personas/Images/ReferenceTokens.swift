/// Tokens of an item's reference images in their order, of which it has no more than `Limits.referenceImages`: each has a place of its own here, so that an
/// item is read and copied without touching the heap.
package struct ReferenceTokens: Sendable, Equatable {
    private var first: RandomToken?
    private var second: RandomToken?
    private var third: RandomToken?

    /// Takes tokens; what there is no place for is left out.
    package init(_ tokens: some Sequence<RandomToken>) {
        var rest = tokens.makeIterator()
        first = rest.next()
        second = rest.next()
        third = rest.next()
    }

    /// Takes the bytes in which tokens are stored, sixteen each.
    package init(bytes: UnsafeRawBufferPointer) {
        first = Self.token(0, in: bytes)
        second = Self.token(1, in: bytes)
        third = Self.token(2, in: bytes)
    }

    private static func token(_ place: Int, in bytes: UnsafeRawBufferPointer) -> RandomToken? {
        guard bytes.count >= 16 * (place + 1) else { return nil }
        return RandomToken(bytes: UnsafeRawBufferPointer(rebasing: bytes[16 * place..<16 * (place + 1)]))
    }
}

extension ReferenceTokens: RandomAccessCollection {
    /// Where the first stands.
    package var startIndex: Int { 0 }
    /// How many there are.
    package var endIndex: Int { third != nil ? 3 : second != nil ? 2 : first != nil ? 1 : 0 }

    /// The token of the reference image at a place, counted from 0.
    package subscript(place: Int) -> RandomToken {
        let token =
            switch place {
            case 0: first
            case 1: second
            case 2: third
            default: nil as RandomToken?
            }
        guard let token else { preconditionFailure("An item has no reference image at \(place)") }
        return token
    }
}

extension ReferenceTokens: ExpressibleByArrayLiteral {
    /// Takes the tokens between brackets.
    package init(arrayLiteral tokens: RandomToken...) { self.init(tokens) }
}
