import Personas
import Testing

@Suite("An idempotency key")
struct IdempotencyKeyTests {
    @Test(
        "is the text between the quotes, or the text as it is",
        arguments: [
            ("abc", "abc"), ("\"abc\"", "abc"), ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
            ("\"", "\""), ("\"abc", "\"abc"), ("abc\"", "abc\""), ("\"\"a\"\"", "\"a\""), ("!~", "!~"),
            (String(repeating: "k", count: 255), String(repeating: "k", count: 255)),
            ("\"\(String(repeating: "k", count: 255))\"", String(repeating: "k", count: 255)),
        ])
    func accepted(header: String, text: String) throws {
        #expect(try IdempotencyKey(quotable: header).text == text)
    }

    @Test(
        "has 1 to 255 visible ASCII characters",
        arguments: [
            "", "\"\"", "a b", "\"a b\"", "a\tb", "first, second", "ü", "\u{7F}", "\u{0}", String(repeating: "k", count: 256),
            "\"\(String(repeating: "k", count: 256))\"",
        ])
    func refused(header: String) {
        #expect(throws: Violation(.idempotencyKey, "must be 1 to 255 visible characters, bare or in one pair of quotes")) {
            try IdempotencyKey(quotable: header)
        }
    }
}
