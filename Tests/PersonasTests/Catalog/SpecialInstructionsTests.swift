import Personas
import Testing

@Suite("Special instructions")
struct SpecialInstructionsTests {
    static let tooLong = Violation(.specialInstructions, "must be at most 300 characters long")
    static let control = Violation(.specialInstructions, "must not hold control characters")

    @Test(
        "A text within the limits is kept as it was sent",
        arguments: [
            "Always smiling",
            "  leading and trailing  ",
            " ",
            "tab\tand lines\r\nof\nall\rkinds",
            "Zażółć gęślą jaźń 😀 👩‍👩‍👧‍👦 e\u{301}",
            "\u{2028}\u{2029}\u{200B}\u{202E}",
            "'; DROP TABLE personas; --",
            String(repeating: "x", count: 300),
            String(repeating: "é", count: 300),
            String(repeating: "😀", count: 300),
        ])
    func keeps(text: String) throws {
        let kept = try #require(try SpecialInstructions.validated(text))
        #expect(kept.utf8.elementsEqual(text.utf8), "No byte may change, normalisation of Unicode included")
    }

    @Test("An empty text is stored as none")
    func emptyIsNone() throws {
        #expect(try SpecialInstructions.validated("") == nil)
    }

    @Test(
        "More than 300 scalars are refused, however few characters a reader sees",
        arguments: [
            String(repeating: "x", count: 301),
            String(repeating: " ", count: 301),
            String(repeating: "😀", count: 301),
            "e" + String(repeating: "\u{301}", count: 300),
            String(repeating: "\r\n", count: 151),
            String(repeating: "👩‍👩‍👧‍👦", count: 43),
            String(repeating: "x", count: 100_000),
            String(repeating: "x", count: 1_201),
            String(repeating: "é", count: 301),
        ])
    func refusesTooLong(text: String) {
        #expect(throws: Self.tooLong) { try SpecialInstructions.validated(text) }
    }

    @Test("Of the control characters only tab, line feed and carriage return are taken")
    func refusesControlCharacters() throws {
        let controls = [0...0x1F, 0x7F...0x9F].joined().compactMap { Unicode.Scalar($0 as UInt32) }
        #expect(controls.count == 65)
        for control in controls {
            for text in [String(control), "before\(control)", "\(control)after", "be\(control)tween"] {
                if ["\t", "\n", "\r"].contains(control) {
                    #expect(try SpecialInstructions.validated(text) == text)
                } else {
                    #expect(throws: Self.control, "U+\(String(control.value, radix: 16))") { try SpecialInstructions.validated(text) }
                }
            }
        }
    }

    @Test("A text that is too long and holds control characters breaks the rule of length first")
    func lengthComesFirst() {
        #expect(throws: Self.tooLong) { try SpecialInstructions.validated(String(repeating: "\u{0}", count: 301)) }
    }
}
