import Foundation
import TestSupport
import Testing

/// How a server ends that a balancer or a person watches.
@Suite("The server's end", .timeLimit(.minutes(5)))
struct StopTests {
    private static func get(_ path: String, _ key: Key? = nil) -> String {
        "GET \(path) HTTP/1.1\r\nHost: a\r\n" + (key.map { "X-Api-Key: \($0.secret)\r\n" } ?? "") + "\r\n"
    }

    private static func closes(_ exchange: RawExchange) -> Bool {
        exchange.wasClosed && exchange.text.lowercased().contains("\r\nconnection: close\r\n")
    }

    @Test("It drains first: the socket stays open, readiness is over, and everything is answered, until a second signal ends that")
    func drain() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--drain-seconds", "600")
            let key = try await stage.key()
            let port = service.port
            service.process.signal(SIGTERM)
            try await eventually("the end of readiness") {
                let exchange = try await rawExchange(.port(port), sending: Self.get("/readyz")) {
                    $0.contains("request_id") || $0.contains("ok")
                }
                return exchange.statuses == [503] && exchange.text.lowercased().contains("\r\nconnection: close\r\n")
            }
            for (request, status) in [
                (Self.get("/healthz"), 200), (Self.get("/v2/personas", key), 200), (Self.get("/v2/personas?q=x", key), 200),
                (Self.get("/v2/personas"), 401), ("nonsense\r\n\r\n", 400),
            ] {
                let exchange = try await rawExchange(.port(port), sending: request)
                #expect(exchange.statuses == [status] && Self.closes(exchange), "\(exchange.text)")
            }
            // Operators are answered as well.
            #expect(try await stage.command("maintenance", "on").error.isEmpty)
            #expect(service.log("stopping").map { $0["drain_seconds"] } == [.integer(600)])
            #expect(service.process.exit == nil)
            service.process.signal(SIGINT)
            #expect(try await service.process.exit() == .status(1))
            try await eventually("the last line") { service.log("told to stop a second time, and ended at once").count == 1 }
        }
    }

    @Test("When it has drained it closes the socket, and answers those who wait for something as things stand")
    func drained() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--drain-seconds", "1", "--trainer", "worker")
            let key = try await stage.key()
            let id = try await service.client(key).create(name: "Nova").id
            let exchange = try await rawExchange(.port(service.port)) { writer in
                try await writer.write(Self.get("/v2/personas/\(id)?wait=60", key))
                try await eventually("the wait") {
                    try await service.client().get("/metrics").text.contains("\npersonas_http_waits 1\n")
                }
                service.process.signal(SIGTERM)
            }
            #expect(exchange.statuses == [200] && Self.closes(exchange) && exchange.body.contains(#""status":"processing""#))
            #expect(try await service.process.exit() == .status(0))
            #expect(!isListening(port: service.port))
            let times = ["stopping", "stopped"].compactMap { service.log($0).first?["time"]?.string }
            let dates = times.compactMap { try? Date($0, strategy: .iso8601.year().month().day().time(includingFractionalSeconds: true)) }
            #expect(dates.count == 2 && dates[1].timeIntervalSince(dates[0]) >= 0.99)
        }
    }

    @Test("A second signal ends it at once also where requests have their grace")
    func secondSignal() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--grace-seconds", "600")
            let key = try await stage.key()
            let head = "POST /v2/personas HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(key.secret)\r\nContent-Type: application/json\r\n"
            let exchange = try await rawExchange(.port(service.port)) { writer in
                try await writer.write(head + "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
                try await writer.awaitAnswer("100 Continue")
                service.process.signal(SIGINT)
                try await eventually("the end of the socket") { !isListening(port: service.port) }
                #expect(service.process.exit == nil)
                service.process.signal(SIGINT)
            }
            #expect(exchange.statuses == [100] && exchange.wasClosed)
            #expect(try await service.process.exit() == .status(1))
            // Nothing is in the way of the next.
            let next = try await stage.serve()
            #expect(try await next.client(key).all("/v2/personas").isEmpty)
        }
    }

    /// `script` of util-linux, which gives a program a terminal.
    static let scriptPath = ["/usr/bin/script"].first(where: FileManager.default.isExecutableFile)

    @Test("On a terminal it logs text and stops at once, elsewhere JSON after a while", .enabled(if: scriptPath != nil))
    func terminal() async throws {
        try await Stage.run { stage in
            let script = try #require(Self.scriptPath)
            let command = "\(try BuiltBinary.path()) config"
            let onTerminal = try stage.start(program: script, ["-qec", command, "/dev/null"], environment: ["TERM": "dumb"])
            #expect(try await onTerminal.exit() == .status(0))
            let elsewhere = try await stage.bareCommand("config")
            for (output, format, seconds) in [(onTerminal.standardOutput, "text", "0"), (elsewhere.output, "json", "5")] {
                #expect(output.contains(try Regex("log-format +\(format) +default")), "\(output)")
                #expect(output.contains(try Regex("drain-seconds +\(seconds) +default")), "\(output)")
            }
            let service = try await stage.serve("--host", "0.0.0.0")
            let line = try #require(service.log("listening").first)
            #expect(line["data"]?.string == stage.data && line["host"] == "0.0.0.0" && line["version"]?.string?.hasPrefix("1.") == true)
            #expect(service.process.standardError.contains(#""level":"warning","message":"links in answers lead to this machine"#))
        }
    }
}
