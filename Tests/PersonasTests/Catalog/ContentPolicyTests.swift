import Personas
import Testing

@Suite("The content policy")
struct ContentPolicyTests {
    private struct Terms: BlockedTermStore {
        let blockedTerms: BlockedTerms
        init(_ terms: [String]) { blockedTerms = BlockedTerms(terms.map(BlockedTerm.init(stored:))) }
        func block(_ terms: [BlockedTerm], in context: WriteContext<[BlockedTerm]>) async throws(Failure) -> [BlockedTerm] {
            throw .unexpected("not asked for here")
        }
        func release(_ terms: [BlockedTerm], in context: WriteContext<[BlockedTerm]>) async throws(Failure) -> [BlockedTerm] {
            throw .unexpected("not asked for here")
        }
    }

    private static func isBlocked(_ text: String, by terms: String...) -> Bool {
        let policy = ContentPolicy(terms: Terms(terms))
        do throws(Failure) {
            try policy.check(PikzonalityChange(specialInstructions: text).texts)
            return false
        } catch {
            return error == .blockedContent(field: .specialInstructions)
        }
    }

    @Test(
        "A term is found wherever it stands as whole words, whatever its case, the composition of its letters and the white space between them",
        arguments: [
            ("zorn", "zorn"), ("Zorn", "ZORN"), ("zorn", "der zorn gottes"), ("zorn", "my_zorn-2"), ("zorn", "(Zorn!)"),
            ("zorn", "zorns zorn"),
            ("ärger", "ÄRGER"), ("ärger", "A\u{308}RGER"), ("a\u{308}rger", "ärger"), ("b d", "a b d e"), ("b d", "b \n\t d"),
            (" b  d ", "b d"), ("b d", "b b d"), ("aab", "aaab aab"), ("a", "an a"), ("1", "no 1."), ("😀", "x😀"), ("c++", "in c++11"),
            ("@x.org", "me@x.org"), ("a.b", "a.a.b"), ("злой", "очень ЗЛОЙ!"), ("x", "x"), ("zorn", "ｚｏｒｎ"), ("heim", "ℌeim"),
            ("ℌeim", "heim"), ("zorn", "zo\u{200B}rn"),
            ("zo\u{AD}rn", "zorn"),
        ])
    func found(term: String, text: String) {
        #expect(Self.isBlocked(text, by: term))
        #expect(Self.isBlocked(text, by: "nothing", term, "zzz"))
    }

    @Test(
        "What only resembles a term, or is a part of a word, is let through",
        arguments: [
            ("zorn", ""), ("zorn", "zor"), ("zorn", "zo rn"), ("zorn", "der zorngott"), ("zorn", "jähzorn"), ("zorn", "zorn2"),
            ("cafe", "café"),
            ("caf", "café"), ("caf", "cafe\u{301}"), ("x", "x\u{301}"), ("x", "x\u{20DD}"), ("e", "e\u{323}\u{302}"), ("a", "Great Name"),
            ("a", "café"), ("aab", "aaab"), ("é", "e"), ("ss", "ß"), ("1", "21"), ("b d", "b dd"), ("b d", "bd"), ("ла", "злая"),
            ("का", "काम"),
            ("c++", "abc++"),
        ])
    func passed(term: String, text: String) {
        #expect(!Self.isBlocked(text, by: term))
        #expect(!Self.isBlocked(text))
    }

    @Test("Of terms that begin alike each is found by itself")
    func prefixes() {
        let terms = BlockedTerms(["a b c", "a", "a b", "ab", "b"].map(BlockedTerm.init(stored:)).dropFirst(0))
        #expect(terms.all.map(\.text) == ["a", "a b", "a b c", "ab", "b"])
        for text in ["x a", "a b", "ab", "b", "a c", "a bc"] { #expect(terms.isFound(in: text), "\(text)") }
        let longer = BlockedTerms(["a b c", "a b"].map(BlockedTerm.init(stored:)))
        for text in ["a", "a bc", "b c", "a c b"] { #expect(!longer.isFound(in: text), "\(text)") }
        for text in ["a b", "a b c", "a b cd"] { #expect(longer.isFound(in: text), "\(text)") }
        #expect(!BlockedTerms([BlockedTerm(stored: " ")]).isFound(in: "a b"))
    }

    @Test("The search finds what a search that tries every place and term finds")
    func agreement() {
        var random = SystemRandomNumberGenerator()
        let letters: [Character] = ["a", "b", " ", "-", "é", "\u{301}", "1", "😀"]
        func text(_ count: ClosedRange<Int>) -> String {
            String((0..<Int.random(in: count, using: &random)).map { _ in letters.randomElement(using: &random) ?? "a" })
        }
        func isWord(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isAlphabetic || scalar.value == 0x301 || scalar == "1" }
        func holds(_ text: String, _ term: String) -> Bool {
            let (text, term) = (Array(text.unicodeScalars), Array(term.unicodeScalars))
            guard let first = term.first, let last = term.last, term.count <= text.count else { return false }
            return (0...(text.count - term.count)).contains { start in
                let end = start + term.count
                return Array(text[start..<end]) == term
                    && !(start > 0 && isWord(first) && isWord(text[start - 1]))
                    && !(end < text.count && isWord(last) && isWord(text[end]))
            }
        }
        for _ in 0..<3_000 {
            let terms = BlockedTerms((0..<4).map { _ in BlockedTerm(stored: text(1...4)) })
            let sample = text(0...12)
            let plain = BlockedTerm.comparable(sample)
            #expect(terms.isFound(in: sample) == terms.all.contains { holds(plain, $0.text) }, "\(terms.all) in \(sample.debugDescription)")
        }
    }

    @Test("A term has to be one that can be found")
    func rules() throws {
        #expect(try BlockedTerm(" Bad \t Word ").text == "bad word")
        #expect(
            try BlockedTerm(String(repeating: "ä", count: Limits.termCharactersMax)).text.unicodeScalars.count == Limits.termCharactersMax)
        for text in ["", " \n", "a\u{7}b", String(repeating: "a", count: Limits.termCharactersMax + 1)] {
            #expect(throws: Violation.self, "\(text.debugDescription)") { try BlockedTerm(text) }
        }
        #expect(BlockedTerm(stored: "CAFE\u{301}") == BlockedTerm(stored: "café"))
        #expect(BlockedTerm(stored: "cafe") != BlockedTerm(stored: "café"))
    }

    @Test("The field is named, the name first")
    func members() {
        let policy = ContentPolicy(terms: Terms(["bad"]))
        #expect(throws: Failure.blockedContent(field: .name)) {
            try policy.check(PikzonalityChange(name: Name(stored: "A Bad One"), specialInstructions: "bad").texts)
        }
        #expect(throws: Never.self) { try policy.check(PikzonalityChange(name: Name(stored: "Good")).texts) }
    }
}
