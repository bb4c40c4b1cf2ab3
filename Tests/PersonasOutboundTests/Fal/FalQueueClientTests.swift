import Foundation
import Logging
import NIOHTTP1
import Personas
import TestFal
import TestSupport
import Testing

@testable import PersonasOutbound

@Suite("The queue of fal over HTTP", .timeLimit(.minutes(1)))
struct FalQueueClientTests {
    private static let key = "fal-id:fal-secret"

    /// A client of a queue at an address, which is closed afterwards.
    private static func with<Value>(
        _ url: String, model: String = "acme/portrait/fast", _ body: (FalQueueClient) async throws -> Value
    ) async throws -> Value {
        let http = FalHTTP(trust: try OutboundTrust(), logger: Logger(label: "fal") { _ in SwiftLogNoOpLogHandler() })
        let client = FalQueueClient(
            FalQueueClient.Configuration(
                key: key, model: try #require(FalModel(model)), queueURL: try DownloadURL(url, rules: .development), rules: .development,
                portrait: try #require(JSONPointer("/images/0/url"))), http: http)
        do {
            let value = try await body(client)
            await http.close()
            return value
        } catch {
            await http.close()
            throw error
        }
    }

    private static func answer(_ status: String, _ body: String, _ fields: String = "") -> TestServer.Reply {
        .send("HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")
    }

    @Test("A request goes through the queue: sent, asked for, done, and called off")
    func whole() async throws {
        try await FakeFal.run { fal in
            try await Self.with(fal.queueURL) { client in
                let webhook = "https://api.example/v2/training/fal/webhook?token=ab%20c&x=ä"
                guard case .accepted(let handle) = await client.submit(Array("{\"a\":1}".utf8), webhook: webhook) else {
                    Issue.record("not accepted")
                    return
                }
                let request = try #require(fal.requests.first)
                #expect(request.id == handle.requestID && request.path == "/acme/portrait/fast" && request.input == "{\"a\":1}")
                #expect(request.webhookURL == webhook && request.authorization == "Key \(Self.key)")
                #expect(handle == client.handle(of: request.id))
                #expect(await client.standing(of: handle) == .open)
                fal.finish(request.id, .running)
                #expect(await client.standing(of: handle) == .open)
                #expect(await client.cancel(handle))
                fal.finish(request.id, .completed(#"{"images":[{"url":"https://a.example/p.png"}]}"#))
                #expect(await client.standing(of: handle) == .done(.portrait(url: "https://a.example/p.png")))
                fal.finish(request.id, .failed(status: 422, body: #"{"detail":[{"msg":"no face"}]}"#, error: "422"))
                #expect(await client.standing(of: handle) == .done(.rejected(words: "no face")))
                #expect(await client.cancel(handle))
                let unknown = try #require(client.handle(of: "unknown"))
                #expect(await client.standing(of: unknown) == .open)
                #expect(await client.cancel(unknown))
            }
        }
    }

    @Test("The key goes to the origin of the queue alone, wherever an answer points, and redirects lead nowhere")
    func origins() async throws {
        try await TestServer.run(tls: false, reply: { _ in Self.answer("200 OK", #"{"status":"COMPLETED"}"#) }) { other in
            let elsewhere = "http://127.0.0.1:\(other.port)"
            try await TestServer.run(
                tls: false,
                reply: { request in
                    if request.head.hasPrefix("POST") {
                        return Self.answer(
                            "200 OK",
                            """
                            {"request_id":"r-1","status_url":"\(elsewhere)/s","response_url":"http://user@127.0.0.1/r","cancel_url":"\(elsewhere)/c"}
                            """)
                    }
                    return Self.answer("307 Temporary Redirect", "{}", "Location: \(elsewhere)/moved\r\n")
                }
            ) { queue in
                try await Self.with("http://127.0.0.1:\(queue.port)/base/") { client in
                    guard case .accepted(let handle) = await client.submit([], webhook: "w") else {
                        Issue.record("not accepted")
                        return
                    }
                    #expect(handle == client.handle(of: "r-1"))
                    #expect(handle.statusURL == "http://127.0.0.1:\(queue.port)/base/acme/portrait/requests/r-1/status")
                    #expect(await client.standing(of: handle) == .open)
                    #expect(await !client.cancel(handle))
                    let stored = FalHandle(
                        requestID: "r-1", statusURL: "\(elsewhere)/s", responseURL: "\(elsewhere)/r", cancelURL: "\(elsewhere)/c")
                    #expect(await client.standing(of: stored) == .open)
                    #expect(await !client.cancel(stored))
                }
            }
            #expect(other.requests.isEmpty)
        }
    }

    @Test("Ids that could lead elsewhere are none, and models are of the form owner/app")
    func forms() async throws {
        try await Self.with("http://127.0.0.1:1") { client in
            for id in ["", "..", ".", "a/b", "a?b", "a b", "ä", String(repeating: "a", count: 129)] {
                #expect(client.handle(of: id) == nil, "\(id)")
            }
            #expect(client.handle(of: "764cabcf-b745-4b3e-ae38-1200304cf45b") != nil)
        }
        #expect(FalModel("acme/portrait/fast")?.application == "acme/portrait")
        for model in ["acme", "acme/", "/acme/x", "acme//x", "acme/../x", "acme/x?y", "acme/x y", "acme/ä"] {
            #expect(FalModel(model) == nil, "\(model)")
        }
    }

    @Test("What certainly was not sent is told from what may have been")
    func doubts() async throws {
        // A port that nobody listens at.
        let port = try await TestServer.run(tls: false, reply: { _ in .hang }) { $0.port }
        try await Self.with("http://127.0.0.1:\(port)") { client in
            #expect(await client.submit([], webhook: "w") == .notTaken(retryAfterSeconds: nil))
        }
        let replies: [(TestServer.Reply, FalSubmission)] = [
            (.reset, .unknown), (.sendAndClose("HTTP/1.1 2"), .unknown),
            (Self.answer("200 OK", "[]"), .unknown), (Self.answer("200 OK", #"{"request_id":"../.."}"#), .unknown),
            (Self.answer("503 X", "{}"), .unknown),
            (Self.answer("503 X", "{}", "Retry-After: 9\r\n"), .notTaken(retryAfterSeconds: 9)),
            (Self.answer("429 X", "no JSON"), .notTaken(retryAfterSeconds: nil)),
            (Self.answer("422 X", #"{"detail":"too dark"}"#), .refused(.rejected(words: "too dark"))),
            (Self.answer("403 X", #"{"detail":"locked"}"#), .refused(.failed(words: ""))),
            (
                .sendBody(
                    head: "HTTP/1.1 200 OK\r\nContent-Length: \(FalRules.bodyBytesMax + 1)\r\n\r\n",
                    body: [UInt8](repeating: 0x20, count: FalRules.bodyBytesMax + 1)), .unknown
            ),
        ]
        for (reply, expected) in replies {
            try await TestServer.run(tls: false, reply: { _ in reply }) { server in
                try await Self.with("http://127.0.0.1:\(server.port)") { client in
                    #expect(await client.submit([], webhook: "w") == expected)
                }
            }
        }
        // A certificate that nobody trusts.
        try await TestServer.run(reply: { _ in .hang }) { server in
            try await Self.with("https://127.0.0.1:\(server.port)") { client in
                #expect(await client.submit([], webhook: "w") == .notTaken(retryAfterSeconds: nil))
            }
            #expect(server.requests.isEmpty)
        }
    }

    @Test("Each submit has a connection of its own, and questions share theirs")
    func connections() async throws {
        try await TestServer.run(tls: false, reply: { _ in Self.answer("200 OK", #"{"request_id":"r-1","status":"IN_QUEUE"}"#) }) {
            server in
            try await Self.with("http://127.0.0.1:\(server.port)") { client in
                for _ in 0..<3 { _ = await client.submit([], webhook: "w") }
                #expect(server.connectionsAccepted == 3)
                let handle = try #require(client.handle(of: "r-1"))
                for _ in 0..<5 { _ = await client.standing(of: handle) }
                #expect(server.connectionsAccepted == 4)
            }
        }
    }

    @Test("After the end nothing is sent any more")
    func closed() async throws {
        let http = FalHTTP(trust: try OutboundTrust(), logger: Logger(label: "fal") { _ in SwiftLogNoOpLogHandler() })
        await http.close()
        guard case .nothingSent = await http.reply(to: FalHTTP.Call(method: .GET, url: "http://127.0.0.1:1")) else {
            Issue.record("something was sent")
            return
        }
    }
}
