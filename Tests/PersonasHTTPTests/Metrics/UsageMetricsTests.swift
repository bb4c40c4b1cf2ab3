import ErrorEnvelope
import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import NIOCore
import Personas
import PersonasDB
import PersonasMetrics
import Synchronization
import TestSupport
import Testing

@testable import PersonasHTTP

/// What `GET /metrics` tells beyond the requests: errors by code, what is stored, and when it was backed up.
@Suite("Metrics of errors and of the store", .serialized)
struct UsageMetricsTests {
    @Test("counts every answer that is an error once, by its code: of the routes, of reads answered at once, and of the connection's guard")
    func errors() async throws {
        try await TestService.run(.live) { service in
            func errors() async throws -> [String: String] {
                let prefix = "personas_errors_total{code=\""
                return try await MetricsScrape(service).samples.reduce(into: [:]) { errors, sample in
                    guard sample.key.hasPrefix(prefix), sample.value != "0" else { return }
                    errors[String(sample.key.dropFirst(prefix.count).dropLast(2))] = sample.value
                }
            }
            let none = try await MetricsScrape(service).samples.keys.count { $0.hasPrefix("personas_errors_total{") }
            #expect(none == ErrorCode.allCases.count, "those that never were are told as zero")
            #expect(try await errors() == [:])
            let port = try #require(service.client.port)
            func ask(_ head: String, _ status: Int) async throws {
                let exchange = try await rawExchange(.port(port), sending: "\(head)\r\n\r\n")
                #expect(exchange.answers.map(\.status) == [status], "\(head)")
            }
            let key = "Host: a\r\nConnection: close\r\nX-Api-Key: \(service.key)"
            // Answered by the routes, because such a connection is not the loop's.
            try await ask("GET /v2/personas/\(Identifier.random().text) HTTP/1.1\r\n\(key)", 404)
            #expect(try await errors() == ["NOT_FOUND": "1"])
            let immediate = try #require(try await MetricsScrape(service)["personas_http_immediate_answers_total"].flatMap { Int($0) })
            _ = try await service.client.executeRequest(
                uri: "/v2/personas/x", method: .get, headers: [.apiKey: service.key], body: nil)
            #expect(try await errors() == ["NOT_FOUND": "1", "INVALID_PERSONA": "1"])
            _ = try await service.client.executeRequest(uri: "/v2/personas", method: .get, headers: [:], body: nil)
            #expect(try await errors() == ["NOT_FOUND": "1", "INVALID_PERSONA": "1", "MISSING_API_KEY": "1"])
            let later = try #require(try await MetricsScrape(service)["personas_http_immediate_answers_total"].flatMap { Int($0) })
            #expect(later == immediate + 2 || !TestPlace.isSQLite)
            // What is no request is refused by the guard.
            try await ask("GET / HTTP/1.1", 400)
            try await ask("nonsense", 400)
            try await ask("POST /v2/personas HTTP/1.1\r\n\(key)\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", 400)
            try await ask("POST /v2/personas HTTP/1.1\r\n\(key)\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n[]", 415)
            try await ask("GET /v2/personas HTTP/1.1\r\n\(key)", 200)
            #expect(
                try await errors() == [
                    "NOT_FOUND": "1", "INVALID_PERSONA": "1", "MISSING_API_KEY": "1", "VALIDATION_ERROR": "3",
                    "UNSUPPORTED_MEDIA_TYPE": "1",
                ])
        }
    }

    @Test(
        "knows what is stored, what it takes, when it was backed up, whether clients are turned away, and the version",
        .enabled(if: TestPlace.isSQLite))
    func usage() async throws {
        try await TestService.run { service in
            var scrape = try await MetricsScrape(service)
            #expect(scrape["personas_last_backup_timestamp_seconds"] == "0" && scrape["personas_maintenance"] == "0")
            #expect(scrape["personas_accounts"] == "1" && scrape["personas_images"] == "0" && scrape["personas_media_bytes"] == "0")
            #expect(scrape.samples.keys.count { $0.hasPrefix("personas_items{") && scrape[$0] == "0" } == 6)
            let build = scrape.samples.keys.filter { $0.hasPrefix("personas_build_info{commit=\"") }
            #expect(build.count == 1 && build[0].contains(",version=\"") && scrape[build[0]] == "1")
            _ = try await service.createCompleted(.persona, "Nova")
            try await service.create(.style, "Waiting")
            let report = try await service.administration.perform(BackUp(directory: service.directory + "-backup"))
            defer { try? FileManager.default.removeItem(atPath: service.directory + "-backup") }
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: nil))
            scrape = try await MetricsScrape(service)
            #expect(scrape[#"personas_items{mode="persona",status="completed"}"#] == "1")
            #expect(scrape[#"personas_items{mode="style",status="processing"}"#] == "1")
            #expect(scrape["personas_maintenance"] == "1")
            let moment = try #require(Timestamp(text: report.createdAt))
            let told = try #require(scrape["personas_last_backup_timestamp_seconds"].flatMap { Double($0) })
            #expect(abs(told - Double(moment.milliseconds) / 1_000) < 0.001)
            let bytes = try #require(scrape["personas_media_bytes"].flatMap { Int($0) })
            #expect(bytes == report.imageBytes || bytes == 0, "counted a moment ago")
            #expect(try #require(scrape["personas_database_bytes"].flatMap { Int($0) }) >= report.databaseBytes)
            #expect(try #require(scrape["personas_disk_free_bytes"].flatMap { Double($0) }) > 0)
        }
    }

    /// A store whose counts are dear, or fail.
    private final class CountedUsage: StoreUsage {
        private let state = Mutex((asked: 0, isBroken: false))
        var asked: Int { state.withLock { $0.asked } }
        var waitingWrites: Int { 0 }

        func breakDown() { state.withLock { $0.isBroken = true } }

        func contents() async throws(Failure) -> StoreContents {
            let isBroken = state.withLock { state in
                state.asked += 1
                return state.isBroken
            }
            if isBroken { throw .unexpected("SQLite 10: disk I/O error") }
            return StoreContents(accounts: 3, counts: [.style: [.failed: 2]], trash: [:])
        }

        func images() async throws(Failure) -> ImageVolume { ImageVolume() }

        func disk() -> DiskUse { DiskUse(databaseBytes: 5, freeBytes: nil) }
    }

    @Test(
        "counts what is stored at most once in the time that the count may be old, and tells no number that is not known",
        arguments: [true, false])
    func usageAge(isBrief: Bool) async throws {
        try await TestService.run { service in
            let (usage, registry) = (CountedUsage(), MetricsRegistry())
            let http = HTTPService(
                configuration: HTTPConfiguration(), useCases: service.useCases, publicURL: PublicURL(nil), logger: service.log.logger,
                accessLog: service.accessLog,
                metrics: MetricsSource(
                    registry: registry, queueDepths: service.storage.queueDepths, usage: usage, backups: nil,
                    maintenance: service.storage.maintenance, usageAgeMax: isBrief ? .zero : .seconds(3_600), textAgeMax: .zero))
            try await http.application().test(.router) { client in
                func text() async throws -> String {
                    String(buffer: try await client.executeRequest(uri: "/metrics", method: .get, headers: [:], body: nil).body)
                }
                for _ in 0..<3 {
                    let text = try await text()
                    #expect(text.contains("\npersonas_items{mode=\"style\",status=\"failed\"} 2\n"))
                    #expect(text.contains("\npersonas_database_bytes 5\n") && text.contains("\npersonas_disk_free_bytes NaN\n"))
                }
                #expect(usage.asked == (isBrief ? 3 : 1))
                guard isBrief else { return }
                usage.breakDown()
                let broken = try await text()
                for name in ["accounts", "items{mode=\"style\",status=\"failed\"}", "images", "media_bytes"] {
                    #expect(broken.contains("\npersonas_\(name) NaN\n"), "\(name)")
                }
                #expect(!broken.contains("SQLite"))
                #expect(service.log.lines.contains { $0.level == .error && $0.text.contains("SQLite 10") })
            }
        }
    }
}
