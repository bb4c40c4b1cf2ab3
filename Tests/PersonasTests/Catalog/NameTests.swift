import Personas
import TestSupport
import Testing

@Suite("Names")
struct NameTests {
    static let wrongCharacters = "may hold only the letters A-Z and a-z, digits, spaces, hyphens and underscores"
    static let empty = "must not be empty"
    static let tooLong = "must be at most 25 characters long"

    /// Every scalar with the property White_Space (Unicode 16, PropList.txt), written down so that the tests do not ask the code under test.
    static let whiteSpace: [Unicode.Scalar] =
        [
            "\u{9}", "\u{A}", "\u{B}", "\u{C}", "\u{D}", "\u{20}", "\u{85}", "\u{A0}", "\u{1680}", "\u{2028}", "\u{2029}", "\u{202F}",
            "\u{205F}",
            "\u{3000}",
        ] + (0x2000...0x200A).compactMap { Unicode.Scalar($0 as UInt32) }

    @Test(
        "White space is cut at the ends and becomes one space within",
        arguments: [
            ("Creator Studio", "Creator Studio"),
            ("  Creator   Studio  ", "Creator Studio"),
            ("\tA\nB\r\nC\u{A0}D\u{2003}E\u{3000}", "A B C D E"),
            ("a \t\u{2028}\u{85} b", "a b"),
            ("a", "a"),
            ("_-_", "_-_"),
            ("- _ -", "- _ -"),
            ("0123456789", "0123456789"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXY", "ABCDEFGHIJKLMNOPQRSTUVWXY"),
            ("   abcdefghijklm   nopqrstuvwx   ", "abcdefghijklm nopqrstuvwx"),
            ("zyx-ZYX_098", "zyx-ZYX_098"),
        ])
    func normalises(raw: String, text: String) throws {
        #expect(try Name(normalising: raw).text == text)
    }

    @Test(
        "A name of another form is refused with the rule that it breaks",
        arguments: [
            ("", empty),
            (" ", empty),
            ("\r\n\t\u{3000}\u{2028}", empty),
            ("é", wrongCharacters),
            ("e\u{301}", wrongCharacters),
            ("a \u{301}b", wrongCharacters),
            ("\u{301}", wrongCharacters),
            ("a\u{600} b", wrongCharacters),
            ("a.b", wrongCharacters),
            ("a/b", wrongCharacters),
            ("a'b", wrongCharacters),
            ("<b>", wrongCharacters),
            ("@", wrongCharacters),
            ("[", wrongCharacters),
            ("`", wrongCharacters),
            ("{", wrongCharacters),
            ("😀", wrongCharacters),
            ("Kelvin \u{212A}", wrongCharacters),
            ("\u{FF21}", wrongCharacters),
            ("\u{663}", wrongCharacters),
            ("\u{10041}", wrongCharacters),
            ("a\u{0}b", wrongCharacters),
            ("a\u{7F}", wrongCharacters),
            ("a\u{1B}[31m", wrongCharacters),
            ("a\u{200B}b", wrongCharacters),
            ("\u{FEFF}a", wrongCharacters),
            ("\u{180E}a", wrongCharacters),
            ("abcdefghijklmnopqrstuvwxyz", tooLong),
            ("abcdefghijklm  nopqrstuvwxy", tooLong),
            ("abcdefghijklmnopqrstuvwxyz é", tooLong),
            ("abcdefghijklmnopqrstuvwxyé", wrongCharacters),
            ("abcdefghijklmnopqrstuvwxé yz", wrongCharacters),
        ])
    func refuses(raw: String, message: String) {
        #expect(throws: Violation(.name, message)) { try Name(normalising: raw) }
    }

    @Test("The length is that of the normalised name, however long the text was")
    func measuresAfterNormalising() throws {
        let spaces = String(repeating: " ", count: 100_000)
        #expect(try Name(normalising: spaces + "a" + spaces + "b" + spaces).text == "a b")
        #expect(throws: Violation(.name, Self.tooLong)) { try Name(normalising: String(repeating: "a ", count: 100_000)) }
    }

    @Test("What follows the longest name is not looked at, because a text may be as long as its body")
    func stopsAtTheLimit() {
        for rest in ["é", "\u{0}", String(repeating: "\u{301}", count: 100_000)] {
            #expect(throws: Violation(.name, Self.tooLong)) {
                try Name(normalising: "abcdefghijklmnopqrstuvwxyz" + rest)
            }
        }
    }

    @Test("White space is what Unicode says it is, and nothing else")
    func whiteSpaceProperty() throws {
        for scalar in (0...0xFFFF).compactMap({ Unicode.Scalar($0 as UInt32) })
        where scalar.value > 0x7F || scalar.properties.isWhitespace {
            let isTaken = (try? Name(normalising: "a\(scalar)b"))?.text == "a b"
            if isTaken != scalar.properties.isWhitespace { Issue.record("U+\(String(scalar.value, radix: 16))") }
        }
    }

    @Test("Names that differ in the case of letters alone have one key")
    func comparesIgnoringCase() throws {
        #expect(try Name(normalising: "Creator  STUDIO_1").key == "creator studio_1")
        #expect(try Name(normalising: "creator studio_1").key == Name(normalising: "CREATOR STUDIO_1").key)
        #expect(try Name(normalising: "a b").key != Name(normalising: "a-b").key)
        #expect(try Name(normalising: "a b").key != Name(normalising: "ab").key)
        #expect(Name(stored: "Ab").key == "ab")
        #expect(Name(stored: "Ab") != Name(stored: "ab"))
    }

    @Test("A name of any length is kept as it is, and is equal to itself alone", arguments: 1...25)
    func lengths(count: Int) throws {
        var generator = SplitMix64(seed: UInt64(count))
        let allowed = Array("ABCXYZabcxyz0189-_")
        for _ in 0..<200 {
            let text = String((0..<count).map { _ in allowed[Int.random(in: 0..<allowed.count, using: &generator)] })
            let name = try Name(normalising: text)
            #expect(name.text == text && name.key == text.lowercased())
            #expect(name.withUTF8 { Array($0) } == Array(text.utf8))
            #expect(name == Name(stored: text) && name.hashValue == Name(stored: text).hashValue)
            let place = Int.random(in: 0..<count, using: &generator)
            var other = Array(text)
            other[place] = other[place] == "A" ? "B" : "A"
            #expect(Name(stored: String(other)) != name, "\(text) at \(place)")
            #expect(Name(stored: String(text.dropLast())) != name)
        }
    }

    @Test(
        "Of what is no name, as only a damaged row holds it, the beginning is taken",
        arguments: [
            ("", ""), ("Zoë", "Zo"), ("éclair", ""), (String(repeating: "x", count: 26), String(repeating: "x", count: 25)),
            (String(repeating: "x", count: 24) + "é", String(repeating: "x", count: 24)), ("a\0b", "a\0b"), ("\"\\", "\"\\"),
        ])
    func damaged(stored: String, text: String) {
        #expect(Name(stored: stored).text == text)
        #expect(Name(stored: stored) == Name(stored: text))
    }

    @Test(
        "Random texts are accepted exactly when the rule says so, and normalising twice changes nothing",
        arguments: 1...20 as ClosedRange<UInt64>)
    func randomTexts(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var accepted = 0
        for _ in 0..<1_000 {
            let raw = Self.randomText(using: &generator)
            let expected = Self.expectation(of: raw)
            let actual = Result { () throws(Violation) in try Name(normalising: raw) }
            switch (actual, expected) {
            case (.success(let name), .success(let text)):
                accepted += 1
                try #require(name.text == text, "seed \(seed): \(raw.debugDescription)")
                let again = try Name(normalising: name.text)
                try #require(again == name, "seed \(seed): \(raw.debugDescription)")
                let shuffledCase = name.text.map { Bool.random(using: &generator) ? $0.uppercased() : $0.lowercased() }.joined()
                let otherCase = try Name(normalising: shuffledCase)
                try #require(otherCase.key == name.key, "seed \(seed): \(raw.debugDescription)")
                try #require(name.key.utf8.allSatisfy { !(0x41...0x5A).contains($0) }, "seed \(seed): \(raw.debugDescription)")
            case (.failure(let violation), .failure(let message)):
                try #require(violation == Violation(.name, message.text), "seed \(seed): \(raw.debugDescription)")
            default:
                Issue.record("seed \(seed): \(raw.debugDescription) gave \(actual), expected \(expected)")
                return
            }
        }
        #expect(accepted > 100, "The random texts have to reach both outcomes")
        #expect(accepted < 900, "The random texts have to reach both outcomes")
    }

    private struct Message: Error {
        let text: String
    }

    /// The rule, written as plainly as possible.
    private static func expectation(of raw: String) -> Result<String, Message> {
        let words = raw.unicodeScalars.split { whiteSpace.contains($0) }
        let text = words.map { String($0) }.joined(separator: " ")
        if words.isEmpty { return .failure(Message(text: empty)) }
        let allowed = /[A-Za-z0-9 _\-]+/.matchingSemantics(.unicodeScalar)
        // The first scalar beyond the longest name ends the search for one that may not be there.
        let looked = String(String.UnicodeScalarView(text.unicodeScalars.prefix(26)))
        if looked.wholeMatch(of: allowed) == nil { return .failure(Message(text: wrongCharacters)) }
        if text.unicodeScalars.count > 25 { return .failure(Message(text: tooLong)) }
        return .success(text)
    }

    private static func randomText(using generator: inout SplitMix64) -> String {
        let plain = Array("ABCXYZabcxyz0189-_".unicodeScalars)
        let foreign: [Unicode.Scalar] = ["é", "\u{301}", "\u{200B}", ".", "\u{0}", "\u{600}", "😀", "\u{212A}"]
        let foreignPerMille = Bool.random(using: &generator) ? 0 : 50
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...40, using: &generator) {
            let draw = Int.random(in: 0..<1_000, using: &generator)
            let pool = draw < foreignPerMille ? foreign : draw < 400 ? whiteSpace : plain
            text.append(pool.randomElement(using: &generator) ?? "a")
        }
        return String(text)
    }
}
