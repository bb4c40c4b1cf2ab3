import ErrorEnvelopeHummingbird
import Foundation
import GRDB
import HTTPTypes
import HummingbirdTesting
import NIOHTTP1
import Personas
import PersonasDB
import PersonasMetrics
import TestImages
import TestSupport
import Testing

@testable import PersonasCLI
@testable import PersonasHTTP

/// What must hold of reads on the event loop whoever asks, beside that they are those of the router.
@Suite("Reads on the event loop", .serialized)
struct ImmediateReadsTests {
    private static func configuration(_ policy: RateLimitPolicy) -> HTTPConfiguration {
        var configuration = HTTPConfiguration()
        configuration.rateLimits = policy
        configuration.overLimitWait = .zero
        return configuration
    }

    private static func get(_ target: String, key: String, method: String = "GET", _ fields: String = "") -> WireRequest {
        WireRequest(
            method: method, bytes: Array("\(method) \(target) HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(key)\r\n\(fields)\r\n".utf8))
    }

    /// The statuses of answers to requests that are sent one after another over one connection.
    private static func statuses(_ service: TestService, _ requests: [WireRequest]) async throws -> [Int] {
        let port = try #require(service.client.port)
        return try await onThread {
            let client = WireClient(port: port)
            return try requests.map { Int(try client.exchange([$0])[0].dropFirst(9).prefix(3)) ?? 0 }
        }
    }

    private static func immediateCount(_ service: TestService) -> Int {
        let text = String(decoding: service.registry.text(), as: UTF8.self)
        return text.firstMatch(of: /\npersonas_http_immediate_answers_total (\d+)/).flatMap { Int($0.1) } ?? -1
    }

    @Test("see at once what an operator did to a key or its account, on a connection that goes on")
    func changedBetween() async throws {
        try await TestService.run(.live) { service in
            let key = try await service.key(scopes: [.read])
            let port = try #require(service.client.port)
            // Only one thread at a time has it.
            nonisolated(unsafe) let client = WireClient(port: port)
            func status() async throws -> String {
                let request = Self.get("/v2/personas", key: key.key)
                return try await onThread { String(try client.exchange([request])[0].prefix(12).suffix(3)) }
            }
            func perform(_ operation: some AdministrationOperation) async throws { _ = try await service.administration.perform(operation) }
            #expect(try await status() == "200")
            try await perform(SetKeyState(.disabled, id: key.id.text))
            #expect(try await status() == "401")
            try await perform(SetKeyState(.active, id: key.id.text))
            #expect(try await status() == "200")
            try await perform(SetSuspended(true, accountName: "studio"))
            #expect(try await status() == "403")
            try await perform(SetSuspended(false, accountName: "studio"))
            try await perform(SetAPIAccess(false, accountName: "studio"))
            #expect(try await status() == "403")
            try await perform(SetAPIAccess(true, accountName: "studio"))
            try await perform(SetMaintenance(isOn: true, retryAfterSeconds: nil))
            #expect(try await status() == "503")
            try await perform(SetMaintenance(isOn: false, retryAfterSeconds: nil))
            #expect(try await status() == "200")
            try await perform(SetKeyState(.deleted, id: key.id.text))
            #expect(try await status() == "401")
            #expect(Self.immediateCount(service) == 8 || !TestPlace.isSQLite)
        }
    }

    @Test("and those of Hummingbird count with one limit, each once, and what is too much is refused")
    func limit() async throws {
        let policy = RateLimitPolicy(readsPerSecond: 1)
        try await TestService.run(.live, configuration: Self.configuration(policy)) { service in
            let id = try await service.create(.persona, "Nova")
            // Time brings a further one in every second.
            try await eventually("all within a second") {
                let key = try await service.key(scopes: [.read]).key
                let watch = Stopwatch()
                let statuses = try await Self.statuses(
                    service,
                    [
                        Self.get("/v2/personas", key: key), Self.get("/v2/personas?q=x", key: key),
                        Self.get("/v2/personas/\(id)", key: key, method: "HEAD"), Self.get("/v2/personas/\(UUID())", key: key),
                        Self.get("/v2/personas/%\(id)", key: key), Self.get("/v2/personas?limit=0", key: key),
                        Self.get("/nowhere", key: key), Self.get("/v2/training/lease", key: key),
                        Self.get("/v2/personas", key: key, "Content-Length: 0\r\n"), Self.get("/v2/personas/\(id)", key: key),
                        Self.get("/v2/personas/\(id)", key: key), Self.get("/v2/personas?q=x", key: key),
                    ])
                guard watch.seconds < 0.9 else { return false }
                #expect(statuses == [200, 200, 200, 404, 400, 400, 404, 405, 200, 200, 429, 429])
                return true
            }
        }
    }

    @Test("have their turn behind what runs already, where a key may have so many at once")
    func inFlight() async throws {
        try await TestService.run(.live, configuration: Self.configuration(RateLimitPolicy(inFlightMax: 1))) { service in
            for index in 1...3 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
            service.fetcher.answerOnlyCrowd(of: 4)
            async let running = service.send(
                .post, "/v2/personas", #"{"name":"Nova","image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#)
            try await eventually("the images are asked for") { service.fetcher.fetched.count == 3 }
            let other = try await service.administration.newKey(account: "other")
            let read = Self.get("/v2/personas", key: service.key)
            #expect(try await Self.statuses(service, [read, Self.get("/v2/personas", key: other), read]) == [429, 200, 429])
            _ = try? await service.fetcher.fetch("https://a.test/4", before: .now + .seconds(10))
            #expect(try await running.status == 201)
            #expect(try await Self.statuses(service, [read, read]) == [200, 200])
        }
    }

    @Test(
        "that fail for a reason which only the log may know are logged once, counted once, and answered as ever",
        .enabled(if: TestPlace.isSQLite))
    func damagedRow() async throws {
        try await TestService.run(.live, configuration: Self.configuration(RateLimitPolicy(readsPerSecond: 1))) { service in
            let id = try await service.create(.persona, "Nova")
            let database = try DatabaseQueue(path: service.directory + "/personas.sqlite")
            try await database.write { db in
                try db.execute(sql: "PRAGMA ignore_check_constraints = ON; UPDATE pikzonality SET status = 'x'")
            }
            try await eventually("all within a second") {
                let key = try await service.key(scopes: [.read]).key
                let before = (service.log.lines.count, service.accessLog.entries.count, Self.immediateCount(service))
                let watch = Stopwatch()
                let broken = [
                    Self.get("/v2/personas/\(id)", key: key), Self.get("/v2/personas", key: key),
                    Self.get("/v2/personas/\(id)", key: key, method: "HEAD"),
                ]
                let well = Self.get("/v2/styles", key: key)
                let statuses = try await Self.statuses(service, broken + Array(repeating: well, count: 8))
                guard watch.seconds < 0.9 else { return false }
                #expect(statuses == [500, 500, 500] + Array(repeating: 200, count: 7) + [429])
                let lines = service.log.lines[before.0...]
                #expect(lines.count { $0.message == "Request failed" } == 3)
                #expect(service.accessLog.entries.count - before.1 == 11)
                #expect(Self.immediateCount(service) - before.2 == 7)
                return true
            }
        }
    }

    @Test("say to HEAD what they say to GET, length included, and nothing behind it")
    func head() async throws {
        try await TestService.run(.live) { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let port = try #require(service.client.port)
            for target in ["/v2/personas/\(id)", "/v2/personas", "/v2/personas/x", "/nowhere", "/healthz", "/v2/training/lease"] {
                let exchange = try await rawExchange(.port(port), until: { $0.contains("limit=7") || $0.hasSuffix("}") }) { writer in
                    let head = "HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(service.key)\r\n\r\n"
                    try await writer.write("HEAD \(target) \(head)GET \(target) \(head)")
                }
                let heads = exchange.text.split(separator: "\r\n\r\n", omittingEmptySubsequences: false)
                #expect(heads.count == 3 && heads[1].hasPrefix("HTTP/1.1 "), "\(exchange.text)")
                let lengths = exchange.text.matches(of: /Content-Length: (\d+)/).compactMap { Int($0.1) }
                #expect(lengths.count == 2 && lengths[0] == lengths[1] && lengths[1] == exchange.body.utf8.count, "\(exchange.text)")
            }
        }
    }

    @Test("are given for every plain read, and for none that has to wait for anything", .enabled(if: TestPlace.isSQLite))
    func chosen() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let link = try #require(try await service.send(.get, "/v2/personas/\(id)").string("portrait_url"))
            let media = String(link.dropFirst(TestService.baseURL.count))
            let tag = try #require(try await service.send(.get, media).headers[.eTag])
            let cursor = try await service.send(.get, "/v2/personas?limit=1").string("next_cursor") ?? "none"
            let http = HTTPService(
                configuration: HTTPConfiguration(), useCases: service.useCases, publicURL: PublicURL(), logger: LogRecorder().logger,
                accessLog: AccessLogRecorder(),
                metrics: MetricsSource(registry: MetricsRegistry(), storage: service.storage))
            let immediate = http.ways().immediate
            func status(_ target: String, key: String? = service.key, _ fields: HTTPHeaders = [:]) -> Int? {
                var headers: HTTPHeaders = ["Host": "a"]
                if let key { headers.add(name: "X-Api-Key", value: key) }
                headers.add(contentsOf: fields)
                let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target, headers: headers)
                return immediate.answer(head, on: immediate.connection(from: nil))?.head.status.code
            }
            for (target, expected) in [
                ("/v2/personas/\(id)", 200), ("/v2/pikzonality/\(id)", 200), ("/v2/styles/\(id)", 404), ("/v2/personas", 200),
                ("/v2/personas?limit=100&sort=name&status=failed", 200), ("/v2/pikzonality?mode=style&cursor=\(cursor)", 400),
                ("/v2/personas?", 200), ("/v2/personas?limit=0", 400), ("/v2/personas/x", 400), ("/v2/pikzonality/x", 404),
                ("/healthz", 200), ("/readyz", 200), ("/nowhere", 404), ("/v2/training/lease", 405), ("/v2/pikzonality/persona", 405),
            ] { #expect(status(target) == expected, "\(target)") }
            #expect(status("/v2/personas", key: nil) == 401 && status("/v2/personas", key: "x") == 401)
            #expect(status(media, ["If-None-Match": tag]) == 304)
            for target in ["/v2/personas?q=x", "/metrics", "/v2/personas/", "//healthz", "/v2/personas/%41", "*", "http://a/healthz"] {
                #expect(status(target) == nil, "\(target)")
            }
            #expect(status(media) == nil && status(media, ["If-None-Match": "\"x\""]) == nil)
            #expect(status("/healthz", ["X-Api-Key": "x"]) == nil, "two keys")
        }
    }
}
