import Foundation
import Personas
import PersonasWire
import Testing

/// Writing answers.
@Suite("The JSON writer")
struct JSONWriterTests {
    private func written(_ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter(capacity: 0)
        body(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
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
}
