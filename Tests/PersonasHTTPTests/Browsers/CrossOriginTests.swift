import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasHTTP
import PersonasMetrics
import TestImages
import TestSupport
import Testing

/// What pages of other origins get to see.
@Suite("A page of another origin", .serialized)
struct CrossOriginTests {
    private static let listed = "https://app.example"
    private static let unlisted = "https://evil.example"

    private static func configuration(_ origins: [String] = [listed, "https://*.sub.example"]) throws -> HTTPConfiguration {
        var configuration = HTTPConfiguration()
        configuration.allowedOrigins = try AllowedOrigins(origins)
        return configuration
    }

    private static func preflight(from origin: String, for method: String = "POST") -> HTTPFields {
        [.origin: origin, .accessControlRequestMethod: method, .accessControlRequestHeaders: "content-type,x-api-key"]
    }

    /// What the header of an answer says of origins.
    private static func words(_ answer: Answer) -> [String: String] {
        answer.headers.reduce(into: [:]) { words, field in
            if field.name == .vary || field.name.canonicalName.hasPrefix("access-control-") { words[field.name.rawName] = field.value }
        }
    }

    private static let exposed = """
        X-Request-Id, ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed, Original-Request, \
        Preference-Applied, Allow, Accept-Ranges, Content-Range, Content-Disposition, WWW-Authenticate, \
        X-Accel-Buffering
        """

    private static func readable(by origin: String) -> [String: String] {
        ["Vary": "Origin", "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": exposed]
    }

    private static let unreadable = ["Vary": "Origin"]

    @Test("may ask whether it may call, without a key, whatever it asks for")
    func preflights() async throws {
        try await TestService.run(configuration: try Self.configuration()) { service in
            try await service.withoutTrace {
                for path in [
                    "/v2/personas", "/v2/personas/x", "/v2/pikzonality/persona", "/media/x", "/healthz", "/metrics", "/nowhere", "/",
                ] {
                    for method in ["POST", "PATCH", "DELETE", "GET", "PUT", "nonsense"] {
                        for origin in [Self.listed, "https://a.b.sub.example"] {
                            let answer = try await service.send(
                                .options, path, key: .none, headers: Self.preflight(from: origin, for: method))
                            #expect(answer.status == 204, "\(method) \(path)")
                            #expect(
                                Self.words(answer) == [
                                    "Vary": "Origin", "Access-Control-Allow-Origin": origin, "Access-Control-Max-Age": "7200",
                                    "Access-Control-Allow-Methods": "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS",
                                    "Access-Control-Allow-Headers": """
                                    X-Api-Key, Content-Type, Accept, Idempotency-Key, If-Match, If-None-Match, Prefer, Range, If-Range, \
                                    Last-Event-ID, X-Request-Id, traceparent, tracestate
                                    """,
                                ], "\(method) \(path)")
                        }
                        for origin in [Self.unlisted, "https://sub.example", "null", "\(Self.listed), \(Self.listed)", ""] {
                            let answer = try await service.send(
                                .options, path, key: .none, headers: Self.preflight(from: origin, for: method))
                            #expect(answer.status == 204, "\(method) \(path)")
                            #expect(Self.words(answer) == Self.unreadable, "\(origin)")
                        }
                    }
                }
            }
        }
    }

    @Test("that sends OPTIONS and is no preflight is answered as any other client: 405, or 404 where there is nothing")
    func otherOptions() async throws {
        try await TestService.run(configuration: try Self.configuration()) { service in
            let rows: [(headers: HTTPFields, words: [String: String])] = [
                ([.origin: Self.listed], Self.readable(by: Self.listed)), ([.origin: Self.unlisted], Self.unreadable),
                ([.accessControlRequestMethod: "POST"], Self.unreadable), ([:], Self.unreadable),
            ]
            for (headers, words) in rows {
                let answer = try await service.send(.options, "/v2/personas", headers: headers)
                answer.expect(405, .methodNotAllowed, "This method is not allowed here")
                #expect(answer.headers[.allow] == "GET, HEAD, POST")
                #expect(Self.words(answer) == words)
                let lost = try await service.send(.options, "/nowhere", headers: headers)
                lost.expect(404, .notFound, "Not found")
                #expect(Self.words(lost) == words)
            }
            for method in [HTTPRequest.Method.get, .post] {
                let answer = try await service.send(method, "/nowhere", headers: Self.preflight(from: Self.listed))
                #expect(answer.status == 404)
            }
        }
    }

    @Test("is told during maintenance what it may, and nothing is counted towards a limit")
    func unlimitedPreflights() async throws {
        var configuration = try Self.configuration()
        configuration.rateLimits = RateLimitPolicy(readsPerSecond: 1, writesPerSecond: 1)
        configuration.overLimitWait = .zero
        try await TestService.run(configuration: configuration) { service in
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 120))
            for origin in [Self.listed, Self.unlisted] {
                for _ in 0..<20 {
                    let answer = try await service.send(.options, "/v2/personas", headers: Self.preflight(from: origin))
                    #expect(answer.status == 204)
                    #expect(answer.header("RateLimit") == nil && answer.header("RateLimit-Policy") == nil)
                }
            }
            _ = try await service.administration.perform(SetMaintenance(isOn: false, retryAfterSeconds: 120))
            let answer = try await service.send(.get, "/v2/personas", headers: [.origin: Self.listed])
            #expect(answer.status == 200)
            #expect(answer.header("RateLimit")?.contains(";r=9;") == true)
        }
    }

    /// Sends a request as pages of all sorts do, and as no page does, and looks at what each is told.
    private static func compare(
        _ service: TestService, _ status: Int, _ method: HTTPRequest.Method, _ path: String, _ body: TestBody? = nil,
        key: TestService.Key = .own, headers: HTTPFields = [:], isFailureExpected: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for (origin, words) in [
            (listed, readable(by: listed)), ("https://a.sub.example", readable(by: "https://a.sub.example")), (unlisted, unreadable),
            ("null", unreadable), (nil, unreadable),
        ] {
            var fields = headers
            fields[.origin] = origin
            let answer = try await service.send(
                method, path, body, key: key, headers: fields, isFailureExpected: isFailureExpected, sourceLocation: sourceLocation)
            #expect(answer.status == status, sourceLocation: sourceLocation)
            #expect(Self.words(answer) == words, "\(origin ?? "no origin")", sourceLocation: sourceLocation)
        }
    }

    @Test("reads answers of every kind if its origin is listed, and nothing if it is not")
    func answers() async throws {
        var configuration = try Self.configuration()
        configuration.limits.bodyBytesMax = 1_000_000
        try await TestService.run(configuration: configuration) { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let processing = try await service.create(.persona, "New")
            let suspended = try await service.newKey(account: "suspended")
            _ = try await service.administration.perform(SetSuspended(true, accountName: "suspended"))
            func compare(
                _ status: Int, _ method: HTTPRequest.Method, _ path: String, _ body: TestBody? = nil, key: TestService.Key = .own,
                headers: HTTPFields = [:], sourceLocation: SourceLocation = #_sourceLocation
            ) async throws {
                try await Self.compare(service, status, method, path, body, key: key, headers: headers, sourceLocation: sourceLocation)
            }
            try await compare(200, .get, "/v2/personas/\(id)")
            try await compare(200, .head, "/v2/personas/\(id)")
            try await compare(200, .get, "/v2/personas?limit=1")
            try await compare(200, .get, "/v2/personas?q=no")
            try await compare(200, .get, "/healthz", key: .none)
            try await compare(200, .get, "/metrics", key: .none)
            try await compare(200, .patch, "/v2/personas/\(id)", "{}")
            try await compare(400, .get, "/v2/personas/x")
            try await compare(400, .get, "/v2/personas?limit=0")
            try await compare(400, .post, "/v2/personas", "{")
            try await compare(400, .delete, "/v2/personas/\(processing)")
            try await compare(401, .get, "/v2/personas", key: .none)
            try await compare(401, .post, "/v2/personas", "{}", key: .text("pkz_x"))
            try await compare(403, .get, "/v2/personas", key: suspended)
            try await compare(404, .get, "/v2/styles/\(id)")
            try await compare(404, .get, "/nowhere")
            try await compare(404, .post, "/nowhere", "{}")
            try await compare(405, .put, "/v2/personas/\(id)", "{}")
            try await compare(405, .get, "/v2/training/lease")
            try await compare(409, .post, "/v2/personas", .create("Nova"))
            try await compare(413, .post, "/v2/personas", TestBody(String(repeating: " ", count: 1_000_001)))
            try await compare(415, .post, "/v2/personas", "{}", headers: [.contentType: "text/plain"])
            try await compare(200, .get, "/v2/personas/\(id)", headers: [.accessControlRequestMethod: "GET"])
        }
    }

    @Test("reads why it is turned away: at a limit, during maintenance, and when the service fails")
    func refusals() async throws {
        var configuration = try Self.configuration()
        configuration.rateLimits = RateLimitPolicy(readsPerSecond: 1, writesPerSecond: 1)
        configuration.overLimitWait = .zero
        try await TestService.run(configuration: configuration) { service in
            for _ in 0..<10 { try await service.send(.get, "/v2/personas") }
            try await Self.compare(service, 429, .get, "/v2/personas")
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 120))
            try await Self.compare(service, 503, .get, "/v2/personas", isFailureExpected: true)
            try await Self.compare(service, 503, .post, "/v2/personas", "{}", isFailureExpected: true)
            try await Self.compare(service, 503, .get, "/nowhere", key: .none, isFailureExpected: true)
        }
        try await TestService.run(configuration: try Self.configuration()) { service in
            try service.data.breakImages()
            try await Self.compare(service, 500, .post, "/v2/personas", .create("Nova"), isFailureExpected: true)
        }
    }

    @Test("reads everything where all origins are listed, and its own is never named")
    func everyOrigin() async throws {
        try await TestService.run(configuration: try Self.configuration(["*"])) { service in
            for origin in [Self.listed, Self.unlisted, "null"] {
                for (path, key) in [("/v2/personas", TestService.Key.own), ("/v2/personas", .none), ("/nowhere", .none)] {
                    let answer = try await service.send(.get, path, key: key, headers: [.origin: origin])
                    #expect(Self.words(answer) == Self.readable(by: "*"))
                }
                let preflight = try await service.send(.options, "/v2/personas", key: .none, headers: Self.preflight(from: origin))
                #expect(preflight.headers[.accessControlAllowOrigin] == "*")
                #expect(preflight.headers[.accessControlAllowCredentials] == nil)
            }
            #expect(Self.words(try await service.send(.get, "/v2/personas")) == Self.unreadable)
        }
        try await TestService.run(.live, configuration: try Self.configuration(["*"])) { service in
            let port = try #require(service.client.port)
            let answer = try #require(try await rawExchange(.port(port), sending: "nonsense\r\n\r\n").answers.last)
            #expect(Self.words(answer) == Self.readable(by: "*"), "of whom it is does not matter")
        }
    }

    @Test("reads images whatever its origin, and so does a canvas that draws them")
    func images() async throws {
        try await TestService.run(configuration: try Self.configuration()) { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let url = try #require(try await service.send(.get, "/v2/personas/\(id)").string("portrait_url"))
            let path = String(url.dropFirst(TestService.baseURL.count))
            let tag = try #require(try await service.send(.get, path).headers[.eTag])
            for origin in [Self.listed, Self.unlisted, "null", nil] {
                let rows: [(method: HTTPRequest.Method, path: String, headers: HTTPFields, status: Int)] = [
                    (.get, path, [:], 200), (.head, path, [:], 200), (.get, path, [.range: "bytes=0-9"], 206),
                    (.get, path, [.ifNoneMatch: tag], 304), (.get, path, [.range: "bytes=99999-"], 416),
                    (.get, "/media/\(RandomToken.random().text)", [:], 404), (.get, "/media/x", [:], 404),
                ]
                for (method, path, headers, status) in rows {
                    var headers = headers
                    headers[.origin] = origin
                    let answer = try await service.send(method, path, key: .none, headers: headers)
                    #expect(answer.status == status, "\(path)")
                    #expect(Self.words(answer) == Self.readable(by: "*"), "\(path)")
                    if status < 400 { #expect(answer.header("Cross-Origin-Resource-Policy") == "cross-origin") }
                }
            }
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 120))
            let answer = try await service.send(.get, path, key: .none)
            #expect(answer.status == 200, "links stand in pages of others")
            #expect(Self.words(answer) == Self.readable(by: "*"))
        }
    }

    @Test("gets an answer again under an idempotency key, and is told of itself, not of the page that asked first")
    func replays() async throws {
        try await TestService.run(configuration: try Self.configuration()) { service in
            func send(_ body: TestBody, key: String, from origin: String?) async throws -> Answer {
                var headers: HTTPFields = [HTTPField.Name("Idempotency-Key")!: key]
                headers[.origin] = origin
                return try await service.send(.post, "/v2/personas", body, headers: headers)
            }
            for (body, key, status) in [(TestBody.create("Nova"), "first", 201), (.create("Nova"), "second", 409)] {
                for (origin, words) in [
                    (Self.listed, Self.readable(by: Self.listed)), ("https://a.sub.example", Self.readable(by: "https://a.sub.example")),
                    (nil, Self.unreadable), (Self.unlisted, Self.unreadable), (Self.listed, Self.readable(by: Self.listed)),
                ] {
                    let answer = try await send(body, key: key, from: origin)
                    #expect(answer.status == status)
                    #expect(Self.words(answer) == words)
                }
                #expect(try await send(body, key: key, from: nil).header("Idempotent-Replayed") == "true")
            }
        }
    }

    @Test("leaves an entry in the access log, and a count, for each of its preflights")
    func observed() async throws {
        try await TestService.run(configuration: try Self.configuration()) { service in
            let before = service.accessLog.entries.count
            for origin in [Self.listed, Self.unlisted] {
                let answer = try await service.send(.options, "/v2/personas?q=x", headers: Self.preflight(from: origin))
                let entry = try #require(service.accessLog.entries.last)
                #expect(entry.requestID == answer.requestID && entry.method == "OPTIONS" && entry.route == "none" && entry.status == 204)
                #expect(entry.caller == nil && entry.code == nil && entry.bytesIn == 0 && entry.bytesOut == 0)
            }
            #expect(service.accessLog.entries.count == before + 2)
            let metrics = String(decoding: service.registry.text(), as: UTF8.self)
            #expect(metrics.contains("\npersonas_http_requests_total{method=\"OPTIONS\",route=\"none\",status=\"204\"} 2\n"), "\(metrics)")
        }
    }

    @Test("reads why the connection's guard refuses a request, as far as the guard knows whose it is")
    func guardedConnections() async throws {
        var configuration = try Self.configuration()
        configuration.limits.bodyBytesMax = 1_000
        try await TestService.run(.live, configuration: configuration) { service in
            let port = try #require(service.client.port)
            let chunk = String(repeating: "x", count: 0x800)
            for (origin, words) in [
                (Self.listed, Self.readable(by: Self.listed)), ("https://a.sub.example", Self.readable(by: "https://a.sub.example")),
                (Self.unlisted, Self.unreadable), (nil, Self.unreadable),
            ] {
                let field = origin.map { "Origin: \($0)\r\n" } ?? ""
                for (request, status) in [
                    ("GET /v2/personas HTTP/1.1\r\nHost: a b\r\n\(field)\r\n", 400),
                    ("GET /v2/personas HTTP/1.1\r\nHost: a\r\n\(field)Connection: \u{e9}\r\n\r\n", 400),
                    ("POST /v2/personas HTTP/1.1\r\nHost: a\r\n\(field)Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
                    ("POST /v2/personas HTTP/1.1\r\nHost: a\r\n\(field)Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
                    ("POST /nowhere HTTP/1.1\r\nHost: a\r\n\(field)Transfer-Encoding: chunked\r\n\r\n800\r\n\(chunk)\r\n", 413),
                ] {
                    let exchange = try await rawExchange(.port(port), sending: request)
                    // The route may have answered by the time that the guard sees what is wrong.
                    let answer = try #require(exchange.answers.last)
                    #expect([status, 401, 404].contains(answer.status), "\(exchange.text)")
                    #expect(Self.words(answer) == words, "\(request.prefix(200)) \(exchange.text)")
                }
            }
            // Whose these are nobody knows.
            for request in [
                "nonsense\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nOrigin: \(Self.listed)\r\nX: \(String(repeating: "x", count: 9_000))\r\n\r\n",
            ] {
                let answer = try #require(try await rawExchange(.port(port), sending: request).answers.last)
                #expect(answer.status == 400)
                #expect(Self.words(answer) == Self.unreadable)
            }
        }
    }
}
