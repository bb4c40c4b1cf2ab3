import ErrorEnvelope
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasDB
import PersonasMetrics
import TestSupport
import Testing

@testable import PersonasHTTP

/// Reads that wait for their item to change, through the router, where each is a task, and over connections, where most are none.
@Suite("Waiting", .serialized)
struct WaitTests {
    /// How a request comes to wait.
    enum Way: CaseIterable {
        /// As a task, from within the router.
        case router
        /// On the event loop of its connection.
        case eventLoop
        /// As a task, over a connection.
        case connection
    }

    private static func run(
        _ way: Way, waitsMax: Int = 100, inFlightMax: Int = 10, _ test: @escaping @Sendable (TestService) async throws -> Void
    ) async throws {
        var configuration = HTTPConfiguration()
        configuration.answersImmediately = way == .eventLoop
        configuration.waitsMax = waitsMax
        configuration.rateLimits = RateLimitPolicy(inFlightMax: inFlightMax)
        configuration.overLimitWait = .zero
        try await TestService.run(way == .router ? .router : .live, configuration: configuration, test)
    }

    /// How many requests wait at this moment.
    private static func waiting(_ service: TestService) -> Int { service.storage.changes.watchCount }

    /// Sends a request that may wait, over a connection of its own where there are connections: what comes behind it on the same one waits with it.
    private static func ask(
        _ way: Way, _ service: TestService, _ target: String, method: HTTPRequest.Method = .get, key: TestService.Key = .own,
        headers: HTTPFields = [:], isFailureExpected: Bool = false
    ) async throws -> Answer {
        guard way != .router, let port = service.client.port else {
            return try await service.send(method, target, key: key, headers: headers, isFailureExpected: isFailureExpected)
        }
        var secret = service.key
        if case .text(let text) = key { secret = text }
        let lines = (headers.map { "\($0.name.rawName): \($0.value)\r\n" } + ["X-Api-Key: \(secret)\r\n", "Connection: keep-alive\r\n"])
            .joined()
        let request = "\(method.rawValue) \(target) HTTP/1.1\r\nHost: a\r\n\(lines)\r\n"
        let isToHead = method == .head
        let exchange = try await rawExchange(
            .port(port), until: { $0.contains("\r\n\r\n") && (isToHead || $0.contains(" 304 ") || $0.hasSuffix("}")) },
            write: { try await $0.write(request) })
        var answer = exchange.answers.first
        if isToHead {
            let status = try #require(exchange.statuses.first)
            answer = Answer(status: status, headers: [:], bytes: [])
        } else {
            answer?.check(method, isFailureExpected: isFailureExpected, sourceLocation: #_sourceLocation)
        }
        return try #require(answer, "\(exchange.text)")
    }

    private static func metrics(_ service: TestService) -> String { String(decoding: service.registry.text(), as: UTF8.self) }

    /// Waits until so many requests wait.
    private static func awaitWaiting(_ count: Int, _ service: TestService) async throws {
        try await eventually("\(count) requests wait", detail: { "\(waiting(service))" }) { waiting(service) == count }
    }

    @Test("ends when the item is done, on every surface", arguments: Way.allCases, Mount.all)
    func settled(way: Way, mount: Mount) async throws {
        try await Self.run(way) { service in
            let path = mount.item(try await service.create(mount.mode, "Nova"))
            async let answer = Self.ask(way, service, "\(path)?wait=60")
            try await Self.awaitWaiting(1, service)
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            _ = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 50)
            try await service.send(.patch, path, #"{"special_instructions":"Warm"}"#)
            #expect(Self.waiting(service) == 1, "neither progress nor a change is the end of processing")
            try await service.training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
            let found = try await answer
            found.expect(200, mount.completed("Nova", instructions: #""Warm""#))
            #expect(found.headers[.eTag] == service.tag(4))
            try await Self.awaitWaiting(0, service)
        }
    }

    @Test("for anything but what the client knows ends with any change, before or after the end of processing", arguments: Way.allCases)
    func changed(way: Way) async throws {
        try await Self.run(way) { service in
            let path = "/v2/personas/\(try await service.create(.persona, "Nova"))"
            async let progress = Self.ask(way, service, path, headers: [.ifNoneMatch: service.tag(1), .prefer: "wait=60"])
            try await Self.awaitWaiting(1, service)
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            _ = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 50)
            let halfway = try await progress
            #expect(halfway.object?["progress"] as? Int == 50)
            #expect(halfway.headers[.preferenceApplied] == "wait=60")
            try await service.training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
            async let renamed = Self.ask(way, service, "\(path)?wait=60", headers: [.ifNoneMatch: "\"x\", W/\(service.tag(3))"])
            try await Self.awaitWaiting(1, service)
            try await service.send(.patch, path, #"{"name":"Vega"}"#)
            let other = try await renamed
            #expect(other.string("name") == "Vega" && other.headers[.preferenceApplied] == nil)
        }
    }

    @Test("is none where there is nothing to wait for", arguments: Way.allCases)
    func atOnce(way: Way) async throws {
        try await Self.run(way, waitsMax: 1) { service in
            let path = "/v2/styles/\(try await service.createCompleted(.style, "Nova"))"
            for (query, fields) in [
                ("?wait=60", [:]), ("?wait=60", [.ifNoneMatch: "\"other\""]), ("", [.prefer: "wait=60"]),
                ("?wait=60", [.ifNoneMatch: "no tag"]),
            ] as [(String, HTTPFields)] {
                let answer = try await service.send(.get, path + query, headers: fields)
                #expect(answer.status == 200 && answer.headers[.preferenceApplied] == (query.isEmpty ? "wait=60" : nil))
            }
            // A preference that makes no sense is none, and a list waits for nothing.
            #expect(try await service.send(.get, path, headers: [.prefer: "wait=x"]).headers[.preferenceApplied] == nil)
            #expect(try await service.send(.get, "/v2/styles?wait=x", headers: [.prefer: "wait=60"]).status == 200)
        }
    }

    @Test("ends with the time, as things stand", arguments: Way.allCases)
    func deadline(way: Way) async throws {
        try await Self.run(way) { service in
            let path = "/v2/personas/\(try await service.create(.persona, "Nova"))"
            let start = ContinuousClock.now
            async let whole = Self.ask(way, service, "\(path)?wait=1")
            async let known = Self.ask(way, service, path, headers: [.ifNoneMatch: service.tag(1), .prefer: "wait=0"])
            async let head = Self.ask(way, service, "\(path)?wait=1", method: .head)
            let answers = try await (whole, known, head)
            answers.0.expect(200, Mount.all[0].processing("Nova"))
            #expect(answers.1.status == 304 && answers.1.headers[.preferenceApplied] == "wait=1")
            #expect(answers.2.status == 200)
            #expect(start.duration(to: .now) >= .seconds(1))
            try await Self.awaitWaiting(0, service)
        }
    }

    @Test("is refused where the query asks for what there is not", arguments: Way.allCases)
    func refused(way: Way) async throws {
        try await Self.run(way) { service in
            let violation = (field: "wait", message: "wait must be a whole number of seconds from 1 to 60")
            for path in ["/v2/personas", "/v2/pikzonality"] {
                for id in [try await service.create(.persona, "Nova \(path.count)"), Identifier.random().text] {
                    try await service.send(.get, "\(path)/\(id)?wait=61", headers: [.prefer: "wait=5"]).expectViolations([violation])
                }
                #expect(try await service.send(.get, "\(path)/\(Identifier.random().text)?wait=60").status == 404)
            }
            try await service.send(.get, "/v2/personas/x?wait=61").expect(400, .invalidPersona, "The persona id is not a UUID")
        }
    }

    @Test("ends when the item goes, alone or with its account", arguments: Way.allCases)
    func gone(way: Way) async throws {
        try await Self.run(way) { service in
            let path = "/v2/personas/\(try await service.createCompleted(.persona, "Nova"))"
            async let deleted = Self.ask(way, service, "\(path)?wait=60", headers: [.ifNoneMatch: service.tag(2)])
            try await Self.awaitWaiting(1, service)
            try await service.send(.delete, path)
            try await deleted.expect(404, .notFound, "Not found")
            let other = try await service.newKey(account: "other")
            let theirs = "/v2/personas/\(try await service.create(.persona, "Nova", key: other))"
            async let orphan = Self.ask(way, service, "\(theirs)?wait=60", key: other)
            try await Self.awaitWaiting(1, service)
            _ = try await service.administration.perform(DeleteAccount(name: "other"))
            let orphaned = try await orphan
            #expect(try orphaned.envelope.error.code == .apiUserNotFound)
        }
    }

    @Test("tells nothing to a key that has become worthless meanwhile, nor while the service is closed", arguments: Way.allCases)
    func worthless(way: Way) async throws {
        try await Self.run(way) { service in
            let key = try await service.key(scopes: [.read])
            let path = "/v2/personas/\(try await service.create(.persona, "Nova"))"
            async let disabled = Self.ask(way, service, "\(path)?wait=60", key: .text(key.key))
            try await Self.awaitWaiting(1, service)
            _ = try await service.administration.perform(SetKeyState(.disabled, id: key.id.text))
            try await service.train()
            let refused = try await disabled
            #expect(try refused.envelope.error.code == .apiKeyInactive)
            async let closed = Self.ask(way, service, "\(path)?wait=60", headers: [.ifNoneMatch: service.tag(2)], isFailureExpected: true)
            try await Self.awaitWaiting(1, service)
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 7))
            _ = try await service.catalog.delete(try #require(Identifier(String(path.suffix(36)))), mode: nil, accountID: nil)
            let turnedAway = try await closed
            #expect(turnedAway.status == 503 && turnedAway.headers[.retryAfter] == "7")
        }
    }

    @Test("takes no place among the requests of its key, and one among the waits of its account", arguments: Way.allCases)
    func places(way: Way) async throws {
        try await Self.run(way, waitsMax: 8, inFlightMax: 1) { service in
            let path = "/v2/personas/\(try await service.create(.persona, "Nova"))"
            try await withThrowingTaskGroup { group in
                for _ in 0..<4 { group.addTask { try await Self.ask(way, service, "\(path)?wait=60").status } }
                try await Self.awaitWaiting(4, service)
                #expect(Self.metrics(service).contains("personas_http_waits 4"))
                #expect(try await service.send(.get, path).status == 200)
                try await service.send(.patch, path, "{}")
                let refused = try await service.send(.get, "\(path)?wait=60")
                refused.expect(
                    429, .tooManyRequests, "Too many requests wait for a change already; ask without waiting, or try again later")
                #expect(refused.headers[.retryAfter] == "2")
                #expect(Self.metrics(service).contains(#"personas_limits_hit_total{limit="waits"} 1"#))
                // Another account has places of its own.
                let other = try await service.newKey(account: "other")
                let theirs = try await service.create(.persona, "Nova", key: other)
                group.addTask { try await Self.ask(way, service, "/v2/personas/\(theirs)?wait=60", key: other).status }
                try await Self.awaitWaiting(5, service)
                try await service.train()
                for try await status in group { #expect(status == 200) }
            }
            #expect(Self.metrics(service).contains("personas_http_waits 0"))
        }
    }

    @Test("ends for all who wait for one item", arguments: Way.allCases)
    func many(way: Way) async throws {
        let count = 100
        try await Self.run(way, waitsMax: 1_000) { service in
            let path = "/v2/personas/\(try await service.create(.persona, "Nova"))"
            try await withThrowingTaskGroup { group in
                for _ in 0..<count { group.addTask { try await Self.ask(way, service, "\(path)?wait=60").string("status") } }
                try await Self.awaitWaiting(count, service)
                try await service.train()
                for try await status in group { #expect(status == "completed") }
            }
            try await Self.awaitWaiting(0, service)
        }
    }

    @Test("goes on when it is woken in vain, but not for ever", arguments: Way.allCases)
    func inVain(way: Way) async throws {
        try await Self.run(way) { service in
            let path = "/v2/personas/\(try await service.createCompleted(.persona, "Nova"))"
            let future = (2...30).map { service.tag($0) }.joined(separator: ", ")
            async let answer = Self.ask(way, service, "\(path)?wait=60", headers: [.ifNoneMatch: future])
            try await Self.awaitWaiting(1, service)
            try await service.send(.patch, path, #"{"special_instructions":"0"}"#)
            for number in 1...25 where Self.waiting(service) > 0 {
                try await service.send(.patch, path, TestBody(#"{"special_instructions":"\#(number)"}"#))
            }
            let given = try await answer
            #expect(given.status == 304)
        }
    }
}
