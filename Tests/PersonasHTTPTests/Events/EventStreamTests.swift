import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasDB
import PersonasMetrics
import TestImages
import TestSupport
import Testing

@testable import PersonasHTTP

/// Streams of events over connections: on the event loop, where they are no tasks, and in Hummingbird's tasks.
@Suite("Streams of events", .serialized)
struct EventStreamTests {
    enum Way: CaseIterable {
        case eventLoop
        case task
        /// As a task, on a connection that ends with it.
        case closing
        /// The same to a client of HTTP/1.0.
        case old
    }

    private static func run(
        _ way: Way, _ change: (inout HTTPConfiguration) -> Void = { _ in },
        _ test: @escaping @Sendable (TestService) async throws -> Void
    ) async throws {
        var configuration = HTTPConfiguration()
        configuration.answersImmediately = way == .eventLoop
        configuration.overLimitWait = .zero
        configuration.streams.pingInterval = .seconds(600)
        change(&configuration)
        try await TestService.run(.live, configuration: configuration, test)
    }

    private static func open(
        _ way: Way, _ service: TestService, _ target: String = "/v2/events", key: String? = nil, fields: [String] = [],
        receiveBufferBytes: Int? = nil
    ) throws -> EventStreamClient {
        try EventStreamClient(
            port: try #require(service.client.port), target, key: key ?? service.key,
            fields: fields + (way == .closing ? ["Connection: close"] : []), version: way == .old ? "1.0" : "1.1",
            receiveBufferBytes: receiveBufferBytes)
    }

    private static func opened(
        _ way: Way, _ service: TestService, _ target: String = "/v2/events", key: String? = nil, fields: [String] = []
    ) async throws -> EventStreamClient {
        let client = try open(way, service, target, key: key, fields: fields)
        try await client.until("the beginning of a stream") { $0.body.text.hasPrefix("retry: 3000\n\n") }
        return client
    }

    private static func cursor(_ sequence: Int, _ service: TestService) -> String {
        EventCursor(sequence: Int64(sequence), epoch: service.storage.epoch.epoch).description
    }

    private static func openCount(_ service: TestService) -> Int { service.storage.feed.bellCount }

    @Test("begin with where they begin, and tell what comes in the words of the list", arguments: Way.allCases)
    func live(way: Way) async throws {
        try await Self.run(way) { service in
            _ = try await service.createCompleted(.persona, "Before")
            let client = try await Self.opened(way, service)
            try await client.until("the first event") { $0.frames.count == 2 }
            #expect(client.frames[1] == "id: \(Self.cursor(2, service))\nevent: ready\ndata: {}")
            let head = try #require(client.head).lowercased()
            for line in [
                way == .old ? "http/1.0 200 ok" : "http/1.1 200 ok", "content-type: text/event-stream", "cache-control: no-store",
                "x-accel-buffering: no", "vary: accept", "vary: origin", "x-content-type-options: nosniff", "ratelimit:", "x-request-id:",
            ] { #expect(head.contains(line), "\(line): \(head)") }
            #expect(!head.contains("content-length") && head.contains("transfer-encoding: chunked") == (way != .old))
            #expect(head.contains("connection: close") == (way == .closing || way == .old))
            let id = try await service.createCompleted(.persona, "Nova")
            try await service.send(.delete, "/v2/personas/\(id)")
            try await client.until("all events") { $0.types.contains("persona.deleted") }
            #expect(client.types == ["ready", "persona.created", "persona.completed", "persona.deleted"])
            #expect(client.ids == [2, 3, 4, 5].map { Self.cursor($0, service) })
            let last = try #require(client.frames.last?.components(separatedBy: "\n").last)
            let list = try await service.send(.get, "/v2/events?after=\(Self.cursor(4, service))")
            #expect(
                list.text == #"{"data":[\#(last.dropFirst(6))],"has_more":false,"next_cursor":"\#(Self.cursor(5, service))","gap":false}"#)
            #expect(Self.openCount(service) == 1)
        }
    }

    @Test("go on behind the last event that was received, which counts more than the address", arguments: Way.allCases)
    func replay(way: Way) async throws {
        try await Self.run(way) { service in
            try await service.catalogEvents(0..<250)
            for (target, fields, first) in [
                ("/v2/events?after=\(Self.cursor(0, service))", [], 1), ("/v2/events?after=\(Self.cursor(249, service))", [], 250),
                ("/v2/events?after=\(Self.cursor(3, service))", ["Last-Event-ID: \(Self.cursor(120, service))"], 121),
                ("/v2/events", ["Last-Event-ID: \(Self.cursor(1, service))"], 2),
            ] {
                let client = try await Self.opened(way, service, target, fields: fields)
                try await client.until("the last event") { $0.ids.last == Self.cursor(250, service) }
                #expect(client.ids == (first...250).map { Self.cursor($0, service) }, "without gap or repeat")
            }
        }
    }

    @Test("say that events are missing, and go on with what comes", arguments: Way.allCases)
    func resync(way: Way) async throws {
        try await Self.run(way) { service in
            try await service.catalogEvents(0..<3)
            _ = try await service.storage.events.clear(progressBefore: .now, before: Timestamp.now.adding(seconds: 1), limit: 2)
            let other = EventCursor(sequence: 1, epoch: .random()).description
            for (after, reason) in [(Self.cursor(1, service), "expired"), (other, "restored"), (Self.cursor(4, service), "restored")] {
                let client = try await Self.opened(way, service, "/v2/events?after=\(after)")
                try await client.until("the notice") { $0.frames.count == 2 }
                #expect(client.frames[1] == "id: \(Self.cursor(3, service))\nevent: resync\ndata: {\"reason\":\"\(reason)\"}")
            }
            let client = try await Self.opened(way, service, "/v2/events?after=\(other)")
            try await service.catalogEvents(3..<4)
            try await client.until("the next event") { $0.ids.last == Self.cursor(4, service) }
        }
    }

    @Test("tell only what is asked for", arguments: Way.allCases)
    func filters(way: Way) async throws {
        try await Self.run(way) { service in
            let id = try await service.create(.persona, "Nova")
            let typed = try await Self.opened(way, service, "/v2/events?type=style.*,persona.completed")
            let item = try await Self.opened(way, service, "/v2/personas/\(id)/events?after=\(Self.cursor(0, service))")
            try await service.create(.style, "Nova")
            try await service.train()
            try await typed.until("the styles") { $0.types.count == 4 }
            try await item.until("the item") { $0.types.count == 2 }
            #expect(Set(typed.types) == ["ready", "style.created", "persona.completed", "style.completed"])
            #expect(item.types == ["persona.created", "persona.completed"])
        }
    }

    @Test("of an item end when nothing is to come, and who comes back is told to stay away", arguments: Way.allCases)
    func settled(way: Way) async throws {
        try await Self.run(way) { service in
            let id = try await service.create(.persona, "Nova")
            let target = "/v2/personas/\(id)/events?until=settled"
            let client = try await Self.opened(way, service, target)
            let filtered = try await Self.opened(way, service, target + "&type=persona.failed")
            try await service.send(.patch, "/v2/personas/\(id)", #"{"name":"Vega"}"#)
            try await service.create(.style, "Other")
            try await service.train()
            for stream in [client, filtered] { try await stream.end() }
            #expect(client.types == ["ready", "persona.updated", "persona.completed", "end"])
            #expect(filtered.types == ["ready", "end"])
            let again = try Self.open(way, service, target, fields: ["Last-Event-ID: \(try #require(client.ids.last))"])
            try await again.until("the answer") { $0.head != nil }
            #expect(again.head?.dropFirst(8).hasPrefix(" 204 No Content") == true && !again.text.lowercased().contains("content-length"))
            // One that has not read all, or nothing, is told.
            let behind = try await Self.opened(way, service, target, fields: ["Last-Event-ID: \(Self.cursor(1, service))"])
            let fresh = try await Self.opened(way, service, "/v2/events?item=\(id)&until=settled")
            for stream in [behind, fresh] { try await stream.end() }
            #expect(behind.types == ["persona.updated", "persona.completed", "end"] && fresh.types == ["ready", "end"])
            try await eventually("nobody follows") { Self.openCount(service) == 0 }
        }
    }

    @Test("live on without events, and end in good time", arguments: Way.allCases)
    func heartbeat(way: Way) async throws {
        try await Self.run(way) {
            $0.streams.pingInterval = .milliseconds(30)
            $0.streams.lifetime = .milliseconds(600)
        } _: { service in
            let start = ContinuousClock.now
            let client = try await Self.opened(way, service)
            try await client.until("some pings") { $0.frames.filter { $0 == ": ping" }.count >= 3 }
            try await client.end()
            #expect(start.duration(to: .now) >= .milliseconds(540))
            #expect(Set(client.frames.dropFirst(2)) == [": ping"])
            try await eventually("the line of the log") { service.accessLog.entries.last?.route == "/v2/events" }
            let entry = try #require(service.accessLog.entries.last)
            #expect(entry.status == 200 && entry.bytesOut == client.body.text.utf8.count && entry.duration >= .milliseconds(500))
        }
    }

    @Test("end with the right to be told", arguments: Way.allCases)
    func rights(way: Way) async throws {
        try await Self.run(way) { service in
            let administration = service.administration
            func expectEnd(_ what: String, key: String, _ act: () async throws -> Void) async throws {
                let client = try await Self.opened(way, service, key: key)
                try await act()
                try await client.until(what, within: .seconds(5) * timeoutFactor) { $0.body.isWhole }
            }
            let disabled = try await service.key(scopes: [.read])
            try await expectEnd("disabled", key: disabled.key) {
                _ = try await administration.perform(SetKeyState(.disabled, id: disabled.id.text))
            }
            let account = try await administration.newKey(account: "other")
            let bystander = try await Self.opened(way, service)
            try await expectEnd("suspended", key: account) {
                _ = try await administration.perform(SetSuspended(true, accountName: "other"))
            }
            _ = try await administration.perform(SetSuspended(false, accountName: "other"))
            try await expectEnd("deleted", key: account) { _ = try await administration.perform(DeleteAccount(name: "other")) }
            let rotated = try await service.key(scopes: [.read])
            try await expectEnd("rotated", key: rotated.key) {
                _ = try await administration.rotateKey(PrepareRotation(id: rotated.id.text, overlapHours: 0))
            }
            let ending = try await administration.issueKey(
                PrepareKey(accountName: "studio", label: nil, scopes: [.read], expiresAt: Timestamp.now.adding(seconds: 2)))
            try await expectEnd("expired", key: ending.key) {}
            #expect(!bystander.body.isWhole)
            try await expectEnd("maintenance", key: service.key) {
                _ = try await administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 7))
            }
            try await bystander.end()
        }
    }

    @Test("are so many of an account, and so many in all", arguments: Way.allCases)
    func limits(way: Way) async throws {
        try await Self.run(way) {
            $0.streams.perAccountMax = 2
            $0.streams.allMax = 3
            $0.rateLimits = RateLimitPolicy(inFlightMax: 1)
        } _: { service in
            func refused(key: String? = nil) async throws {
                let client = try Self.open(way, service, key: key)
                try await client.until("the refusal") { $0.text.contains("request_id") }
                #expect(client.text.contains(" 429 ") && client.text.contains("TOO_MANY_REQUESTS"), "\(client.text)")
                #expect(client.text.lowercased().contains("\r\nretry-after: "))
            }
            var first: EventStreamClient? = try await Self.opened(way, service)
            let second = try await Self.opened(way, service)
            try await refused()
            let other = try await service.administration.newKey(account: "other")
            let third = try await Self.opened(way, service, key: other)
            try await refused(key: other)
            // Streams are no requests that run.
            #expect(try await service.send(.get, "/v2/personas").status == 200)
            _ = first?.text
            first = nil
            try await eventually("a place") { Self.openCount(service) == 2 }
            let fourth = try await Self.opened(way, service, key: other)
            let text = String(decoding: service.registry.text(), as: UTF8.self)
            #expect(text.contains("\npersonas_http_event_streams 3\n") && text.contains("personas_limits_hit_total{limit=\"streams\"} 2\n"))
            for stream in [second, third, fourth] { #expect(!stream.body.isWhole) }
        }
    }

    @Test("give way to another request on their connection, and to the end of what the client sends", arguments: [Way.eventLoop, .task])
    func company(way: Way) async throws {
        try await Self.run(way) { service in
            let client = try await Self.opened(way, service)
            client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            try await client.until("the second answer") { $0.text.contains(#"{"status":"ok"}"#) }
            #expect(client.body.isWhole && !client.isClosed)
            let both = try EventStreamClient(
                port: try #require(service.client.port), "/v2/events", key: service.key,
                fields: ["X-A: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a"])
            try await both.until("both answers") { $0.text.contains(#"{"status":"ok"}"#) && $0.body.isWhole }
            try await eventually("nobody follows") { Self.openCount(service) == 0 }
        }
    }

    @Test("wait for slow readers, who lose nothing, and cut off those that read nothing at all", arguments: [Way.eventLoop, .task])
    func slow(way: Way) async throws {
        try await Self.run(way) {
            $0.limits.writeStallTimeout = .seconds(1)
        } _: { service in
            try await service.catalogEvents(0..<600, label: String(repeating: "x", count: 400))
            let target = "/v2/events?after=\(Self.cursor(0, service))"
            let slow = try Self.open(way, service, target, receiveBufferBytes: 4_096)
            let still = try Self.open(way, service, target, receiveBufferBytes: 4_096)
            try await eventually("both are open") { Self.openCount(service) == 2 }
            try await slow.until("all events") { $0.ids.last == Self.cursor(600, service) }
            #expect(slow.ids.count == 600)
            try await eventually("the other is cut off") { Self.openCount(service) == 1 }
            #expect(!still.body.isWhole && still.ids.count < 600)
        }
    }

    @Test("of many who follow tell each what it has not been told, whoever writes meanwhile", arguments: [Way.eventLoop, .task])
    func crowd(way: Way) async throws {
        try await Self.run(way) {
            $0.streams.perAccountMax = 100
        } _: { service in
            var clients: [EventStreamClient] = []
            for _ in 0..<40 { clients.append(try await Self.opened(way, service)) }
            try await service.catalogEvents(0..<120)
            for client in clients {
                try await client.until("all events") { $0.ids.last == Self.cursor(120, service) }
                #expect(client.ids == (0...120).map { Self.cursor($0, service) })
            }
            let text = String(decoding: service.registry.text(), as: UTF8.self)
            #expect(text.contains("\npersonas_http_events_sent_total \(40 * 120)\n"))
            #expect(!text.contains("\npersonas_http_event_lag_seconds_count 0\n"))
        }
    }
}

extension TestService {
    /// Makes something become of items: each is created, of images that nobody looks at.
    fileprivate func catalogEvents(_ numbers: Range<Int>, label: String = "x") async throws {
        let account = try await storage.accounts.account(named: "studio")
        var images: [StoredImage] = []
        for seed in 1...3 {
            let image = try ImageSanitizer.sanitize(Picture.png(seed: seed))
            images.append(try await storage.images.pin(image, digest: [UInt8](repeating: UInt8(seed), count: 32)))
        }
        for number in numbers {
            let details = PikzonalityDetails(
                name: Name(stored: "Item \(number)"), specialInstructions: nil, externalID: nil,
                metadata: Metadata([MetadataMember(key: "k", value: label)]))
            let item = NewPikzonality(
                id: .random(), accountID: account.id, mode: .persona, details: details, references: images, outcome: .completed)
            _ = try await storage.pikzonalities.insert(item, costing: nil, in: WriteContext(at: .now))
        }
        await storage.images.unpin(images)
    }
}
