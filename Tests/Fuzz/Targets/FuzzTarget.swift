/// One reader of outside input, with the properties that hold for every input whatever it is.
package struct FuzzTarget: Sendable {
    /// As in the name of its folder in the corpus.
    package let name: String
    /// Pieces of its language, from which mutated inputs are put together.
    package let pieces: [[UInt8]]
    /// Feeds it an input. It must not trap, and what it answers must fit together.
    package let check: @Sendable ([UInt8]) throws(BrokenProperty) -> Void

    /// Every target there is.
    package static let all = [images, json, forms, cursors, idempotencyKeys, envelopes, archives]
}

/// What an input showed to be wrong.
package struct BrokenProperty: Error, CustomStringConvertible {
    /// What should have been true.
    package let description: String
}

/// Makes sure of a property.
func require(_ isTrue: Bool, _ property: @autoclosure () -> String) throws(BrokenProperty) {
    guard isTrue else { throw BrokenProperty(description: property()) }
}

/// Texts as the bytes that stand for them.
func utf8(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }
