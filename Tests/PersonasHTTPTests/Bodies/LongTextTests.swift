import HTTPTypes
import Personas
import TestImages
import TestSupport
import Testing

/// Texts in which Swift's own comparison takes time quadratic in their length: runs of combining marks of several kinds. As a request's they
/// would keep a thread for hours, so that none of these may ever be compared or hashed as a text.
@Suite("A long run of combining marks", .serialized, .timeLimit(.minutes(2 * timeoutFactor)))
struct LongTextTests {
    private static let marks = String(repeating: "\u{301}\u{323}\u{345}", count: 300_000)

    private static let bodies: [(name: String, body: String)] = [
        ("a member's name", #"{"\#(marks)":1}"#), ("two members' names", #"{"a\#(marks)":1,"b\#(marks)":1}"#),
        ("a name within an unknown member", #"{"x":{"\#(marks)":1}}"#), ("a name", #"{"name":"\#(marks)"}"#),
        ("a name's end", #"{"name":"N\#(marks)"}"#),
        ("URLs", #"{"name":"N","image_urls":["\#(marks)","https://\#(marks)","h\#(marks)"]}"#),
        ("images", #"{"name":"N","image_base64s":["\#(marks)","data:\#(marks)","data:image/png;base64,\#(marks)"]}"#),
        ("instructions", #"{"name":"N","special_instructions":"\#(marks)"}"#),
        ("a report", #"{"lease_token":"\#(marks)","code":"G\#(marks)","message":"\#(marks)","portrait_base64":"\#(marks)"}"#),
        ("a value that belongs to no field", #"{"\#(marks)":"\#(marks)","x":["\#(marks)"]}"#),
    ]

    @Test("is refused at once, wherever it stands")
    func everywhere() async throws {
        try await TestService.run { service in
            let key = TestService.Key.text(try await service.key(scopes: [.write, .trainer]).key)
            let id = Identifier.random()
            try await service.withoutTrace {
                for (name, body) in Self.bodies {
                    for (method, path) in [
                        (HTTPRequest.Method.post, "/v2/personas"), (.patch, "/v2/pikzonality/\(id)"),
                        (.post, "/v2/training/\(id)/complete"),
                        (.post, "/v2/training/\(id)/fail"),
                    ] {
                        let answer = try await service.send(method, path, TestBody(body), key: key)
                        #expect((400..<500).contains(answer.status), "\(name) \(path)")
                    }
                }
            }
        }
    }

    @Test("names that only look the same are different members")
    func sameLooks() async throws {
        try await TestService.run { service in
            let body = TestBody("{\"name\":\"Nova\",\"\u{e9}\":1,\"e\u{301}\":2,\"image_base64s\":\(Picture.base64List)}")
            let answer = try await service.send(.post, "/v2/styles", body)
            #expect(answer.status == 201)
        }
    }
}
