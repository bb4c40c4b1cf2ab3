import Foundation
import Logging
import Personas
import TestSupport
import Testing

@testable import PersonasOutbound

/// What the library says that receivers use: `standardwebhooks` of PyPI.
@Suite("Receivers that use the library of Standard Webhooks", .timeLimit(.minutes(1)))
struct StandardWebhooksTests {
    private struct Message: Encodable {
        let secret: String
        var headers: [String: String]
        var body: Data
    }

    private static let body = Array(#"{"type":"persona.completed","data":{"name":"Mäx 😀"}}"#.utf8)

    /// Sends a message and returns it as it came.
    private static func received(_ secrets: [WebhookSecret], at: Timestamp) async throws -> Message {
        try await TestServer.run(reply: { _ in .sendAndClose("HTTP/1.1 204 No Content\r\n\r\n") }) { server in
            let sender = GuardedWebhookSender(
                configuration: .init(), rules: DownloadURL.Rules(acceptsPlainHTTP: false, acceptsLocalHosts: false, ports: [server.port]),
                policy: AddressPolicy(exempt: [.single(.allowed)]), resolver: StubResolver.ordinary(),
                trust: try OutboundTrust(file: FetcherFixture.authorityFile),
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), clock: WallClock { at })
            let url = "https://img.example.test:\(server.port)/"
            let message = WebhookMessage(id: .random(), accountID: FetcherFixture.account, url: url, secrets: secrets, body: body)
            try #require(await sender.send(message)?.httpStatus == 204)
            let request = try #require(server.requests.first)
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            return Message(
                secret: secrets[0].text, headers: Dictionary(uniqueKeysWithValues: names.map { ($0, request.values(of: $0).joined()) }),
                body: Data(request.body))
        }
    }

    @Test("It takes either secret of an overlap, and neither another body nor another time")
    func library() async throws {
        let (first, second) = (WebhookSecret.random(), WebhookSecret.random())
        let one = try await Self.received([first], at: .now)
        let two = try await Self.received([second, first], at: .now)
        var changed = one
        changed.body[changed.body.count - 1] ^= 1
        var moved = one
        moved.headers["webhook-id"] = Identifier.random().text
        let early = try await Self.received([first], at: .now.adding(seconds: -302))
        let late = try await Self.received([first], at: .now.adding(seconds: 320))
        let verdicts = try Self.judge([
            one, two, Message(secret: first.text, headers: two.headers, body: two.body),
            Message(secret: second.text, headers: one.headers, body: one.body), changed, moved, early, late,
        ])
        let unsigned = "No matching signature found"
        #expect(
            verdicts == [
                "taken", "taken", "taken", unsigned, unsigned, unsigned, "Message timestamp too old", "Message timestamp too new",
            ])
    }

    private static func judge(_ messages: [Message]) throws -> [String] {
        try withTemporaryFolder("webhooks") { folder in
            let file = "\(folder)/messages.json"
            try JSONEncoder().encode(messages).write(to: URL(fileURLWithPath: file))
            let output = try Program.output(try TestTools.path(of: "python"), ["\(TestTools.tests)/Contract/webhooks.py", file])
            return try JSONDecoder().decode([String].self, from: Data(output.utf8))
        }
    }
}
