import Foundation
import Logging
import Testing

@testable import PersonasCLI

@Suite("Log lines")
struct LogLineTests {
    private func json(_ message: String, error: String? = nil, _ metadata: Logger.Metadata = [:]) throws -> (
        text: String, members: [String: Any]
    ) {
        let line = LogLine(.json, time: "2026-11-21T03:29:00.123Z", level: .info, message: message, error: error, metadata: metadata)
        let text = String(decoding: line.bytes, as: UTF8.self)
        let object = try JSONSerialization.jsonObject(with: Data(line.bytes))
        return (text, try #require(object as? [String: Any]))
    }

    @Test("A JSON line has time, level, message and the metadata as members")
    func members() throws {
        let (_, members) = try json(
            "request", ["status": .stringConvertible(200), "path": "/v2/personas", "cached": .stringConvertible(true), "list": ["a", "b"]])
        #expect(members["time"] as? String == "2026-11-21T03:29:00.123Z")
        #expect(members["level"] as? String == "info")
        #expect(members["message"] as? String == "request")
        #expect(members["status"] as? Int == 200)
        #expect(members["cached"] as? Bool == true)
        #expect(members["path"] as? String == "/v2/personas")
        #expect(members["list"] as? [String] == ["a", "b"])
    }

    @Test("Metadata cannot take the place of a line's own members")
    func ownMembers() throws {
        let (_, members) = try json("real", ["message": "forged", "level": "critical", "time": "never", "error": "none"])
        #expect(members["message"] as? String == "real")
        #expect(members["level"] as? String == "info")
        #expect(members["message_"] as? String == "forged")
        #expect(members["error"] == nil)
        #expect(members["error_"] as? String == "none")
    }

    static let hostileTexts = [
        "first\nsecond", "first\r\nsecond", "a\u{1B}[31mred", "bell\u{7}", "delete\u{7F}", "csi\u{9B}31m", "next\u{85}line",
        "line\u{2028}separator",
        "para\u{2029}graph", "right\u{202E}to left", "isolate\u{2066}x\u{2069}", "quote\" and \\ backslash", "nul\u{0}", "tab\there",
        "ümlaut 🙂 kept",
    ]

    @Test("Whatever it holds, an event is one line without control characters, and nothing is lost", arguments: hostileTexts)
    func oneLine(text: String) throws {
        let (line, members) = try json(text, error: text, [text: .string(text), "nested": [text: [.string(text)]]])
        #expect(isSafeLine(line))
        #expect(members["message"] as? String == text)
        #expect(members["error"] as? String == text)
        #expect(members[text] as? String == text)
        #expect((members["nested"] as? [String: [String]])?[text] == [text])
        let plain = LogLine(.text, time: "t", level: .info, message: text, error: text, metadata: [text: .string(text)])
        #expect(isSafeLine(String(decoding: plain.bytes, as: UTF8.self)))
    }

    @Test(
        "Texts are escaped to exactly these bytes",
        arguments: [
            ("\"\\/", #"\"\\/"#), ("a\"b", #"a\"b"#), ("a\\b", #"a\\b"#), ("_~", "_~"), ("\n\r\t", #"\n\r\t"#),
            ("\u{8}\u{c}", #"\u0008\u000c"#),
            ("\0\u{1b}\u{1f}\u{7f}", #"\u0000\u001b\u001f\u007f"#), ("\u{80}\u{9f}\u{a0}", "\\u0080\\u009f\u{a0}"),
            ("\u{2027}\u{2028}\u{202e}\u{202f}", "\u{2027}\\u2028\\u202e\u{202f}"),
            ("\u{2065}\u{2066}\u{2069}\u{206a}", "\u{2065}\\u2066\\u2069\u{206a}"), ("é世😀", "é世😀"),
            ("p\npkz_\n", #"p\npkz_\n"#), ("\"pkz_01234567\"", #"\"pkz_0123[hidden]\""#),
        ])
    func escapes(text: String, written: String) throws {
        #expect(try json(text).text.contains(#""message":"\#(written)"}"#))
    }

    private func isSafeLine(_ line: String) -> Bool {
        guard line.hasSuffix("\n") else { return false }
        return line.unicodeScalars.dropLast().allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
    }

    @Test("API keys are cut short wherever they stand")
    func secrets() throws {
        let key = "pkz_0123456789abcdefABCDEF0123456789abcdef"
        let (line, members) = try json("called with \(key), twice \(key)", error: key, ["header": .string(key), "prefix": "pkz_0123"])
        #expect(!line.contains("456789"))
        #expect(members["message"] as? String == "called with pkz_0123[hidden], twice pkz_0123[hidden]")
        #expect(members["header"] as? String == "pkz_0123[hidden]")
        #expect(members["prefix"] as? String == "pkz_0123")
        #expect(try json(key + key).members["message"] as? String == "pkz_0123[hidden]")
        #expect(try json("\(key)x\(key)/\(key)").members["message"] as? String == "pkz_0123[hidden]/pkz_0123[hidden]")
        let plain = LogLine(.text, time: "t", level: .info, message: key, error: nil, metadata: ["key": .string(key)])
        #expect(!String(decoding: plain.bytes, as: UTF8.self).contains("456789"))
    }

    @Test("The text form is readable, and quotes what has spaces")
    func text() {
        let line = LogLine(
            .text, time: "2026-11-21T03:29:00.123Z", level: .warning, message: "slow answer", error: nil,
            metadata: ["path": "/v2/personas", "reason": "disk is full", "empty": ""])
        #expect(
            String(decoding: line.bytes, as: UTF8.self)
                == "2026-11-21T03:29:00.123Z WARNING slow answer empty=\"\" path=/v2/personas reason=\"disk is full\"\n")
    }
}
