import Foundation
import Logging
import Personas
import PersonasWire
import TestSupport
import Testing

@testable import PersonasOutbound

@Suite("Asking the payment service", .timeLimit(.minutes(1)))
struct HTTPPaymentServiceTests {
    private static let topUp = makeTopUp()

    private static func makeTopUp() -> TopUp? {
        guard let amount = try? CreditAmount(100, of: .own("amount")) else { return nil }
        let at = Timestamp(milliseconds: 1_795_341_600_789)
        return TopUp(id: .random(), accountID: .random(), amount: amount, balance: 7, requestedAt: at, attempts: 3)
    }

    private static func service(
        _ url: String, secret: WebhookSecret = .random(), seconds: Double = 10, resolver: any HostResolver = StubResolver.ordinary(),
        trusting file: String? = FetcherFixture.authorityFile, clock: WallClock = .system
    ) throws -> HTTPPaymentService {
        var configuration = HTTPPaymentService.Configuration(url: try #require(PaymentURL(url)), secret: secret)
        configuration.attemptSecondsMax = seconds
        return HTTPPaymentService(
            configuration: configuration, trust: try OutboundTrust(file: file), resolver: resolver,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), clock: clock)
    }

    /// Asks a server once.
    private static func answer(
        seconds: Double = 10, tls: Bool = false, _ reply: @escaping @Sendable (TestServer.Request) -> TestServer.Reply
    ) async throws -> (answer: PaymentAnswer?, requests: [TestServer.Request]) {
        try await TestServer.run(tls: tls, reply: reply) { server in
            let base = tls ? "https://img.example.test" : "http://127.0.0.1"
            let service = try service("\(base):\(server.port)/top-ups?a=b", seconds: seconds)
            let answer = await service.ask(for: try #require(topUp))
            #expect(await comesTrue { server.connectionsOpen == 0 })
            return (answer, server.requests)
        }
    }

    private static func ok(_ body: String) -> TestServer.Reply {
        .sendAndClose("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    @Test("The question is signed and says what is wanted; asked again it is the same but for the time", arguments: [false, true])
    func request(tls: Bool) async throws {
        let (secret, at) = (WebhookSecret.random(), try #require(Timestamp(text: "2026-11-22T10:00:59Z")))
        let topUp = try #require(Self.topUp)
        try await TestServer.run(tls: tls, reply: { _ in Self.ok(#"{"status":"paid","reference":"bill 7"}"#) }) { server in
            let base = tls ? "https://img.example.test" : "http://127.0.0.1"
            let service = try Self.service("\(base):\(server.port)/top-ups?a=b", secret: secret, clock: WallClock { at })
            for _ in 0..<2 { #expect(await service.ask(for: topUp) == .paid(reference: CreditNote(excerptOf: "bill 7"))) }
            #expect(server.requests.count == 2)
            let body = """
                {"type":"top_up.requested","timestamp":"2026-11-22T10:00:00.789Z","data":{"top_up_id":"\(topUp.id.text)",\
                "account":"\(topUp.accountID.text)","amount":100,"balance":7}}
                """
            for request in server.requests {
                #expect(request.head.hasPrefix("POST /top-ups?a=b HTTP/1.1\r\n"))
                #expect(String(decoding: request.body, as: UTF8.self) == body)
                let expected = [
                    "content-type": "application/json", "user-agent": "personas", "webhook-id": topUp.id.text,
                    "webhook-timestamp": "1795341659",
                    "webhook-signature": WebhookSignature.header(
                        id: topUp.id.text, timestamp: 1_795_341_659, body: Array(body.utf8), secrets: [secret]),
                ]
                for (name, value) in expected { #expect(request.values(of: name) == [value], "\(name)") }
            }
        }
    }

    @Test(
        "What it says counts, whatever else is there",
        arguments: [
            (#"{"status":"paid"}"#, PaymentAnswer.paid(reference: nil)), (#"{"status":"paid","reference":null}"#, .paid(reference: nil)),
            (#"{"status":"paid","reference":""}"#, .paid(reference: nil)),
            (#"{"reference":7,"status":"paid","more":[1]}"#, .paid(reference: nil)),
            (
                #" {"status" : "declined" , "reference" : "no \u001b[31mcard"} "#,
                .declined(reference: CreditNote(excerptOf: "no \u{fffd}[31mcard"))
            ),
        ])
    func outcomes(body: String, expected: PaymentAnswer) async throws {
        #expect(try await Self.answer { _ in Self.ok(body) }.answer == expected)
        let length = String(body.utf8.count, radix: 16)
        let chunked = "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n\(length)\r\n\(body)\r\n0\r\n\r\n"
        #expect(try await Self.answer { _ in .sendAndClose(chunked) }.answer == expected)
    }

    @Test(
        "Whatever says neither leaves the outcome open",
        arguments: [
            (ok(""), PaymentProblem.unreadable), (ok("{}"), .unreadable), (ok(#"{"status":"PAID"}"#), .unreadable),
            (ok(#"{"status":true}"#), .unreadable), (ok(#"["paid"]"#), .unreadable), (ok(#"{"status":"paid""#), .unreadable),
            (ok(#"{"status":"declined","status":"paid"}"#), .unreadable), (ok(String(repeating: "[", count: 513)), .unreadable),
            (ok(#"{"status":"paid","more":"\#(String(repeating: "a", count: 65_536))"}"#), .unreadable),
            (.sendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":\"paid\"}"), .unanswered(.reset)),
            (.sendAndClose("HTTP/1.1 204 No Content\r\n\r\n"), .unreadable),
            (.sendAndClose("HTTP/1.1 500 Oops\r\nContent-Length: 17\r\n\r\n{\"status\":\"paid\"}"), .status(500)),
            (.sendAndClose("HTTP/1.1 402 No\r\nContent-Length: 21\r\n\r\n{\"status\":\"declined\"}"), .status(402)),
            (.sendAndClose("HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), .status(307)),
            (.reset, .unanswered(.reset)), (.sendAndClose("nonsense\r\n\r\n"), .unanswered(.reset)),
        ])
    func unknown(reply: TestServer.Reply, problem: PaymentProblem) async throws {
        let (answer, requests) = try await Self.answer { _ in reply }
        #expect(answer == .unknown(problem), "\(String(describing: answer))")
        #expect(requests.count == 1)
    }

    @Test(
        "One that never answers, or drips, is given up in time, however far it is",
        arguments: [
            TestServer.Reply.hang, .drip("HTTP/1.1 200 OK\r\nX-Slow: "),
            .drip("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n{\"status\":\"paid\""),
        ])
    func slow(reply: TestServer.Reply) async throws {
        let begin = ContinuousClock.now
        #expect(try await Self.answer(seconds: 0.3) { _ in reply }.answer == .unknown(.unanswered(.timeout)))
        #expect(begin.duration(to: .now) < .seconds(10))
    }

    @Test("One that is not there, is not known, or is not trusted has not answered")
    func unreachable() async throws {
        let topUp = try #require(Self.topUp)
        #expect(await Self.ask(try Self.service("http://127.0.0.1:1/"), topUp) == .unknown(.unanswered(.refused)))
        let nobody = StubResolver { _, _ in [] }
        #expect(await Self.ask(try Self.service("https://pay.internal/", resolver: nobody), topUp) == .unknown(.unanswered(.dns)))
        try await TestServer.run(reply: { _ in Self.ok(#"{"status":"paid"}"#) }) { server in
            let service = try Self.service("https://pay.example.test:\(server.port)/", trusting: nil)
            #expect(await service.ask(for: topUp) == .unknown(.unanswered(.tls)))
            #expect(server.requests.isEmpty)
        }
    }

    private static func ask(_ service: HTTPPaymentService, _ topUp: TopUp) async -> PaymentAnswer? { await service.ask(for: topUp) }

    @Test("One that is told to stop says nothing, unless it had an answer")
    func cancelled() async throws {
        try await TestServer.run(tls: false, reply: { _ in .hang }) { server in
            let service = try Self.service("http://localhost:\(server.port)/", resolver: StubResolver { _, _ in [.allowed] })
            let topUp = try #require(Self.topUp)
            let asking = Task { await service.ask(for: topUp) }
            #expect(await comesTrue { server.requests.count == 1 })
            asking.cancel()
            #expect(await asking.value == nil)
            #expect(await comesTrue { server.connectionsOpen == 0 })
        }
    }

    @Test(
        "An address is https, or http on this machine; of one's own network, with any port",
        arguments: [
            ("https://pay.example/", true), ("https://pay.example:8443/a/b?c=d", true), ("https://10.0.0.7/", true), ("https://pay/", true),
            ("https://[fd00::7]/", true), ("HTTPS://Pay.Example", true), ("http://127.0.0.1:8090/", true), ("http://127.8.8.8/", true),
            ("http://[::1]:8090/", true), ("http://localhost/", true), ("http://LOCALHOST:1/", true), ("http://pay.example/", false),
            ("http://10.0.0.7/", false), ("http://localhost.example/", false), ("http://2130706433/", false), ("ftp://localhost/", false),
            ("https://user:word@pay.example/", false), ("https://", false), ("pay.example", false), ("", false),
            ("https://pay .example/", false),
            ("https://pay.example:0/", false), ("https://pay.example\\@evil.example/", false),
        ])
    func addresses(text: String, isTaken: Bool) {
        #expect((PaymentURL(text) != nil) == isTaken)
    }
}
