import Personas
import Testing

@Suite("Tokens of reference images")
struct ReferenceTokensTests {
    @Test("As many as there are places for are kept in their order, whatever they are made of", arguments: 0...3)
    func places(count: Int) {
        let tokens = (0..<count).map { _ in RandomToken.random() }
        let stored = tokens.flatMap(\.bytes)
        for kept in [ReferenceTokens(tokens), stored.withUnsafeBytes { ReferenceTokens(bytes: $0) }] {
            #expect(Array(kept) == tokens && kept.count == count && kept.isEmpty == (count == 0))
            #expect(kept.indices.map { kept[$0] } == tokens && kept.flatMap(\.bytes) == stored)
            #expect(kept == ReferenceTokens(tokens))
            #expect(kept != ReferenceTokens(tokens.dropLast() + [.random()]))
            if count > 1 { #expect(kept != ReferenceTokens(tokens.reversed())) }
        }
    }

    @Test("What there is no place for, and a part of a token, as only a damaged row holds them, are left out")
    func damaged() {
        let tokens = (0..<4).map { _ in RandomToken.random() }
        #expect(Array(ReferenceTokens(tokens)) == tokens.dropLast())
        let stored = tokens.flatMap(\.bytes)
        for count in 0...stored.count {
            let kept = stored[..<count].withUnsafeBytes { ReferenceTokens(bytes: $0) }
            #expect(kept.elementsEqual(tokens.prefix(min(count / 16, 3))))
        }
        #expect(Limits.referenceImages == 3, "there is a place for each image that an item may have")
    }
}
