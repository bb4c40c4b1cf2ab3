import Foundation
import NIOHTTP1
import Synchronization
import TestImages
import TestSupport
import Testing

/// What an operator sees of a running server: metrics, and traces in the log.
@Suite("Metrics of a server", .timeLimit(.minutes(10)))
struct MetricsEndToEndTests {
    private static func scrape(_ service: RunningService) async throws -> Exposition {
        let answer = try await service.client().get("/metrics")
        try #require(answer.status == 200)
        #expect(answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(answer.header("X-Request-Id") != nil)
        return try Exposition(answer.text)
    }

    @Test("Under load every scrape is well-formed and no counter falls; afterwards the counts are exact, and hold nothing of any client")
    func load() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let key = try await stage.key()
            let client = service.client(key)
            let start = try await Self.scrape(service)
            #expect(start.value("personas_training_jobs", ["state": "queued"]) == 0)
            let readers = 4
            let reads = 50
            let creators = 3
            let creates = 8
            let seen = try await withThrowingTaskGroup(of: [Exposition].self) { group in
                for creator in 0..<creators {
                    group.addTask {
                        for index in 0..<creates {
                            let id = try await client.create(name: "Secret \(creator) \(index)", seed: creator * 100 + index).id
                            _ = try await client.get("/v2/personas/\(id)?q=secretquery")
                        }
                        return []
                    }
                }
                for _ in 0..<readers {
                    group.addTask {
                        for index in 0..<reads { _ = try await client.get(index % 2 == 0 ? "/v2/personas" : "/secretpath/\(index)") }
                        return []
                    }
                }
                group.addTask {
                    var scrapes: [Exposition] = []
                    for _ in 0..<15 { scrapes.append(try await Self.scrape(service)) }
                    return scrapes
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(seen.count == 15)
            for (earlier, later) in zip([start] + seen, seen) {
                for sample in earlier.samples where earlier.types[sample.name] == "counter" {
                    #expect(try #require(later.value(sample.name, sample.labels)) >= sample.value, "\(sample)")
                }
            }
            try await eventually("all training") {
                let done = try await Self.scrape(service).value("personas_training_jobs_completed_total")
                return done == Double(creators * creates)
            }
            let total = "personas_http_requests_total"
            // What is told may be a moment old.
            try await eventually("all answers counted") {
                let seen = try await Self.scrape(service)
                let answers = [("/v2/personas", "200"), ("none", "404")].map {
                    seen.value(total, ["method": "GET", "route": $0, "status": $1])
                }
                return answers.allSatisfy { $0 == Double(readers * reads / 2) }
            }
            let end = try await Self.scrape(service)
            #expect(end.value(total, ["method": "POST", "route": "/v2/personas", "status": "201"]) == Double(creators * creates))
            #expect(end.value(total, ["method": "GET", "route": "/v2/personas/{id}", "status": "200"]) == Double(creators * creates))
            #expect(end.value(total, ["method": "GET", "route": "/v2/personas", "status": "200"]) == Double(readers * reads / 2))
            #expect(end.value(total, ["method": "GET", "route": "none", "status": "404"]) == Double(readers * reads / 2))
            #expect(end.sum("personas_http_request_duration_seconds_count") == end.sum(total))
            #expect(end.value("personas_http_requests_in_flight") == 1, "the scrape itself")
            let commits = try #require(end.value("personas_store_commits_total"))
            // A create and the end of its training are two operations at least.
            #expect(commits > 0 && end.sum("personas_store_commit_group_size_sum") >= Double(2 * creators * creates))
            #expect(end.value("personas_store_commit_group_size_count") == commits)
            for depth in ["store_write", "search", "body_decoding", "downloads"] {
                #expect(end.value("personas_\(depth)_queue_depth") == 0)
            }
            #expect(end.value("process_open_fds") ?? 0 > 5)

            let text = try await service.client().get("/metrics").text
            let id = try #require(try await client.all("/v2/personas").first?["id"]?.string)
            for secret in ["Secret", "secret", key.secret, String(key.secret.prefix(8)), key.id, "acme", id] {
                #expect(!text.contains(secret), "\(secret) is in the metrics")
            }
            let shapes = [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/, /[0-9a-f]{32}/]
            for shape in shapes { #expect(text.firstMatch(of: shape) == nil) }
        }
    }

    @Test("Downloads are counted, and --no-metrics takes the call away")
    func downloads() async throws {
        try await LocalImageServer.run({ path in
            path == "/none" ? .content([], status: 404) : .content(Picture.formats[1].bytes, type: "image/jpeg")
        }) { server in
            try await Stage.run { stage in
                let key = try await stage.key()
                let service = try await stage.serve("--development-downloads")
                for path in ["/a", "/none"] {
                    _ = try await service.client(key).post(
                        "/v2/personas",
                        [
                            "name": .string("From \(path.dropFirst())"),
                            "image_urls": .array(["/1", "/2", path].map { .string(server.url($0)) }),
                        ])
                }
                let scrape = try await Self.scrape(service)
                #expect(scrape.value("personas_downloads_total", ["outcome": "fetched"]) ?? 0 >= 3)
                #expect(scrape.value("personas_downloads_total", ["outcome": "unavailable"]) ?? 0 >= 1)
                #expect(scrape.sum("personas_downloads_total") == 6)
                #expect(try await service.stop() == .status(0))
                let silent = try await stage.serve("--no-metrics")
                #expect(try await silent.client().get("/metrics").code == "NOT_FOUND")
                #expect(try await silent.client().get("/healthz").status == 200)
            }
        }
    }

    @Test("Connections are counted while they are open, and so is it when there may be no more")
    func connections() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--connections-max", "2", "--request-read-seconds", "1", "--first-request-seconds", "2")
            let isAnswered = Mutex(false)
            async let kept = rawExchange(.port(service.port)) { writer in
                try await writer.write("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                try await writer.awaitAnswer("personas_http_connections 1\n")
                isAnswered.withLock { $0 = true }
            }
            try await eventually("an answer") { isAnswered.withLock { $0 } }
            // The other place is taken by a client that sends no whole request, until its time is over.
            let slow = try await rawExchange(.port(service.port)) { try await $0.write("GET / HTTP/1.1\r\n") }
            #expect(slow.wasClosed)
            // Then by one that says nothing; a third takes the place of the one that was quiet longest, which is the first.
            async let silent = rawExchange(.port(service.port)) { _ in }
            try await eventually("both places taken") {
                try await Self.scrape(service).value("personas_limits_hit_total", ["limit": "connections"]) == 1
            }
            let first = try await kept
            #expect(first.statuses == [200] && first.wasClosed)
            #expect(try await silent.wasClosed)
            let scrape = try await Self.scrape(service)
            #expect(scrape.value("personas_limits_hit_total", ["limit": "request_time"]) == 1)
            #expect(scrape.value("personas_limits_hit_total", ["limit": "connections"]) ?? 0 >= 1)
            #expect(scrape.value("personas_limits_hit_total", ["limit": "answer_time"]) == 0)
        }
    }

    @Test("The log names the trace of a request that has one, as JSON and as text, and nothing else of its headers")
    func traces() async throws {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
        let headers = [("traceparent", "00-\(trace)-\(parent)-01"), ("tracestate", "vendor=secretstate")]
        try await Stage.run { stage in
            for format in ["json", "text"] {
                let process = try stage.start(["serve", "--port", "0", "--log-format", format], data: stage.data)
                let address = try await eventually("listening", detail: { process.standardError }) {
                    process.standardError.firstMatch(of: /http:\/\/127\.0\.0\.1:[0-9]+/).map { String($0.output) }
                }
                let client = Client(base: address)
                let traced = try await client.get("/healthz", headers: headers)
                #expect(traced.headers["traceparent"].isEmpty && traced.headers["traceresponse"].isEmpty)
                let untraced = try await client.get("/healthz", headers: [("traceparent", "ff-\(trace)-\(parent)-01")])
                process.signal(SIGTERM)
                #expect(try await process.exit() == .status(0))
                let lines = process.standardError.split(separator: "\n")
                let traceLines = lines.filter { $0.contains(trace) }
                #expect(traceLines.count == 1)
                let line = try #require(traceLines.first)
                #expect(line.contains(try #require(traced.header("X-Request-Id"))))
                #expect(line.contains(format == "json" ? "\"trace_id\":\"\(trace)\"" : " trace_id=\(trace)"))
                #expect(line.contains(format == "json" ? "\"parent_id\":\"\(parent)\"" : " parent_id=\(parent)"))
                let other = try #require(lines.first { $0.contains(untraced.header("X-Request-Id") ?? "?") })
                #expect(!other.contains("trace_id") && !other.contains("parent_id"))
                #expect(!process.standardError.contains("secretstate"))
                for line in lines {
                    let isJSON = (try? JSONValue(parsing: line.utf8)) != nil
                    #expect(isJSON == (format == "json"), "\(line)")
                    if format == "text" { #expect(line.wholeMatch(of: /[0-9TZ:.\-]+ [A-Z]+ .+/) != nil, "\(line)") }
                }
            }
        }
    }

    @Test("A server that stops leaves no lease behind: what it was training is done or waits for the next worker")
    func leasesHandedBack() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let key = try await stage.key()
            let client = service.client(key)
            let creates = 24
            let created = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<creates {
                    group.addTask {
                        do {
                            _ = try await client.create(name: "Item \(index)", seed: index)
                            return 1
                        } catch {
                            return 0
                        }
                    }
                }
                var created = 0
                for try await one in group {
                    created += one
                    // In the middle of it all.
                    if created == creates / 3 { service.process.signal(SIGTERM) }
                }
                return created
            }
            #expect(created >= creates / 3)
            #expect(try await service.process.exit() == .status(0))
            let next = try await stage.serve("--trainer", "worker")
            let scrape = try await Self.scrape(next)
            #expect(scrape.value("personas_training_jobs", ["state": "leased"]) == 0)
            let items = try await next.client(key).all("/v2/personas")
            #expect(items.count >= created)
            let waiting = items.count { $0["status"] == "processing" }
            #expect(scrape.value("personas_training_jobs", ["state": "queued"]) == Double(waiting))
        }
    }
}
