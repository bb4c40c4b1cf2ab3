import Testing

@testable import PersonasCLI

@Suite("JSON with its lines")
struct PlacedJSONTests {
    private func lines(_ json: PlacedJSON) -> [Int] {
        switch json.value {
        case .list(let elements): [json.line] + elements.flatMap(lines)
        case .object(let members): [json.line] + members.flatMap { [$0.line] + lines($0.value) }
        case .null, .text, .other: [json.line]
        }
    }

    @Test("Every value and every name of a member knows its line, and every text is as it was meant")
    func places() throws {
        let json = try PlacedJSON.read(Array("\n{ \"a\" :\n [1, -2.5e3,\ntrue\n, null], \"b\\u00e9\\n\":\r\n\"x\\\"\u{1F642}\" }\n".utf8))
        #expect(lines(json) == [2, 2, 3, 3, 3, 4, 5, 5, 6])
        guard case .object(let members) = json.value, case .text(let text) = members[1].value.value else {
            Issue.record("\(json)")
            return
        }
        #expect(members.map(\.name) == ["a", "bé\n"] && text == "x\"\u{1F642}")
    }

    @Test(
        "A fault is told with its line",
        arguments: [
            ("", 1, "it ends too early"), ("\n\n", 3, "it ends too early"), ("[1,\n2", 2, "it ends too early"),
            ("[1,\n]", 2, "there is a comma in front of ]"), ("{\"a\":1,\n}", 2, "there is a comma in front of }"),
            ("[1\n2]", 2, "a comma or ] is expected"), ("{\"a\"\n1}", 2, "a colon is expected behind the name of a member"),
            ("{a:1}", 1, "the name of a member in double quotes is expected"), ("[\n'a']", 2, "a value is expected"),
            ("{}\n{}", 2, "there is something behind its end"),
            ("[\"a\n\"]", 1, "a text runs over the end of its line, or holds a control character"),
            ("[\"a", 1, "it ends within a text"), ("[\"\\", 1, "it ends within a text"),
            ("[\"\\x\"]", 1, "a text has an escape that there is not"),
            ("[\"\\ud800\"]", 1, "a text has an escape that there is not"), ("[\n01]", 2, "a value is expected"),
            ("[tru]", 1, "a value is expected"),
        ])
    func faults(_ json: String, _ line: Int, _ words: String) {
        #expect(throws: PlacedJSON.Fault(line: line, words: words)) { try PlacedJSON.read(Array(json.utf8)) }
    }

    @Test("Bytes that are no text, and brackets without end, are faults as well")
    func hostile() {
        #expect(throws: PlacedJSON.Fault(line: 1, words: "a text is not UTF-8")) { try PlacedJSON.read([0x22, 0xFF, 0x22]) }
        for text in [String(repeating: "[", count: 513), String(repeating: "{\"a\":", count: 100_000)] {
            #expect(throws: PlacedJSON.Fault(line: 1, words: "there are too many brackets within brackets")) {
                try PlacedJSON.read(Array(text.utf8))
            }
        }
    }
}

@Suite("What a mistyped word was meant to be")
struct SuggestionTests {
    @Test(
        "The nearest word is offered, and none where all are far",
        arguments: [
            ("acounts", "accounts"), ("lable", "label"), ("nmae", "name"), ("key", "keys"), ("personnas", "personas"), ("images", "images"),
            ("banana", nil), ("", nil), ("x", nil), ("acc", "accounts"),
        ])
    func nearest(_ typed: String, _ meant: String?) {
        #expect(Suggestion.nearest(to: typed, among: ["accounts", "keys", "label", "name", "personas", "images"]) == meant)
    }
}
