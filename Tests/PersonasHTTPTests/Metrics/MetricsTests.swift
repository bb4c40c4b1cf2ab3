import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
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

/// `GET /metrics`, from the outside.
@Suite("Metrics", .serialized)
struct MetricsTests {
    @Test("answers without a key, as text, with the headers of all answers; HEAD works and other methods do not")
    func call() async throws {
        try await TestService.run { service in
            for key in [TestService.Key.none, .own, .text("nonsense")] {
                let answer = try await MetricsScrape(service, key: key).answer
                #expect(answer.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
                #expect(answer.headers[.cacheControl] == "no-store")
                #expect(try await service.send(.head, "/metrics", key: key).headers[.contentType] == answer.headers[.contentType])
            }
            for method in [HTTPRequest.Method.post, .put, .delete, .patch] {
                let answer = try await service.send(method, "/metrics", key: .none)
                answer.expect(405, .methodNotAllowed, "This method is not allowed here")
                #expect(answer.headers[.allow] == "GET, HEAD")
            }
        }
    }

    @Test("answers during maintenance, as health does")
    func maintenance() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: nil))
            try await service.send(.get, "/v2/personas", isFailureExpected: true)
            #expect(try await MetricsScrape(service).requests("GET", "/v2/personas", 503) == "1")
        }
    }

    @Test("is not there where the settings say no, and counts nothing")
    func off() async throws {
        try await TestService.run { service in
            let http = HTTPService(
                configuration: HTTPConfiguration(), useCases: service.useCases, publicURL: PublicURL(nil), logger: service.log.logger,
                accessLog: service.accessLog)
            let before = service.registry.text()
            try await http.application().test(.router) { client in
                for (path, status) in [("/healthz", HTTPResponse.Status.ok), ("/metrics", .notFound)] {
                    let answer = try await client.executeRequest(uri: path, method: .get, headers: [:], body: nil)
                    #expect(answer.status == status, "\(path)")
                }
            }
            #expect(service.registry.text() == before)
        }
    }

    @Test("counts every request by method, route template and status, and times it")
    func requests() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            for _ in 0..<3 { try await service.send(.get, "/v2/personas/\(id)") }
            try await service.send(.get, "/v2/personas/\(Identifier.random().text)")
            try await service.send(.head, "/v2/personas/\(id)")
            try await service.send(.get, "/v2/personas?q=secret", key: .none)
            try await service.send(.patch, "/v2/personas/\(id)", "nonsense")
            try await service.send(.get, "/nowhere/secret")
            try await service.send(.put, "/v2/personas/\(id)")
            for method in ["PURGE", "get", "X\u{7c}Y"] {
                try await service.send(try #require(HTTPRequest.Method(method)), "/v2/personas")
            }
            try await service.send(.get, "/media/00000000000000000000000000000000", key: .none)
            let scrape = try await MetricsScrape(service)
            #expect(scrape.requests("POST", "/v2/pikzonality/persona", 200) == "1")
            #expect(scrape.requests("GET", "/v2/personas/{id}", 200) == "3")
            #expect(scrape.requests("GET", "/v2/personas/{id}", 404) == "1")
            #expect(scrape.requests("HEAD", "/v2/personas/{id}", 200) == "1")
            #expect(scrape.requests("GET", "/v2/personas", 401) == "1")
            #expect(scrape.requests("PATCH", "/v2/personas/{id}", 400) == "1")
            #expect(scrape.requests("GET", "none", 404) == "1")
            #expect(scrape.requests("PUT", "none", 405) == "1")
            #expect(scrape.requests("other", "none", 405) == "3")
            #expect(scrape.requests("GET", "/media/{token}", 404) == "1")
            #expect(scrape["personas_http_requests_in_flight"] == "1", "the scrape itself")
            // Only what was asked for has a series, and the scrape counts itself when it is answered.
            #expect(scrape.samples.keys.count { $0.hasPrefix("personas_http_requests_total{") } == 10)
            let time = "personas_http_request_duration_seconds"
            let labels = #"method="GET",route="/v2/personas/{id}""#
            #expect(scrape["\(time)_count{\(labels)}"] == "4")
            #expect(scrape["\(time)_bucket{\(labels),le=\"+Inf\"}"] == "4")
            #expect(scrape["\(time)_bucket{\(labels),le=\"30\"}"] == "4")
            let sum = try #require(scrape["\(time)_sum{\(labels)}"].flatMap { Double($0) })
            #expect(sum > 0 && sum < 30)
            #expect(try await MetricsScrape(service).requests("GET", "/metrics", 200) == "1")
        }
    }

    @Test("knows the store: commits and what shared them, jobs by state and by end, images to remove")
    func store() async throws {
        try await TestService.run { service in
            func commits(_ scrape: MetricsScrape) throws -> [Int] {
                try ["commits_total", "commit_group_size_sum", "commit_group_size_count"].map {
                    try #require(scrape["personas_store_\($0)"].flatMap { Int($0) })
                }
            }
            let before = try commits(try await MetricsScrape(service))
            for index in 0..<4 { try await service.create(.persona, "Item \(index)") }
            let scrape = try await MetricsScrape(service)
            let after = try commits(scrape)
            // PostgreSQL gathers commits by itself.
            #expect(after[0] > before[0] && after[2] == (TestPlace.isSQLite ? after[0] : 0) && after[1] >= after[2])
            #expect(scrape["personas_store_write_queue_depth"] == "0")
            #expect(scrape["personas_store_commit_failures_total"] == "0")
            #expect(scrape["personas_search_queue_depth"] == "0")
            #expect(scrape["personas_body_decoding_queue_depth"] == "0")
            #expect(scrape[#"personas_training_jobs{state="queued"}"#] == "4")
            #expect(scrape[#"personas_training_jobs{state="leased"}"#] == "0")
            let jobs = try await service.training.lease(limit: 3, waiting: .zero)
            try await service.training.complete(jobs[0].id, token: jobs[0].leaseToken, portraitBase64: nil)
            let reason = TrainingError(code: .failed, message: "No")
            try await service.training.fail(jobs[1].id, token: jobs[1].leaseToken, error: reason, retryable: false)
            let end = try await MetricsScrape(service)
            #expect(end[#"personas_training_jobs{state="queued"}"#] == "1")
            #expect(end[#"personas_training_jobs{state="leased"}"#] == "1")
            #expect(end["personas_training_jobs_completed_total"] == "1")
            #expect(end["personas_training_jobs_failed_total"] == "1")
            #expect(end["personas_training_leases_expired_total"] == "0")
            #expect(end["personas_media_removal_queue_depth"] == "0")
        }
    }

    @Test("knows the limits that clients meet, each once")
    func limits() async throws {
        var configuration = HTTPConfiguration()
        configuration.limits.bodyBytesMax = 2_000
        try await TestService.run(.live, configuration: configuration) { service in
            func hits() async throws -> [String: String] {
                let prefix = "personas_limits_hit_total{limit=\""
                return try await MetricsScrape(service).samples.reduce(into: [:]) { hits, sample in
                    if sample.key.hasPrefix(prefix) { hits[String(sample.key.dropFirst(prefix.count).dropLast(2))] = sample.value }
                }
            }
            let none = ["body_bytes": "0", "header_bytes": "0", "connections": "0", "request_time": "0", "answer_time": "0"]
            #expect(try await hits().filter { none[$0.key] != nil } == none)
            let port = try #require(service.client.port)
            let head = "POST /v2/personas HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(service.key)\r\nContent-Type: application/json\r\n"
            let announced = try await rawExchange(
                .port(port), sending: head + "Content-Length: 2001\r\nConnection: close\r\n\r\n" + String(repeating: " ", count: 2_001))
            #expect(announced.answers.map(\.status) == [413])
            #expect(try await hits()["body_bytes"] == "1")
            let chunk = String(repeating: " ", count: 3_000)
            let chunked = try await rawExchange(
                .port(port), sending: head + "Transfer-Encoding: chunked\r\n\r\nbb8\r\n\(chunk)\r\n0\r\n\r\n")
            #expect(chunked.answers.map(\.status) == [413])
            #expect(try await hits()["body_bytes"] == "2")
            let long = try await rawExchange(
                .port(port), sending: "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 9_000))\r\n\r\n")
            #expect(long.answers.map(\.status) == [400])
            #expect(try await hits()["header_bytes"] == "1")
            #expect(try await hits()["request_time"] == "0")
        }
    }

    @Test("knows the process, where the system tells")
    func process() async throws {
        try await TestService.run { service in
            let scrape = try await MetricsScrape(service)
            #if os(Linux)
                let start = try #require(scrape["process_start_time_seconds"].flatMap { Double($0) })
                let now = Double(Timestamp.now.milliseconds) / 1_000
                #expect(start > now - 86_400 && start <= now + 2)
                let memory = try #require(scrape["process_resident_memory_bytes"].flatMap { Double($0) })
                #expect(memory > 1_000_000 && memory < 64e9)
                let open = try #require(scrape["process_open_fds"].flatMap { Int($0) })
                let openMax = try #require(scrape["process_max_fds"].flatMap { Int($0) })
                #expect(open > 3 && open <= openMax)
                let used = try #require(scrape["process_cpu_seconds_total"].flatMap { Double($0) })
                #expect(used > 0)
                var waste = 0
                for index in 0..<1_000_000 { waste ^= index &* 31 }
                let later = try #require(try await MetricsScrape(service)["process_cpu_seconds_total"].flatMap { Double($0) })
                #expect(later > used, "\(waste)")
            #else
                #expect(scrape["process_start_time_seconds"] == nil)
            #endif
        }
    }

    /// What dashboards and alarms ask for, which a name that is gone would break in silence; but for downloads, which are counted by the
    /// fetcher, which is replaced here.
    private static let names = [
        "personas_accounts", "personas_body_decoding_queue_depth", "personas_build_info", "personas_credits_total",
        "personas_database_bytes",
        "personas_disk_free_bytes",
        "personas_errors_total", "personas_http_connections", "personas_http_event_lag_seconds", "personas_http_event_streams",
        "personas_http_events_sent_total",
        "personas_http_immediate_answers_total",
        "personas_http_request_duration_seconds",
        "personas_http_requests_in_flight", "personas_http_requests_total", "personas_http_waits", "personas_images", "personas_items",
        "personas_last_backup_timestamp_seconds", "personas_limits_hit_total", "personas_maintenance", "personas_media_bytes",
        "personas_media_removal_queue_depth", "personas_search_queue_depth", "personas_store_commit_failures_total",
        "personas_store_commit_group_size", "personas_store_commits_total", "personas_store_write_queue_depth",
        "personas_top_up_requests_in_flight", "personas_top_up_requests_total", "personas_training_jobs",
        "personas_training_jobs_completed_total", "personas_training_jobs_failed_total", "personas_training_leases_expired_total",
        "personas_trash_items",
        "personas_webhook_attempt_duration_seconds", "personas_webhook_attempts_in_flight", "personas_webhook_attempts_total",
        "personas_webhook_deliveries_pending", "personas_webhook_delivery_lag_seconds", "personas_webhooks_disabled",
        "process_cpu_seconds_total", "process_max_fds", "process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds",
    ]

    /// Further ones of servers that share a database and a bucket.
    private static let sharedNames = [
        "personas_bells_total", "personas_duty_led", "personas_object_store_request_duration_seconds",
        "personas_object_store_requests_total",
        "personas_pulse_timestamp_seconds", "personas_replicas",
    ]

    @Test("says of every metric what it is")
    func descriptions() async throws {
        try await TestService.run { service in
            try await service.send(.get, "/v2/personas")
            let lines = try await MetricsScrape(service).answer.text.split(separator: "\n")
            let typed = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
            let helped = lines.filter { $0.hasPrefix("# HELP ") }.map { $0.split(separator: " ")[2] }
            #expect(typed == helped && typed == typed.sorted() && Set(typed).count == typed.count)
            #expect(typed.map(String.init) == (TestPlace.isSQLite ? Self.names : (Self.names + Self.sharedNames).sorted()))
        }
    }

    /// A store whose counts are dear, or fail.
    private final class CountedQueueDepths: QueueDepthStore {
        private let state = Mutex((asked: 0, isBroken: false))

        var asked: Int { state.withLock { $0.asked } }

        func breakDown() { state.withLock { $0.isBroken = true } }

        func queueDepths() async throws(Failure) -> QueueDepths {
            let isBroken = state.withLock { state in
                state.asked += 1
                return state.isBroken
            }
            if isBroken { throw .unexpected("SQLite 10: disk I/O error") }
            return QueueDepths(queuedJobs: 7, leasedJobs: 2, imageRemovals: 5)
        }
    }

    @Test("asks the store at most once in the time that a count may be old, and goes on when it fails", arguments: [true, false])
    func queueDepths(isBrief: Bool) async throws {
        try await TestService.run { service in
            let queueDepths = CountedQueueDepths()
            let registry = MetricsRegistry()
            let http = HTTPService(
                configuration: HTTPConfiguration(), useCases: service.useCases, publicURL: PublicURL(nil), logger: service.log.logger,
                accessLog: service.accessLog,
                metrics: MetricsSource(
                    registry: registry, queueDepths: queueDepths, usage: service.storage.usage, backups: nil,
                    maintenance: service.storage.maintenance, queueDepthsAgeMax: isBrief ? .zero : .seconds(3_600), textAgeMax: .zero))
            try await http.application().test(.router) { client in
                func text() async throws -> String {
                    let answer = try await client.executeRequest(uri: "/metrics", method: .get, headers: [:], body: nil)
                    #expect(answer.status == .ok)
                    return String(buffer: answer.body)
                }
                for _ in 0..<3 { #expect(try await text().contains("\npersonas_training_jobs{state=\"queued\"} 7\n")) }
                #expect(queueDepths.asked == (isBrief ? 3 : 1))
                guard isBrief else { return }
                queueDepths.breakDown()
                let broken = try await text()
                #expect(broken.contains("\npersonas_training_jobs{state=\"leased\"} NaN\n"))
                #expect(broken.contains("\npersonas_media_removal_queue_depth NaN\n"))
                #expect(!broken.contains("SQLite"))
                #expect(service.log.lines.contains { $0.level == .error && $0.text.contains("SQLite 10") })
            }
        }
    }

    @Test("a request whose client breaks off is counted as that, and is in flight no more")
    func brokenOff() async throws {
        struct Broken: HTTPResponder {
            typealias Context = PersonasRequestContext

            func respond(to request: Request, context: Context) async throws -> Response { throw CancellationError() }
        }
        let registry = MetricsRegistry()
        let responder = MeasuredResponder(inner: Broken(), metrics: RequestMetrics(routes: ["/x"], factory: registry))
        try await Application(responder: responder).test(.router) { client in
            _ = try? await client.executeRequest(uri: "/x", method: .get, headers: [:], body: nil)
        }
        let text = String(decoding: registry.text(), as: UTF8.self)
        #expect(text.contains(#"personas_http_requests_total{method="GET",route="none",status="499"} 1"#))
        #expect(text.contains("\npersonas_http_requests_in_flight 0\n"))
    }
}
