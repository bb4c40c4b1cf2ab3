import Foundation
import Logging
import NIOCore
import Personas
import TestSupport
import Testing

@testable import PersonasOutbound

@Suite("Sending webhooks", .timeLimit(.minutes(1)))
struct GuardedWebhookSenderTests {
    private static let body = Array(#"{"id":"1","type":"persona.completed","data":{"name":"Mäx"}}"#.utf8)
    private static let url = "https://img.example.test:PORT/hook?a=b"

    private static func sender(
        port: Int, resolver: any HostResolver = StubResolver.ordinary(), trusting file: String? = FetcherFixture.authorityFile,
        attemptSeconds: Double = 10, connectSeconds: Double = 5, isDevelopment: Bool = false, clock: WallClock = .system
    ) throws -> GuardedWebhookSender {
        var configuration = GuardedWebhookSender.Configuration()
        (configuration.attemptSecondsMax, configuration.connectSecondsMax) = (attemptSeconds, connectSeconds)
        configuration.isDevelopment = isDevelopment
        return GuardedWebhookSender(
            configuration: configuration,
            rules: isDevelopment ? .development : DownloadURL.Rules(acceptsPlainHTTP: false, acceptsLocalHosts: false, ports: [port, 443]),
            policy: AddressPolicy(acceptsPrivate: isDevelopment, exempt: [.single(.allowed)]), resolver: resolver,
            trust: try OutboundTrust(file: file), logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), clock: clock)
    }

    private static func message(_ url: String, port: Int, secrets: [WebhookSecret] = [.random()]) -> WebhookMessage {
        WebhookMessage(
            id: .random(), accountID: FetcherFixture.account, url: url.replacing("PORT", with: "\(port)"), secrets: secrets, body: body)
    }

    /// Sends one message to a server.
    private static func attempt(
        _ url: String = url, attemptSeconds: Double = 10,
        reply: @escaping @Sendable (TestServer.Request) -> TestServer.Reply
    ) async throws -> (attempt: DeliveryAttempt, requests: [TestServer.Request]) {
        try await TestServer.run(reply: reply) { server in
            let sender = try sender(port: server.port, attemptSeconds: attemptSeconds)
            let attempt = try #require(await sender.send(message(url, port: server.port)))
            #expect(await comesTrue { server.connectionsOpen == 0 })
            return (attempt, server.requests)
        }
    }

    @Test("The bytes that are signed are sent, with the time of the attempt, and nothing of us beside them")
    func request() async throws {
        let at = try #require(Timestamp(text: "2026-11-22T10:00:00.789Z"))
        try await TestServer.run(reply: { _ in .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\nok") }) { server in
            let sender = try Self.sender(port: server.port, clock: WallClock { at })
            let message = Self.message(Self.url, port: server.port, secrets: [.random(), .random()])
            for _ in 0..<2 {
                let attempt = try #require(await sender.send(message))
                #expect(attempt.at == at && attempt.url == message.url && attempt.httpStatus == 200 && attempt.error == nil)
                #expect(attempt.responseBody == "ok" && attempt.retryAfterSeconds == nil)
            }
            #expect(server.requests.count == 2)
            for request in server.requests {
                #expect(request.serverName == "img.example.test")
                #expect(request.head.hasPrefix("POST /hook?a=b HTTP/1.1\r\n"))
                #expect(request.body == Self.body)
                let id = message.id.text
                let expected = [
                    "content-type": "application/json", "user-agent": "personas", "webhook-id": id, "webhook-timestamp": "1795341600",
                    "webhook-signature": WebhookSignature.header(
                        id: id, timestamp: 1_795_341_600, body: Self.body, secrets: message.secrets),
                    "host": "img.example.test:\(server.port)", "content-length": "\(Self.body.count)",
                ]
                for (name, value) in expected { #expect(request.values(of: name) == [value], "\(name)") }
                let lines = request.head.split(separator: "\r\n").dropFirst().filter { !$0.lowercased().hasPrefix("connection:") }
                #expect(lines.count == expected.count, "\(request.head)")
            }
        }
    }

    @Test(
        "Every answer counts by its status, however it goes on",
        arguments: [
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""), ("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 202, ""),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok"),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
            ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
            // Says that more comes than does, and less.
            ("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nok", 200, "ok"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay, and then some", 200, "ok"),
            ("HTTP/1.1 200 OK\r\n\r\nok", 200, "ok"),
            // What is compressed is left as it is: the beginning of it says nothing.
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\u{1f}\u{8}", 200, "\u{fffd}\u{fffd}"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Large: \(String(repeating: "a", count: 60_000))\r\n\r\nok", 200, "ok"),
            ("HTTP/1.1 302 Found\r\nLocation: https://other.example.test/\r\nContent-Length: 5\r\n\r\nmoved", 302, "moved"),
            ("HTTP/1.1 308 Permanent Redirect\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n", 308, ""),
            ("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410, ""),
            ("HTTP/1.1 500 Broken\r\nContent-Length: 6\r\n\r\nbroken", 500, "broken"),
            ("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", 999, ""),
        ]
    )
    func statuses(answer: String, status: Int, text: String) async throws {
        let (attempt, requests) = try await Self.attempt { _ in .sendAndClose(answer) }
        #expect(attempt.httpStatus == status && attempt.error == nil && attempt.responseBody == text)
        #expect(requests.count == 1)
    }

    @Test(
        "What is no answer has a word",
        arguments: [
            "", "HTTP/1.1 200", "nonsense\r\n\r\n", "HTTP/1.1 99999 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-Huge: \(String(repeating: "a", count: 200_000))\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
        ]
    )
    func nonsense(answer: String) async throws {
        let (attempt, _) = try await Self.attempt { _ in .sendAndClose(answer) }
        #expect(attempt.httpStatus == nil && attempt.error == .reset && attempt.responseBody == nil, "\(attempt)")
    }

    @Test("A connection that breaks before there is an answer is a reset")
    func reset() async throws {
        #expect(try await Self.attempt { _ in .reset }.attempt.error == .reset)
        #expect(try await Self.attempt { _ in .sendAndClose("") }.attempt.error == .reset)
    }

    @Test("Retry-After of an answer is handed on")
    func retryAfter() async throws {
        let (attempt, _) = try await Self.attempt { _ in
            .sendAndClose("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n")
        }
        #expect(attempt.httpStatus == 429 && attempt.retryAfterSeconds == 17)
    }

    @Test("A receiver that never answers, or drips its answer's head, is given up in time; one that drips the body has answered")
    func slow() async throws {
        for reply in [TestServer.Reply.hang, .send("HTTP/1.1 100 Continue\r\n\r\n"), .drip("HTTP/1.1 200 OK\r\nX-Slow: ")] {
            let (attempt, _) = try await Self.attempt(attemptSeconds: 0.3) { _ in reply }
            #expect(attempt.error == .timeout && attempt.httpStatus == nil && attempt.durationMilliseconds >= 300)
        }
        let (attempt, _) = try await Self.attempt(attemptSeconds: 0.5) { _ in .drip("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n") }
        #expect(attempt.httpStatus == 200 && attempt.error == nil && attempt.responseBody?.hasPrefix("x") == true)
    }

    @Test("An endless answer is cut off, and its beginning is kept")
    func endless() async throws {
        let part = [UInt8](repeating: UInt8(ascii: "y"), count: 16_384)
        for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"] {
            // Far from the deadline: it is the number of bytes that ends it.
            let (attempt, _) = try await Self.attempt(attemptSeconds: 600) { _ in .endless(head: head, part: part) }
            #expect(attempt.httpStatus == 200 && attempt.responseBody == String(repeating: "y", count: 1_024))
        }
    }

    @Test("A receiver that nobody trusts, or that speaks no TLS, gets nothing")
    func insecure() async throws {
        let (wrongName, requests) = try await Self.attempt("https://wrong.example.test:PORT/") { _ in .hang }
        #expect(wrongName.error == .tls && requests.isEmpty)
        try await TestServer.run(tls: false, greeting: "HTTP/1.1 400 Bad Request\r\n\r\n", reply: { _ in .hang }) { server in
            let sender = try Self.sender(port: server.port)
            #expect(await sender.send(Self.message(Self.url, port: server.port))?.error == .tls)
            #expect(server.requests.isEmpty)
        }
        try await TestServer.run(reply: { _ in .hang }) { server in
            let sender = try Self.sender(port: server.port, trusting: nil)
            #expect(await sender.send(Self.message(Self.url, port: server.port))?.error == .tls)
            #expect(server.requests.isEmpty)
        }
    }

    @Test("A port where nobody listens refuses, and a host that takes no connection is given up")
    func refused() async throws {
        let port = try await TestServer.run(reply: { _ in .hang }) { $0.port }
        #expect(await (try Self.sender(port: port)).send(Self.message(Self.url, port: port))?.error == .refused)
    }

    @Test("A name that does not exist, cannot be looked up or is looked up for too long is told as such")
    func names() async throws {
        let missing = StubResolver { _, _ in throw SystemHostResolver.LookupProblem(code: EAI_NONAME) }
        let silent = StubResolver { _, _ in throw SystemHostResolver.LookupProblem(code: EAI_AGAIN) }
        let endless = StubResolver { _, _ in
            try await Task.sleep(for: .seconds(30))
            return []
        }
        for resolver in [missing, silent, endless, StubResolver { _, _ in [] }] {
            let sender = try Self.sender(port: 443, resolver: resolver, connectSeconds: 0.2)
            let attempt = await sender.send(Self.message("https://img.example.test/", port: 443))
            #expect(attempt?.error == .dns)
        }
    }

    @Test(
        "What is not public is not connected to, whatever it is called by",
        arguments: [
            "https://inside.test:PORT/", "https://mixed.test:PORT/", "https://127.0.0.2:PORT/", "https://[::1]:PORT/",
            "https://img.example.test:22/", "http://img.example.test:PORT/", "https://user:secret@img.example.test:PORT/",
            "https://localhost:PORT/", "https://0x7f.1:PORT/", "nonsense", "",
        ]
    )
    func forbidden(url: String) async throws {
        try await TestServer.run(reply: { _ in .hang }) { server in
            let resolver = StubResolver { name, _ in name == "mixed.test" ? [.allowed, .forbidden] : [.forbidden] }
            let sender = try Self.sender(port: server.port, resolver: resolver)
            let attempt = try #require(await sender.send(Self.message(url, port: server.port)))
            #expect(attempt.error == .forbiddenAddress && attempt.httpStatus == nil)
            #expect(server.connectionsAccepted == 0)
        }
    }

    @Test("A name that leads elsewhere than it did is looked at again in each attempt")
    func rebinding() async throws {
        try await TestServer.run(reply: { _ in .sendAndClose("HTTP/1.1 204 No Content\r\n\r\n") }) { server in
            let resolver = StubResolver { _, count in [count == 0 ? .allowed : .forbidden] }
            let sender = try Self.sender(port: server.port, resolver: resolver)
            #expect(await sender.send(Self.message(Self.url, port: server.port))?.httpStatus == 204)
            #expect(await sender.send(Self.message(Self.url, port: server.port))?.error == .forbiddenAddress)
            #expect(server.connectionsAccepted == 1)
        }
    }

    @Test("URLs of endpoints are judged as attempts judge them; a name that cannot be looked up yet is taken")
    func problems() async throws {
        let resolver = StubResolver { name, _ in
            switch name {
            case "inside.test": return [.forbidden]
            case "img.example.test": return [.allowed]
            default: throw SystemHostResolver.LookupProblem(code: EAI_NONAME)
            }
        }
        let sender = try Self.sender(port: 443, resolver: resolver)
        for (url, problem) in [
            ("https://img.example.test/hook", nil), ("https://not-yet.example.test/hook", nil), ("https://inside.test/", .forbidden),
            ("https://127.0.0.1/", .forbidden), ("https://img.example.test:22/", .forbidden), ("https://localhost/", .forbidden),
            ("http://img.example.test/", .malformed), ("https://a:b@img.example.test/", .malformed), ("hook", .malformed),
        ] as [(String, WebhookURLProblem?)] {
            #expect(await sender.problem(of: url, for: FetcherFixture.account) == problem, "\(url)")
        }
    }

    @Test("For development plain HTTP to the own machine is taken, and still nothing else that is not public")
    func development() async throws {
        try await TestServer.run(tls: false, reply: { _ in .sendAndClose("HTTP/1.1 204 No Content\r\n\r\n") }) { server in
            let sender = try Self.sender(port: server.port, isDevelopment: true)
            let attempt = await sender.send(Self.message("http://127.0.0.1:PORT/hook", port: server.port))
            #expect(attempt?.httpStatus == 204)
            #expect(server.requests.map(\.body) == [Self.body])
            let metadata = await sender.send(Self.message("http://169.254.169.254/latest", port: server.port))
            #expect(metadata?.error == .forbiddenAddress)
        }
    }

    @Test("Whoever is told to stop hears nothing of the attempt, and leaves no connection behind")
    func cancelled() async throws {
        try await TestServer.run(reply: { _ in .hang }) { server in
            let sender = try Self.sender(port: server.port)
            let task = Task { await sender.send(Self.message(Self.url, port: server.port)) }
            #expect(await comesTrue { server.requests.count == 1 })
            task.cancel()
            #expect(await task.value == nil)
            #expect(await comesTrue { server.connectionsOpen == 0 })
        }
    }
}
