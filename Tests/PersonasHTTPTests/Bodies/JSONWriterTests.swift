import Foundation
import JSONText
import NIOCore
import Personas
import PersonasWire
import TestSupport
import Testing

@testable import PersonasHTTP

/// Writing answers.
@Suite("The JSON writer")
struct JSONWriterTests {
    private func written(_ body: (inout JSONWriter) -> Void) -> String {
        let bytes = [UInt8](unsafeUninitializedCapacity: 4_096) { room, count in
            count = JSONWriter.write(into: UnsafeMutableRawBufferPointer(room), body)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("separates what stands beside each other, and nothing else")
    func separators() {
        let json = written { writer in
            writer.object { writer in
                writer.member("text", "a")
                writer.member("none", nil as String?)
                writer.member("number", Int.min)
                writer.member("yes", true)
                writer.member("no", false)
                writer.name("empty")
                writer.object { _ in }
                writer.name("list")
                writer.array { writer in
                    for number in [1, 2, 3] {
                        writer.object { writer in
                            if number != 2 { writer.member("n", number) }
                        }
                    }
                }
                writer.name("none")
                writer.array { _ in }
                writer.name("texts")
                writer.array { writer in
                    for text in ["a", nil, ""] { writer.string(text) }
                }
                writer.member("last", 0)
            }
        }
        #expect(
            json == """
                {"text":"a","none":null,"number":-9223372036854775808,"yes":true,"no":false,"empty":{},"list":[{"n":1},{},{"n":3}],"none":[],\
                "texts":["a",null,""],"last":0}
                """)
    }

    @Test("escapes what JSON and terminals take for something else, and leaves the rest alone")
    func escapes() {
        for (text, json) in [
            ("", ""), ("Nova", "Nova"), ("\"", #"\""#), ("\\", #"\\"#), ("/", "/"), ("\n\r\t", #"\n\r\t"#),
            ("\u{8}\u{c}", #"\u0008\u000c"#),
            ("\0\u{1b}\u{1f}\u{7f}", #"\u0000\u001b\u001f\u007f"#), ("é€🙂", "é€🙂"), ("a\"b\\c", #"a\"b\\c"#), ("\"\"", #"\"\""#),
            ("</script>", "</script>"),
        ] {
            #expect(written { $0.string(text) } == "\"\(json)\"")
        }
    }

    @Test("writes every character so that it is read as the same")
    func roundTrip() throws {
        for scalar in (UInt32(0)..<0x900).compactMap(Unicode.Scalar.init) + ["\u{2028}", "\u{2029}", "\u{ffff}", "\u{10ffff}", "🙂"] {
            let text = "a\(scalar)b\(scalar)"
            let json = written { writer in writer.object { $0.member("x", text) } }
            let object = try JSONObject(Array(json.utf8))
            guard case .value(let read) = object.string("x") else {
                Issue.record("\(scalar.value) is not read")
                continue
            }
            #expect(read.unicodeScalars.elementsEqual(text.unicodeScalars))
            let foundation = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: String]
            #expect(foundation?["x"]?.unicodeScalars.elementsEqual(text.unicodeScalars) == true, "\(scalar.value)")
            #expect(!json.utf8.contains { $0 < 0x20 || $0 == 0x7f })
        }
    }

    @Test(
        "escapes any text as it would be escaped one character after another, wherever in it what must be escaped stands",
        .timeLimit(.minutes(1)))
    func anyText() {
        var random = SplitMix64(seed: 8)
        let characters = Array(
            "aZ #!~/\"\\\u{0}\u{8}\n\r\t\u{c}\u{1b}\u{1f}\u{7f}\u{80}\u{85}\u{9f}\u{a0}é€🙂\u{2028}\u{202e}\u{2066}\u{ffff}".unicodeScalars)
        // Around the eight bytes that are looked at together, with one character to be escaped at each place, then anything.
        let placed = (0...34).flatMap { count in
            (0..<max(count, 1)).map { place in (0..<count).map { $0 == place ? "\"" as Unicode.Scalar : "#" } }
        }
        let mixed = (0..<20_000).map { _ in
            (0..<Int.random(in: 0...40, using: &random)).map { _ in
                Int.random(in: 0..<3, using: &random) == 0 ? characters[Int.random(in: 0..<characters.count, using: &random)] : "x"
            }
        }
        for scalars in placed + mixed {
            let text = String(String.UnicodeScalarView(scalars))
            let expected = scalars.map { plainlyEscaped($0, .answers) }.joined()
            #expect(written { $0.string(text) } == "\"\(expected)\"")
            for escaping in [JSONEscaping.answers, .errors, .logs] {
                var bytes: [UInt8] = []
                bytes.append(json: text, escaping)
                #expect(bytes == Array(scalars.map { plainlyEscaped($0, escaping) }.joined().utf8), "\(escaping)")
            }
        }
    }

    /// What stands for one character: the rules of `JSONEscaping` once more, without any haste.
    private func plainlyEscaped(_ scalar: Unicode.Scalar, _ escaping: JSONEscaping) -> String {
        let hexadecimal = String(scalar.value, radix: 16)
        let unicode = "\\u" + String(repeating: "0", count: max(0, 4 - hexadecimal.count)) + hexadecimal
        switch (scalar.value, escaping) {
        case (0x22, _), (0x5c, _): return "\\\(scalar)"
        case (0x09, _): return "\\t"
        case (0x0a, _): return "\\n"
        case (0x0d, _): return "\\r"
        case (0x08, .errors): return "\\b"
        case (0x0c, .errors): return "\\f"
        case (..<0x20, _), (0x7f, _): return unicode
        case (0x80...0x9f, .errors), (0x2028...0x2029, .errors): return unicode
        case (0x80...0x9f, .logs), (0x2028...0x202e, .logs), (0x2066...0x2069, .logs): return unicode
        default: return String(scalar)
        }
    }

    @Test("writes nothing beyond its room, and says how much room it takes", .timeLimit(.minutes(1)))
    func room() throws {
        let base = "https://\"quoted\".test"
        let item = Pikzonality(
            id: .random(), accountID: .random(), mode: .style,
            details: PikzonalityDetails(
                name: Name(stored: "Nova Reyes"), specialInstructions: "Sag \"Käse\" \u{1b}\n🙂", externalID: "\"x\\",
                metadata: Metadata([MetadataMember(key: "k", value: "\"é\u{1b}"), MetadataMember(key: "l", value: "")])),
            status: .completed,
            progress: 100, referenceTokens: [.random(), .random(), .random()], portraitToken: .random(), error: nil, createdAt: .now,
            updatedAt: .now, version: 3)
        func write(_ writer: inout JSONWriter) { Representation(base: base).full(item, &writer, requestID: "a") }
        let whole = written(write)
        #expect(whole.contains(#""portrait_url":"https://\"quoted\".test/media/"#))
        #expect(whole.contains(#""external_id":"\"x\\","metadata":{"k":"\"é\u001b","l":""},"delete_when_settled":false,"error":null"#))
        let needed = whole.utf8.count
        for size in 0...needed + 1 {
            var memory = [UInt8](repeating: 0xAA, count: needed + 16)
            let count = memory.withUnsafeMutableBytes { bytes in
                JSONWriter.write(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<size]), write)
            }
            #expect(count == needed)
            #expect(memory[size...].allSatisfy { $0 == 0xAA }, "\(size)")
            if size >= needed { #expect(memory[..<needed].elementsEqual(whole.utf8)) }
        }
    }

    @Test("is given as much room as it takes, however little was expected")
    func buffer() {
        for expected in [0, 1, 64, 100_000] {
            let buffer = ByteBuffer(json: expected) { writer in
                writer.array { writer in
                    for number in 0..<1_000 { writer.object { $0.member("number", number) } }
                }
            }
            let json = "[\((0..<1_000).map { "{\"number\":\($0)}" }.joined(separator: ","))]"
            #expect(String(buffer: buffer) == json)
        }
        #expect(ByteBuffer(json: 0) { _ in }.readableBytes == 0)
    }
}
