import Foundation
import TestSupport
import Testing

/// Streams of events of the built program: over its death, a restore, its end, and the ends of keys.
@Suite("Followers of events", .timeLimit(.minutes(5)))
struct EventStreamEndToEndTests {
    private static func follow(
        _ service: RunningService, _ key: Key, _ target: String = "/v2/events", from id: String? = nil
    ) async throws -> EventStreamClient {
        let client = try EventStreamClient(
            port: service.port, target, key: key.secret, fields: id.map { ["Last-Event-ID: \($0)"] } ?? [])
        try await client.until("the beginning of a stream") { $0.body.text.hasPrefix("retry: 3000\n\n") }
        return client
    }

    private static func sequences(_ client: EventStreamClient) -> [Int] { client.ids.compactMap { Int($0.prefix { $0 != "." }) } }

    @Test("miss nothing and are told nothing twice, however often the server is killed", arguments: [true, false])
    func kills(immediately: Bool) async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            var (seen, last): ([Int], String?) = ([], nil)
            var created = 0
            for round in 0..<4 {
                let service = try await stage.serve(immediately ? "--immediate-reads" : "--no-immediate-reads", "--trainer", "worker")
                let client = try await Self.follow(service, key, last == nil ? "/v2/events?after=0.00000000" : "/v2/events", from: last)
                if last == nil { try await client.until("the first place") { $0.types == ["resync"] } }
                for number in 0..<5 {
                    let answer = try await service.client(key).create(name: "Item \(round) \(number)")
                    #expect(answer.status == 201)
                    created += 1
                    // The last ones of a round are for who comes back.
                    if number == 2 { try await client.until("what is there") { Self.sequences($0).contains(created) } }
                }
                try await service.process.kill()
                try await client.until("the end of the connection") { $0.isClosed }
                seen += Self.sequences(client).filter { $0 > 0 }
                last = client.ids.last
            }
            let service = try await stage.serve()
            let client = try await Self.follow(service, key, from: last)
            try await client.until("the last of the items") { (seen + Self.sequences($0)).contains(created) }
            seen += Self.sequences(client)
            #expect(Array(seen.prefix(created)) == Array(1...created))
        }
    }

    @Test("are told that a backup was restored, even where they are ahead of it", .enabled(if: !SharedDatabase.isWanted))
    func restored() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            var service = try await stage.serve("--trainer", "worker")
            _ = try await service.client(key).create(name: "Kept")
            #expect(try await stage.command("backup", "kept").exit == .status(0))
            let client = try await Self.follow(service, key)
            for number in 0..<3 { _ = try await service.client(key).create(name: "Lost \(number)") }
            try await client.until("what is lost soon") { $0.types.count == 4 }
            let last = try #require(client.ids.last)
            _ = try await service.stop()
            #expect(client.body.isWhole, "a server that stops ends its streams properly")
            try FileManager.default.removeItem(atPath: stage.data)
            #expect(try await stage.command("restore", "kept").exit == .status(0))
            service = try await stage.serve("--trainer", "worker")
            let back = try await Self.follow(service, key, from: last)
            try await back.until("the notice") { $0.types == ["resync"] }
            // Numbers that were given after the backup are given to nothing else.
            let passed = 1 << 32
            #expect(back.body.text.contains(#"data: {"reason":"restored"}"#) && Self.sequences(back) == [passed + 1])
            let list = try await service.client(key).get("/v2/events?after=\(last)")
            #expect(list.json["gap"] == .boolean(true) && list.json["next_cursor"]?.string == back.ids.last)
            _ = try await service.client(key).create(name: "Next")
            try await back.until("the next event") { Self.sequences($0) == [passed + 1, passed + 2] }
        }
    }

    @Test("end within a second when an operator says so, and first of all when the server is told to stop", arguments: [true, false])
    func ends(immediately: Bool) async throws {
        try await Stage.run { stage in
            let (key, other) = (try await stage.key(), try await stage.key())
            let service = try await stage.serve(
                immediately ? "--immediate-reads" : "--no-immediate-reads", "--drain-seconds", "600", "--streams-per-account-max", "20")
            let (client, disabled) = (try await Self.follow(service, key), try await Self.follow(service, other))
            #expect(try await stage.command("keys", "disable", other.id).exit == .status(0))
            try await disabled.end(within: .seconds(1) * timeoutFactor)
            #expect(!client.body.isWhole)
            #expect(try await stage.command("maintenance", "on").exit == .status(0))
            try await client.end(within: .seconds(1) * timeoutFactor)
            try await stage.maintenance("off", of: service.client(key))
            var clients: [EventStreamClient] = []
            for _ in 0..<12 { clients.append(try await Self.follow(service, key)) }
            service.process.signal(SIGTERM)
            for client in clients { try await client.end() }
            // Who comes back before the socket closes is served until it does.
            let late = try await Self.follow(service, key)
            #expect(!late.body.isWhole && service.process.exit == nil)
            service.process.signal(SIGKILL)
        }
    }

    @Test("hear from the server within twelve seconds, and it counts them")
    func heartbeat() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            let service = try await stage.serve()
            let client = try await Self.follow(service, key)
            #expect(try await service.client().get("/metrics").text.contains("\npersonas_http_event_streams 1\n"))
            try await client.until("a sign of life", within: .seconds(13) * timeoutFactor) { $0.frames.last == ": ping" }
        }
    }
}
