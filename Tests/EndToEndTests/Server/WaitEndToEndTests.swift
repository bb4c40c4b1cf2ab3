import Foundation
import TestSupport
import Testing

/// Requests that wait, beside the real server: its end, and theirs.
@Suite("Waiting clients", .serialized)
struct WaitEndToEndTests {
    private static let clients = 24

    /// The reads that wait, as the server counts them.
    private static func waiting(_ client: Client) async throws -> Int? {
        let text = try await client.get("/metrics").text
        return text.firstMatch(of: /\npersonas_http_waits (\d+)/).flatMap { Int($0.output.1) }
    }

    /// Runs a test with clients that wait for an item which no worker trains.
    private static func run(
        immediately: Bool, _ test: @Sendable (RunningService, Shared<[Socket]>, Client) async throws -> Void
    ) async throws {
        try await Stage.run { stage in
            let service = try await stage.serve(immediately ? "--immediate-reads" : "--no-immediate-reads", "--trainer", "worker")
            let client = service.client(try await stage.key(account: "studio"))
            let id = try await client.create(name: "Nova").id
            let key = try #require(client.key)
            // In one place alone, so that whoever takes one out closes it.
            let sockets = Shared<[Socket]>([])
            for _ in 0..<clients {
                let socket = try Socket(.port(service.port))
                socket.send("GET /v2/personas/\(id)?wait=60 HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(key)\r\n\r\n")
                sockets.withLock { $0.append(socket) }
            }
            try await eventually("all clients wait") { try await waiting(client) == clients }
            try await test(service, sockets, client)
        }
    }

    /// What a server has sent until it closed.
    private static func received(_ socket: Socket) async throws -> String {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let deadline = ContinuousClock.now + timeout
        while ContinuousClock.now < deadline {
            switch socket.receive(into: &buffer, atMost: buffer.count) {
            case .bytes(let count): text += String(decoding: buffer[..<count], as: UTF8.self)
            case .nothing: try await Task.sleep(for: .milliseconds(2))
            case .closed: return text
            }
        }
        throw Overdue("the end of a connection", after: timeout, detail: text)
    }

    @Test("get an answer, whole and as things stand, when the server stops; none is cut off", arguments: [true, false])
    func restart(immediately: Bool) async throws {
        try await Self.run(immediately: immediately) { service, sockets, _ in
            let start = ContinuousClock.now
            service.process.signal(SIGTERM)
            for socket in sockets.value {
                let text = try await Self.received(socket)
                #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(text)")
                #expect(text.lowercased().contains("\r\nconnection: close\r\n") && text.contains(#""status":"processing""#))
            }
            #expect(try await service.process.exit(within: timeout) == .status(0))
            #expect(start.duration(to: .now) < .seconds(50), "long before the waits would have ended by themselves")
        }
    }

    @Test("that go away are forgotten, whether they close or only send no more", arguments: [true, false])
    func disconnect(immediately: Bool) async throws {
        try await Self.run(immediately: immediately) { service, sockets, client in
            let third = Self.clients / 3
            // What nothing refers to any more is closed.
            sockets.withLock { $0.removeFirst(third) }
            try await eventually("those who close are forgotten") { try await Self.waiting(client) == Self.clients - third }
            for socket in sockets.value.prefix(third) { socket.endOutput() }
            for socket in sockets.value.prefix(third) {
                let text = try await Self.received(socket)
                #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"), "it may still be there to hear how things stand")
            }
            try await eventually("those who send no more are forgotten") { try await Self.waiting(client) == Self.clients - 2 * third }
            #expect(try await service.stop() == .status(0))
        }
    }
}
