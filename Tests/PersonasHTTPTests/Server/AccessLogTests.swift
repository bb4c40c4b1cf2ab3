import ErrorEnvelope
import Foundation
import ErrorEnvelopeHummingbird
import HTTPTypes
import Logging
import Personas
import TestImages
import TestSupport
import Testing

@testable import PersonasHTTP

/// The access log: one entry per request, and no secret in any line.
@Suite("The access log", .serialized)
struct AccessLogTests {
    @Test("has one entry per request, with its id, its route, its status, its error and its caller")
    func entries() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let caller = try #require(service.accessLog.entries.last?.caller)
            let rows: [(HTTPRequest.Method, String, TestBody?, TestService.Key, route: String, status: Int, code: ErrorCode?)] = [
                (.get, "/healthz", nil, .none, "/healthz", 200, nil),
                (.get, "/v2/personas/\(id)", nil, .own, "/v2/personas/{id}", 200, nil),
                (.head, "/v2/personas/\(id)", nil, .own, "/v2/personas/{id}", 200, nil),
                (.get, "/v2/personas?q=secret", nil, .own, "/v2/personas", 200, nil),
                (.get, "/v2/styles/x", nil, .own, "/v2/styles/{id}", 400, .invalidStyle),
                (.get, "/v2/pikzonality/x", nil, .own, "/v2/pikzonality/{id}", 404, .notFound),
                (.head, "/v2/pikzonality/x", nil, .own, "/v2/pikzonality/{id}", 404, .notFound),
                (.post, "/v2/pikzonality/style", .create("Paper"), .own, "/v2/pikzonality/style", 200, nil),
                (.post, "/v2/personas", "nonsense", .own, "/v2/personas", 400, .validationError),
                (.patch, "/v2/personas/\(id)", "{}", .own, "/v2/personas/{id}", 200, nil),
                (.delete, "/v2/personas/\(id)", nil, .own, "/v2/personas/{id}", 200, nil),
                (.get, "/v2/personas", nil, .none, "/v2/personas", 401, .missingAPIKey),
                (.get, "/media/00000000000000000000000000000000", nil, .none, "/media/{token}", 404, .notFound),
                (.post, "/v2/training/lease", nil, .own, "/v2/training/lease", 403, .apiAccessNotEnabled),
                (.get, "/nowhere/secret", nil, .own, "none", 404, .notFound),
                (.put, "/v2/personas/\(id)", nil, .own, "none", 405, .methodNotAllowed),
                (.get, "/", nil, .none, "/", 200, nil), (.get, "/docs/", nil, .none, "/docs", 200, nil),
                (.get, "/openapi.json", nil, .none, "/openapi.json", 200, nil),
                (.get, "/docs/assets/secret/app.js", nil, .none, "/docs/assets/{version}/{file}", 404, .notFound),
                (.get, "/console/secret/app.js", nil, .none, "/console/{version}/{file}", 404, .notFound),
                (.get, "/console/secret/views/app.js", nil, .none, "/console/{version}/views/{file}", 404, .notFound),
                (.get, "/v2/personas", nil, .text("pkz_secret"), "/v2/personas", 401, .invalidAPIKey),
            ]
            for (method, path, body, key, route, status, code) in rows {
                let before = service.accessLog.entries.count
                let answer = try await service.send(method, path, body, key: key)
                let entries = service.accessLog.entries.dropFirst(before)
                #expect(entries.count == 1, "\(path)")
                let entry = try #require(entries.first)
                #expect(entry.requestID == answer.requestID)
                #expect(entry.method == method.rawValue)
                #expect(entry.route == route, "\(path)")
                #expect(entry.status == status && answer.status == status, "\(path)")
                #expect(entry.code == code, "\(path)")
                // The answer to HEAD has no body to compare with.
                if method != .head { #expect(entry.reason == (code == nil ? nil : try answer.envelope.error.message), "\(path)") }
                #expect((entry.reason == nil) == (code == nil))
                #expect(entry.duration > .zero)
                #expect(entry.bytesOut == answer.bytes.count, "\(path)")
                #expect(entry.trace == nil)
                // The caller is known once the key was good, whatever came after.
                let isCallerKnown = route.hasPrefix("/v2/") && status != 401
                #expect(entry.caller == (isCallerKnown ? caller : nil), "\(path)")
            }
        }
    }

    @Test("says why a request was refused, with every field that is at fault, and nothing of what was sent")
    func reasons() async throws {
        try await TestService.run { service in
            let key = try #require(HTTPField.Name("Idempotency-Key"))
            let secrets: [TestBody] = [
                #"{"name":"secret\u0007","mode":"secret","image_urls":["http://secret/","secret","https://10.0.0.1/secret"]}"#,
                #"{"name":"Nova","image_base64s":["secret","c2VjcmV0","x"]}"#, #"{"secret":"#, #"{"name":"Nova","metadata":{"":"secret"}}"#,
                #"{"name":"Nova","external_id":"sécret","special_instructions":7}"#,
            ]
            for body in secrets { try await service.send(.post, "/v2/personas", body) }
            try await service.send(.get, "/v2/personas?limit=secret&cursor=secret&status=secret&sort=secret")
            try await service.send(.get, "/v2/personas/secret")
            try await service.send(.post, "/v2/personas", .create("Nova"), headers: [key: "secret secret"])
            let entries = service.accessLog.entries
            #expect(entries.count == 8 && entries.allSatisfy { $0.status == 400 })
            for entry in entries {
                let reason = try #require(entry.reason)
                #expect(!reason.isEmpty && !reason.contains("secret") && !reason.contains("sécret"), "\(reason)")
            }
            for (entry, words) in zip(entries, ["image_urls[0]", "image_base64s[2]", "body", "metadata", "special_instructions"]) {
                #expect(entry.reason?.contains(words) == true, "\(entry)")
            }
            #expect(entries[5].reason?.contains("limit") == true && entries[5].reason?.contains("cursor") == true, "\(entries[5])")
        }
    }

    @Test("cuts a reason that is very long, between characters")
    func longReason() {
        let max = EnvelopeError.loggedReasonBytesMax
        for (message, expected) in [
            (String(repeating: "x", count: max), String(repeating: "x", count: max)),
            (String(repeating: "x", count: max + 1), String(repeating: "x", count: max) + "…"),
            (String(repeating: "x", count: max - 1) + "é", String(repeating: "x", count: max - 1) + "…"),
            (String(repeating: "é", count: max), String(repeating: "é", count: max / 2) + "…"),
        ] {
            #expect(EnvelopeError(.validationError, message: message).loggedReason == expected)
        }
    }

    @Test("maintenance is logged as any other answer")
    func maintenance() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: nil))
            let answer = try await service.send(.get, "/v2/personas", isFailureExpected: true)
            #expect(service.accessLog.entries.map(\.requestID) == [answer.requestID])
            #expect(service.accessLog.entries.map(\.status) == [503])
            #expect(service.accessLog.entries.map(\.code) == [.serviceUnderMaintenance])
        }
    }

    @Test("counts the bytes of a body that were read, and those that an answer announces")
    func bytes() async throws {
        try await TestService.run(.live) { service in
            let form = TestBody.create("Nova")
            let created = try await service.send(.post, "/v2/personas", form)
            let id = try #require(created.string("id"))
            func last() throws -> (Int, Int?) {
                let entry = try #require(service.accessLog.entries.last)
                return (entry.bytesIn, entry.bytesOut)
            }
            #expect(try last() == (form.bytes.count, created.bytes.count))
            // What is refused by its head is not read.
            try await service.send(.post, "/v2/personas", form, key: .none)
            #expect(try last().0 == 0)
            try await service.send(.delete, "/v2/personas/\(UUID())", TestBody("{}"))
            #expect(try last().0 == 0)
            let item = try await service.send(.get, "/v2/personas/\(id)")
            #expect(try last() == (0, item.bytes.count) && !item.bytes.isEmpty)
            try await service.send(.head, "/v2/personas/\(id)")
            #expect(try last() == (0, 0))
            try await service.train()
            let link = try #require(try await service.send(.get, "/v2/personas/\(id)").string("portrait_url"))
            let path = String(link.dropFirst(TestService.baseURL.count))
            let image = try await service.send(.get, path)
            #expect(try last() == (0, image.bytes.count) && image.bytes.count > 10)
            let tag = try #require(image.headers[.eTag])
            #expect(try await service.send(.get, path, headers: [.ifNoneMatch: tag]).status == 304)
            #expect(try last() == (0, 0))
            try await service.send(.head, path)
            #expect(try last() == (0, 0))
            let part = try await service.send(.get, path, headers: [.range: "bytes=0-9"])
            #expect(part.status == 206 && part.bytes.count == 10)
            #expect(try last() == (0, 10))
        }
    }

    @Test("names the client's address: that of its connection, or what a trusted proxy says")
    func addresses() async throws {
        let forwarded: HTTPFields = [.forwardedFor: "203.0.113.9, 198.51.100.7"]
        try await TestService.run(.live) { service in
            try await service.send(.get, "/healthz", headers: forwarded)
            #expect(service.accessLog.entries.map(\.address) == ["127.0.0.1"])
        }
        var configuration = HTTPConfiguration()
        configuration.trustedProxies = [.v4(127, 0, 0, 0, length: 8)]
        try await TestService.run(.live, configuration: configuration) { service in
            try await service.send(.get, "/healthz", headers: forwarded)
            try await service.send(.get, "/nowhere", key: .none, headers: forwarded)
            try await service.send(.get, "/healthz")
            #expect(service.accessLog.entries.map(\.address) == ["198.51.100.7", "198.51.100.7", "127.0.0.1"])
        }
        try await TestService.run(.router) { service in
            try await service.send(.get, "/healthz", headers: forwarded)
            #expect(service.accessLog.entries.map(\.address) == [nil])
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
            #expect(service.accessLog.entries.count == 3)
            for entry in service.accessLog.entries {
                #expect(entry.trace?.traceID == trace && entry.trace?.parentID == parent)
            }
            var twice = valid
            twice.append(HTTPField(name: traceParent, value: "00-\(trace)-\(parent)-01"))
            for headers in [[:], [traceParent: "00-\(trace.uppercased())-\(parent)-01"], twice, [traceState: "vendor=SECRET"]]
                as [HTTPFields]
            {
                try await service.send(.get, "/v2/personas", headers: headers)
                let entry = try #require(service.accessLog.entries.last)
                #expect(entry.trace == nil, "\(headers)")
            }
            for line in service.everyLine { #expect(!line.contains("SECRET") && !line.contains("\(parent)-01"), "\(line)") }
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
                try await service.send(.get, path, headers: [.requestID: canary, .forwardedFor: canary])
                try await service.send(.get, path, key: .text("pkz_\(canary)"))
                try await service.send(.put, path, key: .text(canary))
            }
            try await service.train()
            let item = try await service.send(.get, "/v2/personas")
            let link = try #require(item.items.first?["portrait_url"] as? String)
            try await service.send(.get, String(link.dropFirst(TestService.baseURL.count)))
            #expect(service.accessLog.entries.count > 30)
            for line in service.everyLine {
                #expect(!line.contains(canary), "\(line)")
                #expect(!line.contains(service.key.dropFirst(8)), "\(line)")
                #expect(!line.contains(link.suffix(32)), "\(line)")
                #expect(!line.contains("\n"), "\(line)")
            }
        }
    }
}

extension TestService {
    /// Everything that was logged: what happened, then who asked for what.
    fileprivate var everyLine: [String] { log.lines.map(\.text) + accessLog.lines }
}

extension HTTPField.Name {
    fileprivate static let forwardedFor = HTTPField.Name("X-Forwarded-For")!
}
