import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// Bodies that no honest client sends: all are refused, none stops or troubles the service, and nothing is left of them.
@Suite("Bad input", .serialized)
struct BadInputTests {
    /// Every call that takes a body, with an id that is well-formed.
    private static let calls: [(method: HTTPRequest.Method, path: String)] = [
        (.post, "/v2/personas"), (.post, "/v2/styles"), (.post, "/v2/pikzonality/persona"), (.post, "/v2/pikzonality/style"),
        (.patch, "/v2/personas/00000000-0000-0000-0000-000000000000"), (.patch, "/v2/pikzonality/00000000-0000-0000-0000-000000000000"),
        (.post, "/v2/training/00000000-0000-0000-0000-000000000000/heartbeat"),
        (.post, "/v2/training/00000000-0000-0000-0000-000000000000/complete"),
        (.post, "/v2/training/00000000-0000-0000-0000-000000000000/fail"),
    ]

    private static let invalid = "the body is not valid JSON"
    private static let notUTF8 = "the body is not valid UTF-8"
    private static let notAnObject = "the body must be a JSON object"
    private static let tooDeep = "the body nests deeper than 32 levels"
    private static let tooMany = "the body holds more than 4096 values"
    private static let twice = "the body has the same member twice"

    private static func repeated(_ text: String, _ count: Int) -> [UInt8] { Array(String(repeating: text, count: count).utf8) }

    /// Bodies and what is said of them.
    static let bodies: [(body: [UInt8], message: String)] = {
        var rows: [(String, String)] = [
            ("", notAnObject), (" ", notAnObject), ("\n\t\r ", notAnObject), ("[]", notAnObject), ("[{}]", notAnObject),
            ("null", notAnObject),
            ("true", notAnObject), ("5", notAnObject), (#""{}""#, notAnObject), ("{", invalid), ("}", invalid), ("{}}", invalid),
            ("{}{}", invalid),
            ("{} x", invalid), ("[", invalid), ("nonsense", invalid), ("<xml/>", invalid), ("name=Nova&x=1", invalid),
            (#"{"name"}"#, invalid),
            (#"{"name":}"#, invalid), (#"{"name":"Nova",}"#, invalid), (#"{,"name":"Nova"}"#, invalid), (#"{"name" "Nova"}"#, invalid),
            (#"{"name":"Nova" "x":1}"#, invalid), (#"{name:"Nova"}"#, invalid), (#"{'name':'Nova'}"#, invalid),
            (#"{"name":'Nova'}"#, invalid),
            (#"{"x":[1,2,]}"#, invalid), (#"{"x":[,1]}"#, invalid), (#"{"x":[1 2]}"#, invalid), (#"{"x":01}"#, invalid),
            (#"{"x":+1}"#, invalid),
            (#"{"x":.5}"#, invalid), (#"{"x":1.}"#, invalid), (#"{"x":1e}"#, invalid), (#"{"x":-}"#, invalid), (#"{"x":0x10}"#, invalid),
            (#"{"x":NaN}"#, invalid), (#"{"x":Infinity}"#, invalid), (#"{"x":tru}"#, invalid), (#"{"x":nulll}"#, invalid),
            (#"{"x":True}"#, invalid),
            (#"{"x":"a}"#, invalid), (#"{"x":"\x41"}"#, invalid), (#"{"x":"\u12"}"#, invalid), (#"{"x":"\u12g4"}"#, invalid),
            (#"{"x":"\"}"#, invalid),
            (#"{"x":1} // comment"#, invalid), (#"/* */{"x":1}"#, invalid), ("{\"x\":\"a\nb\"}", invalid), ("{\"x\":\"a\tb\"}", invalid),
            ("{\"x\":\"\0\"}", invalid), ("{\"x\":1}\0", invalid), ("\0", invalid), ("\u{feff}{}", invalid), ("{\u{a0}}", invalid),
            ("{\u{c}}", invalid),
            (#"{"name":"Nova","name":"Reyes"}"#, twice), (#"{"name":"Nova","n\u0061me":"Reyes"}"#, twice), (#"{"x":{"y":1,"y":1}}"#, twice),
            (#"{"name":"\ud800"}"#, notUTF8), (#"{"name":"\udc00"}"#, notUTF8), (#"{"name":"\udc00\ud800"}"#, notUTF8),
            (#"{"name":"\ud800x"}"#, notUTF8),
            (#"{"name":"\ud800\u0041"}"#, notUTF8), (#"{"\ud800":1}"#, notUTF8), (#"{"x":["\ud83d\ud83d"]}"#, notUTF8),
        ]
        rows.append(("{\"x\":\(String(repeating: "[", count: 31))\(String(repeating: "]", count: 31))", invalid))
        var bodies = rows.map { (body: Array($0.0.utf8), message: $0.1) }
        // The shapes that stop a process which hands them to Foundation's decoder.
        for shape in ["[", "[1,", "[ ", #"{"c":"#, #"{"a":["#] {
            for depth in [33, 512, 513, 514, 10_000] {
                bodies.append((repeated(shape, depth), tooDeep))
                bodies.append((repeated(shape, depth) + Array("[".utf8), tooDeep))
                bodies.append((Array(#"{"x":"#.utf8) + repeated(shape, depth), tooDeep))
            }
        }
        // And those that cost it many times their size.
        for list in [repeated("0,", 2_000_000), repeated("{},", 500_000), repeated("[],", 500_000), repeated(#""","#, 500_000)] {
            bodies.append((Array(#"{"x":["#.utf8) + list + Array("0]}".utf8), tooMany))
        }
        bodies.append((Array("{".utf8) + (0..<5_000).flatMap { Array("\"\($0)\":0,".utf8) } + Array("\"x\":0}".utf8), tooMany))
        for broken in [
            [0xff], [0xc0, 0x80], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf0, 0x82, 0x82, 0xac], [0xf4, 0x90, 0x80, 0x80],
            [0xf8, 0x88, 0x80, 0x80, 0x80],
            [0x80], [0xfe, 0xff],
        ] as [[UInt8]] {
            bodies.append((Array(#"{"name":"a"#.utf8) + broken + Array(#""}"#.utf8), notUTF8))
            bodies.append((Array(#"{""#.utf8) + broken + Array(#"":1}"#.utf8), notUTF8))
            bodies.append((Array("{".utf8) + broken + Array("}".utf8), invalid))
        }
        for encoding in [String.Encoding.utf16, .utf16LittleEndian, .utf16BigEndian, .utf32] {
            bodies.append(([UInt8](#"{"name":"Nova"}"#.data(using: encoding) ?? Data()), invalid))
        }
        return bodies
    }()

    @Test("in the shape of a body is refused by every call that takes one")
    func bodies() async throws {
        try await TestService.run { service in
            let key = TestService.Key.text(try await service.key(scopes: [.write, .trainer]).key)
            try await service.withoutTrace {
                for row in Self.bodies {
                    // The large ones once, the others everywhere.
                    for call in row.body.count > 100_000 ? Array(Self.calls.prefix(1)) : Self.calls {
                        let answer = try await service.send(call.method, call.path, TestBody(bytes: row.body), key: key)
                        answer.expectViolations([("body", row.message)])
                    }
                }
            }
        }
    }

    @Test("with no body and no type at all is the same as an empty one")
    func noBody() async throws {
        try await TestService.run { service in
            let key = TestService.Key.text(try await service.key(scopes: [.write, .trainer]).key)
            try await service.withoutTrace {
                for call in Self.calls {
                    for headers in [[:], [.contentLength: "0"], [.contentType: "application/json"]] as [HTTPFields] {
                        try await service.send(call.method, call.path, key: key, headers: headers).expectViolations([
                            ("body", Self.notAnObject)
                        ])
                    }
                }
            }
        }
    }

    private static let values = [
        "null", "true", "false", "0", "-1", "1.5", "1e400", "-1e-400", "99999999999999999999999999999999",
        String(repeating: "9", count: 50_000), #""""#,
        #"" ""#, #""\u0000""#, #""\u001b[31m""#, #""\u2028""#, #""\ud83d\ude00""#, #""x""#, "[]", "{}", "[[]]", #"[""]"#, #"["",""]"#,
        #"["","",""]"#,
        "[null,null,null]", "[1,2,3]", "[[],[],[]]", "[{},{},{}]", #"["a","b",3]"#,
        #"["https://a.test","https://a.test","https://a.test\u0000"]"#,
        "\"\(String(repeating: "A", count: 100_000))\"", #"{"name":"Nova"}"#, #"["\u0000","\u0000","\u0000"]"#, "[true,false,null]",
    ]

    @Test("of every type in every member: a failure of the client, never of the server, and nothing is left")
    func everyTypeEverywhere() async throws {
        let members = [
            "name", "image_urls", "image_base64s", "special_instructions", "lease_token", "progress", "portrait_base64", "code", "message",
            "retryable",
            "wait_seconds",
        ]
        let valid: [String: String] = [
            "name": #""Nova""#, "image_base64s": Picture.base64List, "lease_token": "\"\(String(repeating: "0", count: 32))\"",
            "code": #""GENERATION_FAILED""#, "message": #""It broke""#,
        ]
        try await TestService.run { service in
            let key = TestService.Key.text(try await service.key(scopes: [.write, .trainer]).key)
            let refused = (Self.calls + [(.post, "/v2/training/lease")])
            let before = try await service.footprint()
            for member in members {
                for value in Self.values {
                    var object = valid
                    object[member] = value
                    // Names are given once only, and the creates that may succeed are not looked at here.
                    if member != "name", member != "image_urls", member != "image_base64s", member != "special_instructions" {
                        object["name"] = #""!""#
                    }
                    if member == "special_instructions" || member == "image_urls" { object["name"] = nil }
                    if member == "wait_seconds", Int(value) == nil, value.first?.isNumber == true, !value.contains(".") { continue }
                    let body = TestBody(
                        "{" + object.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}")
                    for call in refused {
                        let answer = try await service.send(call.method, call.path, body, key: key)
                        #expect(answer.status >= 400 || answer.status == 204 || member == "name", "\(member) \(value) \(call)")
                    }
                }
            }
            let after = try await service.footprint()
            #expect(after.items.map(\.name).allSatisfy { $0 == "x" || $0 == "A" || $0 == "Nova" })
            #expect(before.items.isEmpty)
        }
    }

    @Test("larger than the limit is 413, whether it is announced or not")
    func tooLarge() async throws {
        var configuration = HTTPConfiguration()
        configuration.limits.bodyBytesMax = 4_096
        try await TestService.run(configuration: configuration) { service in
            try await service.withoutTrace {
                let message = "The request body is too large: at most 4096 bytes are accepted"
                for count in [4_097, 5_000, 100_000] {
                    let body = TestBody(bytes: Array(repeating: UInt8(ascii: " "), count: count))
                    try await service.send(.post, "/v2/personas", body).expect(413, .payloadTooLarge, message)
                    try await service.send(.patch, "/v2/styles/\(Identifier.random())", body).expect(413, .payloadTooLarge, message)
                }
                let fitting = TestBody(bytes: Array(repeating: UInt8(ascii: " "), count: 4_096))
                try await service.send(.post, "/v2/personas", fitting).expectViolations([("body", Self.notAnObject)])
                // The type is looked at before the length, and the key before both.
                try await service.send(
                    .post, "/v2/personas", TestBody(bytes: Array(repeating: 0, count: 5_000)), headers: [.contentType: "image/png"]
                )
                .expect(
                    415, .unsupportedMediaType,
                    "The request body must be JSON, with Content-Type: application/json, or a form with files, with Content-Type: multipart/form-data"
                )
                #expect(
                    try await service.send(.post, "/v2/personas", TestBody(bytes: Array(repeating: 0, count: 5_000)), key: .text("x"))
                        .status == 401)
            }
        }
    }
}
