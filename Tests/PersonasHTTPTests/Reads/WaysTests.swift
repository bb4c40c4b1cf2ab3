import Foundation
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasDB
import PersonasMetrics
import TestImages
import TestSupport
import Testing

@testable import PersonasCLI
@testable import PersonasHTTP

/// The two ways to an answer: whatever is asked, and in whatever form, both give the same one.
@Suite("Both ways to an answer", .serialized)
struct WaysTests {
    /// A server with one of the ways, or with both, over the storage of a service.
    private struct Side: Sendable {
        let port: Int
        let log: LogRecorder
        let accessLog: AccessLogRecorder
        let registry: MetricsRegistry
    }

    private static func serve(
        _ service: TestService, immediately: Bool, trustsProxy: Bool, _ test: @Sendable (Side) async throws -> Void
    ) async throws {
        var configuration = HTTPConfiguration()
        configuration.answersImmediately = immediately
        configuration.trustsIncomingRequestID = trustsProxy
        configuration.allowedOrigins = try AllowedOrigins(ReadCorpus.allowedOrigins)
        if trustsProxy { configuration.trustedProxies = [try #require(AddressPrefix("127.0.0.0/8"))] }
        configuration.rateLimits = RateLimitPolicy(readsPerSecond: 1_000_000, writesPerSecond: 1_000_000)
        let (log, accessLog, registry) = (LogRecorder(), AccessLogRecorder(), MetricsRegistry())
        let metrics = MetricsSource(registry: registry, storage: service.storage)
        let http = HTTPService(
            configuration: configuration, useCases: service.useCases, publicURL: PublicURL(TestService.baseURL), logger: log.logger,
            accessLog: accessLog, metrics: metrics)
        try await http.application().test(.live) { client in
            try await test(Side(port: try #require(client.port), log: log, accessLog: accessLog, registry: registry))
        }
    }

    /// Runs a test with a server that answers reads at once where it can, and with one that never does.
    private static func serveBoth(
        _ service: TestService, trustsProxy: Bool = false, _ test: @Sendable (_ fast: Side, _ slow: Side) async throws -> Void
    ) async throws {
        try await serve(service, immediately: true, trustsProxy: trustsProxy) { fast in
            try await serve(service, immediately: false, trustsProxy: trustsProxy) { slow in try await test(fast, slow) }
        }
    }

    private static func scene(_ service: TestService) async throws -> ReadCorpus.Scene {
        var items: [String] = []
        for mode in Mode.allCases {
            for index in 0..<4 { items.append(try await service.createCompleted(mode, "Nova \(mode) \(index)")) }
            items.append(try await service.create(mode, "Broken \(mode)"))
            try await service.failTraining(TrainingError(code: .failed, message: "It broke"))
            items.append(try await service.create(mode, "New \(mode)"))
        }
        for (index, id) in items.enumerated() where index % 2 == 0 {
            let labels = index % 4 == 0 ? #"{"k":"v","l":"w","z":"é\u0000"}"# : #"{"k":"v"}"#
            let mode = index < items.count / 2 ? "personas" : "styles"
            let own = index % 6 == 0 ? #""own""# : "null"
            try await service.send(.patch, "/v2/\(mode)/\(id)", TestBody(#"{"metadata":\#(labels),"external_id":\#(own)}"#))
        }
        let deleted = try await service.createCompleted(.persona, "Gone")
        try await service.send(.delete, "/v2/personas/\(deleted)")
        let other = try await service.newKey(account: "other")
        let foreign = try await service.create(.persona, "Theirs", key: other)
        var refused: [String] = []
        for state in [APIKey.State.disabled, .deleted] {
            let key = try await service.key(scopes: [.read])
            _ = try await service.administration.perform(SetKeyState(state, id: key.id.text))
            refused.append(key.key)
        }
        for scopes in [[.write], [.trainer]] as [Set<Scope>] { refused.append(try await service.key(scopes: scopes).key) }
        for account in ["suspended", "without", "gone"] { refused.append(try await service.administration.newKey(account: account)) }
        _ = try await service.administration.perform(SetSuspended(true, accountName: "suspended"))
        _ = try await service.administration.perform(SetAPIAccess(false, accountName: "without"))
        _ = try await service.administration.perform(DeleteAccount(name: "gone"))
        refused += [APIKeySecret.random().text, "pkz_", "pkz", "sk_x", "pkz_" + String(repeating: "x", count: 39), "x"]
        let image = try #require(try await service.send(.get, "/v2/personas/\(items[0])").string("portrait_url"))
        let tag = try #require(try await service.send(.get, String(image.dropFirst(TestService.baseURL.count))).headers[.eTag])
        var cursors: [String] = []
        for query in ["limit=2", "limit=1&metadata[k]=v", "limit=3&sort=name", "limit=1&sort=created_at&status=completed"] {
            for path in ["/v2/personas", "/v2/pikzonality"] {
                cursors.append(try #require(try await service.send(.get, "\(path)?\(query)").string("next_cursor")))
            }
        }
        return ReadCorpus.Scene(
            items: items, foreign: [foreign, deleted], key: try await service.key(scopes: [.read]).key, refusedKeys: refused,
            tokens: [String(image.suffix(32)), RandomToken.random().text], tag: tag, itemTag: service.tag(2), cursors: cursors)
    }

    /// Sends batches both ways and compares what comes back, and what the access log says.
    private static func compare(_ fast: Side, _ slow: Side, _ batches: [[WireRequest]]) async throws {
        let differences = try await onThread {
            let sides = [fast, slow]
            let clients = sides.map { WireClient(port: $0.port) }
            var seen = sides.map(Self.logCounts)
            var differences: [String] = []
            for batch in batches {
                let answers = try clients.map { try $0.exchange(batch) }
                let lines = zip(sides, seen).map { side, seen in
                    side.log.lines[seen.lines...].map(Self.comparable) + side.accessLog.entries[seen.entries...].map(Self.comparable)
                }
                seen = sides.map(Self.logCounts)
                for (what, both) in [("answers", answers), ("log", lines)] where both[0] != both[1] {
                    differences.append(
                        "\(what) to \(batch.map(\.description).joined(separator: "\n")):\nat once: \(both[0])\nelse: \(both[1])")
                }
                if differences.count >= 5 { break }
            }
            return differences
        }
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n\n"))")
    }

    /// A line of the log without what differs from time to time.
    private static func comparable(_ line: LogRecorder.Line) -> String {
        var metadata = line.metadata
        metadata["duration_us"] = nil
        for name in ["request_id", "hb.request.id"] where metadata[name]?.wholeMatch(of: Answer.uuid) != nil {
            metadata[name] = "<request>"
        }
        return "\(line.level) \(line.message) \(metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })"
    }

    /// An entry of the access log without what differs from time to time.
    private static func comparable(_ entry: AccessLogEntry) -> String {
        var entry = entry
        entry.duration = .zero
        if entry.requestID.wholeMatch(of: Answer.uuid) != nil { entry.requestID = "" }
        return "\(entry)"
    }

    private static func logCounts(_ side: Side) -> (lines: Int, entries: Int) {
        (side.log.lines.count, side.accessLog.entries.count)
    }

    /// The counts of requests, by method, route and status.
    private static func counts(_ side: Side) -> [String: Int] {
        String(decoding: side.registry.text(), as: UTF8.self).split(separator: "\n").reduce(into: [:]) { counts, line in
            let words = line.split(separator: " ")
            guard line.hasPrefix("personas_http_requests_total{") || line.hasPrefix("personas_http_request_duration_seconds_count{") else {
                return
            }
            counts[words.dropLast().joined(separator: " ")] = words.last.flatMap { Int($0) }
        }
    }

    private static func immediateCount(_ side: Side) -> Int {
        let text = String(decoding: side.registry.text(), as: UTF8.self)
        return text.firstMatch(of: /\npersonas_http_immediate_answers_total (\d+)/).flatMap { Int($0.1) } ?? -1
    }

    @Test("give the same answer to whatever is asked, log it alike and count it alike", arguments: [false, true])
    func generated(trustsProxy: Bool) async throws {
        let count = 1_200
        try await TestService.run { service in
            let scene = try await Self.scene(service)
            try await Self.serveBoth(service, trustsProxy: trustsProxy) { fast, slow in
                var corpus = ReadCorpus(scene, seed: trustsProxy ? 9 : 90)
                var batches: [[WireRequest]] = []
                for _ in 0..<count { batches.append(corpus.batch()) }
                let ordinary = batches.count * 9 / 10
                try await Self.compare(fast, slow, Array(batches[..<ordinary]))
                _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 7))
                try await Self.compare(fast, slow, Array(batches[ordinary...]))
                _ = try await service.administration.perform(SetMaintenance(isOn: false, retryAfterSeconds: nil))
                let (ours, theirs) = (Self.counts(fast), Self.counts(slow))
                let different = Set(ours.keys).union(theirs.keys).filter { ours[$0] != theirs[$0] }
                #expect(different.isEmpty)
                // Otherwise this would compare one way with itself. From a distance refusals are answered at once, and little else.
                let answers = ours.filter { $0.key.hasPrefix("personas_http_requests_total") }.values.reduce(0, +)
                let immediate = Self.immediateCount(fast)
                #expect(immediate > answers / (TestPlace.isSQLite ? 3 : 20), "\(immediate) of \(answers)")
                #expect(Self.immediateCount(slow) == 0)
            }
        }
    }

    @Test("are compared whenever a test reads something, and whatever is different is seen", .enabled(if: TestPlace.isSQLite))
    func shadow() async throws {
        try await TestService.run { service in
            let answer = try await service.send(.get, "/v2/personas")
            try await service.send(.head, "/v2/personas/x")
            try await service.send(.get, "/nowhere", key: .none)
            #expect(service.shadow.answeredCount == 3)
            try await service.send(.get, "/v2/personas?q=x")
            try await service.send(.post, "/v2/personas", "{}")
            #expect(service.shadow.answeredCount == 3, "these are answered by the router alone")

            func other(_ change: (inout HTTPFields) -> Void) -> Answer {
                var fields = answer.headers
                change(&fields)
                return Answer(status: answer.status, headers: fields, bytes: answer.bytes)
            }
            for different in [
                Answer(status: 201, headers: answer.headers, bytes: answer.bytes),
                Answer(status: 200, headers: answer.headers, bytes: answer.bytes + [0x20]), other { $0[.cacheControl] = "no-store" },
                other { $0[.contentLength] = nil }, other { $0 = HTTPFields($0.reversed()) },
                other { $0.append(HTTPField(name: .age, value: "0")) },
                other { $0[.rateLimit] = "\"writes\";r=1;t=1" },
            ] { #expect(answer.difference(from: different) != nil, "\(different)") }
            for same in [
                answer, other { $0[.requestID] = "another id" }, other { $0[.date] = "x" }, other { $0[.rateLimit] = "\"reads\";r=1;t=2" },
            ] {
                #expect(answer.difference(from: same) == nil)
            }
        }
    }
}
