import ErrorEnvelope
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasDB
import TestSupport
import Testing

@testable import PersonasHTTP

/// Where fal reports.
@Suite("fal's webhook", .serialized)
struct FalWebhookTests {
    private static let path = "/v2/training/fal/webhook"
    private static let handle = FalHandle(requestID: "r-1", statusURL: "s", responseURL: "r", cancelURL: "c")

    private static func signed(_ signature: String? = "good") throws -> HTTPFields {
        var fields: HTTPFields = [.contentType: "application/json"]
        for (name, value) in [("Request-Id", "r-1"), ("User-Id", "u"), ("Timestamp", "1"), ("Signature", signature)] {
            let field = try #require(HTTPField.Name("X-Fal-Webhook-\(name)"))
            fields[field] = value
        }
        return fields
    }

    /// A request that is at fal, or on its way there.
    private static func sent(_ service: TestService, accepted: Bool = true) async throws -> FalRequest {
        try await service.create(.persona, "Nova")
        let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
        let intent = try await service.storage.falRequests.intend(job, token: .random(), at: .now)
        if accepted { _ = try await service.storage.falRequests.take(.accepted(handle), ofJob: job.id, at: .now) }
        return intent.request
    }

    private static func send(
        _ service: TestService, _ token: String, _ body: TestBody, _ fields: HTTPFields? = nil, isFailureExpected: Bool = false
    ) async throws -> Answer {
        try await service.send(
            .post, "\(path)?token=\(token)", body, key: .none, headers: try fields ?? signed(), isFailureExpected: isFailureExpected)
    }

    @Test("is not there where fal does not train, nor for tokens that fal was not given, whatever is sent")
    func unknown() async throws {
        try await TestService.run { service in
            for target in [Self.path, "\(Self.path)?token=", "\(Self.path)?token=\(RandomToken.random().text)"] {
                let answer = try await service.send(.post, target, "{}", key: .none, headers: try Self.signed())
                answer.expect(404, .notFound, "Not found")
            }
            #expect(try await service.send(.get, Self.path, key: .none).status == 405)
        }
        let fal = TestFalAccess()
        try await TestService.run(fal: fal) { service in
            let request = try await Self.sent(service)
            try await service.withoutTrace {
                for token in ["", "x", RandomToken.random().text, request.token.text.uppercased(), request.token.text + "0"] {
                    let (signed, unsigned) = (
                        try await Self.send(service, token, "{}"), try await Self.send(service, token, TestBody(bytes: [0xFF]), [:])
                    )
                    #expect(signed.status == 404 && unsigned.status == 404)
                }
            }
            #expect(fal.verified == 0)
        }
    }

    @Test("is taken in once it is verified, before anything is downloaded, and a second time changes nothing")
    func taken() async throws {
        let fal = TestFalAccess()
        try await TestService.run(fal: fal) { service in
            let request = try await Self.sent(service)
            let report: TestBody = #"{"request_id":"r-1","status":"OK","payload":{"images":[{"url":"https://p.example/1"}]}}"#
            for fields in [try Self.signed("bad"), try Self.signed(nil)] {
                let refused = try await Self.send(service, request.token.text, report, fields)
                refused.expectViolations([("X-Fal-Webhook-Signature", "X-Fal-Webhook-Signature is not good")])
            }
            #expect(try await service.storage.falRequests.request(ofJob: request.jobID)?.state == .submitted)
            try await service.storage.maintenance.set(Maintenance(isOn: true, retryAfterSeconds: 60), in: WriteContext(at: .now))
            for _ in 0..<2 {
                let answer = try await Self.send(service, request.token.text, report)
                answer.expect(200, #"{"message":"Webhook received"}"#)
            }
            let other: TestBody = #"{"request_id":"r-1","status":"ERROR","error":"late","payload":null}"#
            #expect(try await Self.send(service, request.token.text, other).status == 200)
            let stored = try await service.storage.falRequests.request(ofJob: request.jobID)
            #expect(stored?.state == .reported && stored?.outcome == .portrait(url: "https://p.example/1"))
            #expect(service.fetcher.fetched == [])
            #expect(!service.accessLog.lines.contains { $0.contains(request.token.text) })
        }
    }

    @Test(
        "says what came of a request, or that it is to be asked for",
        arguments: [
            (#"{"status":"OK","payload":{"images":[]}}"#, FalOutcome.failed(words: "the result has no portrait")),
            (#"{"status":"ERROR","error":"out of memory","payload":null}"#, .failed(words: "out of memory")),
            (
                #"{"status":"ERROR","error":"x","payload":{"detail":[{"loc":["a"],"msg":"no face"},{"msg":"too dark"},{}]}}"#,
                .rejected(words: "no face; too dark")
            ),
            (#"{"status":"ERROR","error":"x","payload":{"detail":"words"}}"#, .failed(words: "x")),
            (#"{"status":"OK","payload":null,"payload_error":"not JSON","request_id":"r-9"}"#, nil),
            (#"{"status":"OK","request_id":"r-9"}"#, nil), (#"{"status":"OTHER","request_id":"r-9"}"#, nil), ("[]", nil), ("{", nil),
        ] as [(String, FalOutcome?)])
    func reports(body: String, outcome: FalOutcome?) async throws {
        try await TestService.run(fal: TestFalAccess()) { service in
            let request = try await Self.sent(service, accepted: false)
            #expect(try await Self.send(service, request.token.text, TestBody(body)).status == 200)
            let stored = try #require(try await service.storage.falRequests.request(ofJob: request.jobID))
            #expect(stored.outcome == outcome)
            #expect(stored.state == (outcome == nil ? .submitted : .reported))
            // What the body does not name, its headers do.
            #expect(stored.handle?.requestID == (outcome != nil ? nil : body.contains("r-9") ? "r-9" : "r-1"))
        }
    }

    @Test("is bounded, and no one's fault where fal's keys cannot be had")
    func bounds() async throws {
        let fal = TestFalAccess()
        try await TestService.run(fal: fal) { service in
            let request = try await Self.sent(service)
            let long = TestBody(bytes: Array(repeating: 0x20, count: FalRules.bodyBytesMax + 1))
            #expect(try await Self.send(service, request.token.text, long).status == 413)
            var fields = try Self.signed()
            fields[.contentType] = "text/plain"
            #expect(try await Self.send(service, request.token.text, "{}", fields).status == 415)
            fal.publishKeys(false)
            let answer = try await Self.send(service, request.token.text, "{}", isFailureExpected: true)
            answer.expect(503, .serviceUnavailable, "The provider's keys cannot be read at the moment; nothing was changed")
            #expect(answer.headers[.retryAfter] == "2")
            #expect(try await service.storage.falRequests.request(ofJob: request.jobID)?.state == .submitted)
        }
    }

    @Test("has places for so many bodies, which nobody holds who has no token")
    func places() async throws {
        try await TestService.run(.live, fal: TestFalAccess()) { service in
            let port = try #require(service.client.port)
            let request = try await Self.sent(service)
            @Sendable func head(_ token: String) -> String {
                """
                POST \(Self.path)?token=\(token) HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nX-Fal-Webhook-Signature: good\r\n\
                Content-Length: 2\r\nConnection: close\r\n\r\n
                """
            }
            let mayEnd = WakeSignal()
            @Sendable func exchange(_ token: String) async throws -> [Int] {
                let head = head(token)
                return try await rawExchange(.port(port)) { writer in
                    try await writer.write(head)
                    await mayEnd.wait(after: 0, atMost: .seconds(60))
                    try await writer.write("{}")
                }.statuses
            }
            let strangers = (0..<FalRules.webhooksMax).map { _ in Task { try await exchange(RandomToken.random().text) } }
            for stranger in strangers { #expect(try await stranger.value == [404]) }
            #expect(try await Self.send(service, request.token.text, "{}").status == 200)
            let holders = (0..<FalRules.webhooksMax).map { _ in
                Task {
                    // A question below may have the last place just then.
                    var statuses = [503]
                    while statuses == [503] { statuses = try await exchange(request.token.text) }
                    return statuses
                }
            }
            try await eventually("the last place taken") {
                try await Self.send(service, request.token.text, "{}", isFailureExpected: true).status == 503
            }
            mayEnd.notify()
            for holder in holders { #expect(try await holder.value == [200]) }
            #expect(try await Self.send(service, request.token.text, "{}").status == 200)
        }
    }
}
