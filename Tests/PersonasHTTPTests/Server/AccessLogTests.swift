import HTTPTypes
import Logging
import Personas
import TestImages
import TestSupport
import Testing

/// The access log: one line per request, and no secret in any line.
@Suite("The access log", .serialized)
struct AccessLogTests {
    @Test("has one line per request, with its id, its route, its status and its caller")
    func lines() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let account = try #require(service.log.requests.last?.metadata["account"])
            let rows: [(HTTPRequest.Method, String, TestBody?, TestService.Key, route: String, status: Int)] = [
                (.get, "/healthz", nil, .none, "/healthz", 200), (.get, "/v2/personas/\(id)", nil, .own, "/v2/personas/{id}", 200),
                (.head, "/v2/personas/\(id)", nil, .own, "/v2/personas/{id}", 200),
                (.get, "/v2/personas?q=secret", nil, .own, "/v2/personas", 200),
                (.get, "/v2/styles/x", nil, .own, "/v2/styles/{id}", 400),
                (.get, "/v2/pikzonality/x", nil, .own, "/v2/pikzonality/{id}", 404),
                (.post, "/v2/pikzonality/style", .create("Paper"), .own, "/v2/pikzonality/style", 200),
                (.post, "/v2/personas", "nonsense", .own, "/v2/personas", 400),
                (.patch, "/v2/personas/\(id)", "{}", .own, "/v2/personas/{id}", 200),
                (.delete, "/v2/personas/\(id)", nil, .own, "/v2/personas/{id}", 200),
                (.get, "/v2/personas", nil, .none, "/v2/personas", 401),
                (.get, "/media/00000000000000000000000000000000", nil, .none, "/media/{token}", 404),
                (.post, "/v2/training/lease", nil, .own, "/v2/training/lease", 403), (.get, "/nowhere/secret", nil, .own, "NotFound", 404),
                (.put, "/v2/personas/\(id)", nil, .own, "none", 405), (.get, "/v2/personas", nil, .text("pkz_secret"), "/v2/personas", 401),
            ]
            for (method, path, body, key, route, status) in rows {
                let before = service.log.requests.count
                let answer = try await service.send(method, path, body, key: key)
                let lines = service.log.requests.dropFirst(before)
                #expect(lines.count == 1, "\(path)")
                let line = try #require(lines.first)
                #expect(line.level == .info)
                #expect(line.metadata["request_id"] == answer.requestID)
                #expect(line.metadata["method"] == method.rawValue)
                #expect(line.metadata["route"] == route, "\(path)")
                #expect(line.metadata["status"] == String(status) && answer.status == status, "\(path)")
                #expect(line.metadata["duration_us"].flatMap { Int($0) } != nil)
                // The caller is known once the key was good, whatever came after.
                let isCallerKnown = route.hasPrefix("/v2/") && status != 401
                #expect(line.metadata["account"] == (isCallerKnown ? account : nil), "\(path)")
                #expect((line.metadata["key"] != nil) == isCallerKnown, "\(path)")
                #expect(
                    Set(line.metadata.keys).isSubset(of: [
                        "request_id", "method", "route", "status", "duration_us", "account", "key", "hb.request.id",
                    ]))
            }
        }
    }

    @Test("maintenance is logged as any other answer")
    func maintenance() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: nil))
            let answer = try await service.send(.get, "/v2/personas", isFailureExpected: true)
            #expect(service.log.requests.map(\.metadata["request_id"]) == [answer.requestID])
            #expect(service.log.requests.map(\.metadata["status"]) == ["503"])
        }
    }

    @Test("and every other line of a request name the trace that it belongs to, if its header is valid")
    func traces() async throws {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
        let traceParent = HTTPField.Name.traceParent
        let traceState = try #require(HTTPField.Name("tracestate"))
        try await TestService.run { service in
            let valid: HTTPFields = [traceParent: " 00-\(trace)-\(parent)-01", traceState: "vendor=SECRET"]
            let answer = try await service.send(.get, "/v2/personas", headers: valid)
            #expect(answer.headers[traceParent] == nil && answer.headers[traceState] == nil)
            try await service.send(.get, "/v2/nowhere", headers: valid)
            try await service.send(.get, "/v2/personas", key: .none, headers: valid)
            #expect(service.log.requests.count == 3)
            for line in service.log.requests {
                #expect(line.metadata["trace_id"] == trace && line.metadata["parent_id"] == parent)
            }
            var twice = valid
            twice.append(HTTPField(name: traceParent, value: "00-\(trace)-\(parent)-01"))
            for headers in [[:], [traceParent: "00-\(trace.uppercased())-\(parent)-01"], twice, [traceState: "vendor=SECRET"]]
                as [HTTPFields]
            {
                try await service.send(.get, "/v2/personas", headers: headers)
                let line = try #require(service.log.requests.last)
                #expect(line.metadata["trace_id"] == nil && line.metadata["parent_id"] == nil, "\(headers)")
            }
            for line in service.log.lines { #expect(!line.text.contains("SECRET") && !line.text.contains("-01"), "\(line.text)") }
        }
    }

    @Test("no line of any level holds a key, a query, a header, a body, a name, a link or what is forged to look like a line")
    func canaries() async throws {
        let canary = "CANARY"
        try await TestService.run(.live) { service in
            let signed = "https://a.test/\(canary)?signature=\(canary)"
            service.fetcher.refuse(signed, .unavailable(reason: "could not be fetched"))
            let bodies: [TestBody] = [
                TestBody(#"{"name":"\#(canary)","image_urls":["\#(signed)","\#(signed)","\#(signed)"]}"#),
                TestBody(#"{"name":"\#(canary)","image_base64s":\#(Picture.base64List),"special_instructions":"\#(canary)\nforged=1"}"#),
                TestBody(#"{"name":"\#(canary)\u001b\n","x":"\#(canary)"}"#), TestBody("\(canary)"),
                TestBody(#"{"\#(canary)":1,"\#(canary)":2}"#),
            ]
            for body in bodies {
                for path in ["/v2/personas", "/v2/pikzonality/style", "/v2/training/lease", "/v2/training/\(canary)/fail"] {
                    try await service.send(
                        .post, path, body, headers: [.userAgent: canary, .referer: "https://\(canary)/", .cookie: canary])
                }
            }
            for path in [
                "/v2/personas?q=\(canary)&cursor=\(canary)", "/v2/personas/\(canary)", "/\(canary)", "/media/\(canary)",
                "/v2/personas/a%0A\(canary)",
            ] {
                try await service.send(.get, path, headers: [.requestID: canary])
                try await service.send(.get, path, key: .text("pkz_\(canary)"))
                try await service.send(.put, path, key: .text(canary))
            }
            try await service.train()
            let item = try await service.send(.get, "/v2/personas")
            let link = try #require(item.items.first?["portrait_url"] as? String)
            try await service.send(.get, String(link.dropFirst(TestService.baseURL.count)))
            #expect(service.log.requests.count > 30)
            for line in service.log.lines {
                #expect(!line.text.contains(canary), "\(line.text)")
                #expect(!line.text.contains(service.key.dropFirst(8)), "\(line.text)")
                #expect(!line.text.contains(link.suffix(32)), "\(line.text)")
                #expect(!line.text.contains("\n"), "\(line.text)")
            }
        }
    }
}
