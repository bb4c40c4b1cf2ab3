import Personas
import Testing

@Suite("The content policy")
struct ContentPolicyTests {
    private struct Terms: BlockedTermStore {
        let blockedTerms: [String]
        func block(_ terms: [String]) async throws(Failure) { throw .unexpected("not asked for here") }
    }

    private static func isBlocked(_ text: String, by terms: String...) -> Bool {
        let policy = ContentPolicy(terms: Terms(blockedTerms: terms.map(ContentPolicy.comparable)))
        do throws(Failure) {
            try policy.check(PikzonalityChange(specialInstructions: text).texts)
            return false
        } catch {
            return error == .blockedContent(field: .specialInstructions)
        }
    }

    @Test(
        "A term is found wherever it stands, whatever its case and the composition of its letters",
        arguments: [
            ("zorn", "zorn"), ("Zorn", "ZORN"), ("zorn", "der zorngott"), ("ärger", "ÄRGER"), ("ärger", "A\u{308}RGER"),
            ("a\u{308}rger", "ärger"), ("b d", "a b d e"), ("aab", "aaab"), ("😀", "x😀"), ("x", "x\u{301}"),
        ])
    func found(term: String, text: String) {
        #expect(Self.isBlocked(text, by: term))
        #expect(Self.isBlocked(text, by: "nothing", term))
    }

    @Test(
        "What only resembles a term is let through",
        arguments: [("zorn", ""), ("zorn", "zor"), ("zorn", "zo rn"), ("cafe", "café"), ("aab", "ab"), ("é", "e"), ("ss", "ß")])
    func passed(term: String, text: String) {
        #expect(!Self.isBlocked(text, by: term))
        #expect(!Self.isBlocked(text))
    }

    @Test("The field is named, the name first")
    func members() {
        let policy = ContentPolicy(terms: Terms(blockedTerms: ["bad"]))
        #expect(throws: Failure.blockedContent(field: .name)) {
            try policy.check(PikzonalityChange(name: Name(stored: "A Bad One"), specialInstructions: "bad").texts)
        }
        #expect(throws: Never.self) { try policy.check(PikzonalityChange(name: Name(stored: "Good")).texts) }
    }
}
