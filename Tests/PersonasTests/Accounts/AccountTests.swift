import Personas
import Testing

@Suite("Accounts")
struct AccountTests {
    @Test(
        "An account's name is trimmed, with single spaces",
        arguments: [
            ("demo", "demo"), ("  Studio   Łódź ", "Studio Łódź"), ("a\t\r\nb", "a b"), ("a\u{2028}b", "a b"), ("a \u{301}b", "a \u{301}b"),
            (String(repeating: "x", count: 100), String(repeating: "x", count: 100)),
        ])
    func labels(raw: String, text: String) throws {
        #expect(try Account.checkedLabel(raw, field: .name).unicodeScalars.elementsEqual(text.unicodeScalars))
    }

    @Test(
        "A name that is empty, too long or not printable is refused",
        arguments: [
            ("", "must be 1 to 100 characters long"), (" \n", "must be 1 to 100 characters long"),
            (String(repeating: "x", count: 101), "must be 1 to 100 characters long"),
            ("a" + String(repeating: "\u{301}", count: 100), "must be 1 to 100 characters long"),
            ("a\u{1B}[31m", "must not hold control characters"), ("\u{0}", "must not hold control characters"),
            ("a\u{7F}", "must not hold control characters"),
            ("\u{0}" + String(repeating: "x", count: 100), "must be 1 to 100 characters long"),
            (String(repeating: "x ", count: 50) + "\u{0}", "must be 1 to 100 characters long"),
            (String(repeating: "x ", count: 49) + "\u{0}", "must not hold control characters"),
        ])
    func refusedLabels(raw: String, rule: String) {
        #expect(throws: Violation(.label, rule)) { try Account.checkedLabel(raw, field: .label) }
    }
}
