import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// The server as a process: how it starts, what it logs, what it takes, how it ends.
@Suite("The server process", .timeLimit(.minutes(10)))
struct ServeTests {
    @Test("SIGTERM does not cut off a request under way; readiness ends at once, the process with 0")
    func gracefulStop() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let key = try await stage.key()
            let body = String(
                decoding: (["name": "In flight", "image_base64s": Picture.threeBase64(seed: 5)] as JSONValue).bytes, as: UTF8.self)
            let exchange = try await rawExchange(.port(service.port)) { writer in
                try await writer.write(Self.head(key, length: body.utf8.count))
                try await writer.awaitAnswer("100 Continue")
                try await writer.write(String(body.prefix(body.count / 2)))
                service.process.signal(SIGTERM)
                try await eventually("no more connections") { !isListening(port: service.port) }
                try await writer.write(String(body.dropFirst(body.count / 2)) + "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            }
            #expect(exchange.wasClosed)
            #expect(exchange.statuses == [100, 201, 503])
            #expect(exchange.body.contains("SERVICE_UNDER_MAINTENANCE"))
            #expect(try await service.process.exit(within: .seconds(20)) == .status(0))
            #expect(service.log("stopped").count == 1)
            let next = try await stage.serve()
            #expect(try await next.client(key).all("/v2/personas").map { $0["name"] } == ["In flight"])
        }
    }

    @Test("A client that drips its request does not hold up the stop beyond the grace period")
    func drippingClient() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--grace-seconds", "2")
            let key = try await stage.key()
            let clock = ContinuousClock()
            let exchange = try await rawExchange(.port(service.port)) { writer in
                try await writer.write(Self.head(key, length: 10_000))
                try await writer.awaitAnswer("100 Continue")
                service.process.signal(SIGTERM)
                while true {
                    try await writer.write(" ")
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
            let cut = clock.now
            #expect(exchange.wasClosed)
            #expect(exchange.statuses == [100])
            #expect(try await service.process.exit(within: .seconds(20)) == .status(1))
            #expect(clock.now - cut < .seconds(10))
            #expect(service.log("stopped").map { $0["requests_cut_off"] } == [.integer(1)])
            let lines = service.process.standardError.split(separator: "\n")
            #expect(lines.last == "personas: 1 request cut off (grace-seconds is 2)")
            #expect(!lines.contains { $0.contains("Error") }, "what the libraries say of being cancelled")
        }
    }

    @Test("A dripped request is cut off after its time, also while the server is not stopping")
    func drippingClientMeetsTheClock() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--request-read-seconds", "1")
            let key = try await stage.key()
            let exchange = try await rawExchange(.port(service.port), within: .seconds(30)) { writer in
                try await writer.write(Self.head(key, length: 10_000))
                while true {
                    try await writer.write(" ")
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
            #expect(exchange.wasClosed)
            #expect(try await service.client(key).get("/v2/personas").json["data"] == [])
        }
    }

    private static func head(_ key: Key, length: Int) -> String {
        """
        POST /v2/personas HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: \(key.secret)\r\nContent-Type: application/json\r\n\
        Expect: 100-continue\r\nContent-Length: \(length)\r\n\r\n
        """
    }

    @Test("Health and readiness need no key, and HEAD works wherever GET does")
    func health() async throws {
        let client = Client(base: try await SharedService.embedded.newcomer().base)
        for path in ["/healthz", "/readyz"] {
            let answer = try await client.get(path)
            #expect(answer.status == 200)
            #expect(answer.json == ["status": "ok"])
            let head = try await client.send(.HEAD, path)
            #expect(head.status == 200 && head.body.isEmpty)
        }
    }

    @Test("The log has one line for each request with its id, and never a key, an image, a query or a media token")
    func log() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--log-level", "trace")
            let key = try await stage.key()
            let client = service.client(key)
            let created = try await client.create(name: "Logged", seed: 11)
            let item = try await client.trained(try created.id)
            let url = try #require(item["portrait_url"]?.string)
            var answers = [created, try await client.get(url), try await client.get("/v2/personas?q=secretquery")]
            answers.append(try await client.get("/nowhere/secretpath"))
            answers.append(try await Client(base: service.address, key: "pkz_wrongkeywrongkeywrongkey").get("/v2/personas"))
            answers.append(try await client.post("/v2/personas", ["name": "Logged", "image_base64s": ["secretbase64", "x", "y"]]))
            answers.append(
                try await client.post(
                    "/v2/personas",
                    ["name": "Fetched", "image_urls": .array(Array(repeating: "https://127.0.0.1/secretfile?sig=secretsig", count: 3))]))
            #expect(try await service.stop() == .status(0))
            let lines = service.log("request")
            for answer in answers {
                let id = try #require(answer.header("X-Request-Id"))
                let own = lines.filter { $0["request_id"]?.string == id }
                #expect(own.count == 1)
                #expect(own.first?["status"] == .integer(answer.status))
                #expect(own.first?["duration_us"]?.integer ?? -1 >= 0)
                #expect(own.first?["address"] == "127.0.0.1")
                #expect(own.first?["bytes_out"] == .integer(answer.body.count))
                #expect(own.first?["code"]?.string == answer.code)
            }
            let text = service.process.standardError
            let secrets = [
                key.secret, "wrongkeywrong", "secret", try #require(url.split(separator: "/").last.map(String.init)),
                String(Picture.base64(Picture.three(seed: 11)[0]).prefix(60)),
            ]
            for secret in secrets { #expect(!text.contains(secret), "\(secret) is in the log") }
            for line in text.split(separator: "\n") { #expect((try? JSONValue(parsing: line.utf8)) != nil, "\(line) is no JSON") }
        }
    }

    @Test("Bodies made to crash or to bloat are refused, the process lives, and its memory stays within bounds")
    func hostileBodies() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            // A known decoder stops the process when the last of these bytes opens the 513th level.
            var bodies = (511...515).map { String(repeating: "[", count: $0) }
            bodies += ["{\"c\":", "[1,", "[ "].map { String(repeating: $0, count: 512) + "[" }
            // The same decoder takes a gigabyte for 40 MB of these.
            bodies.append("{\"x\":[\(String(repeating: "0,", count: 20_000_000))0]}")
            bodies.append("{\"x\":[\(String(repeating: "{},", count: 13_000_000)){}]}")
            for (index, body) in bodies.enumerated() {
                let answer = try await client.send(
                    .POST, "/v2/personas", headers: [("Content-Type", "application/json")], body: Array(body.utf8))
                #expect((answer.status, answer.code) == (400, "VALIDATION_ERROR"), "body \(index)")
                #expect(answer.fields == ["body"], "body \(index)")
            }
            let long = "{\"x\":\"\(String(repeating: "x", count: 40_000_000))\"}"
            let answer = try await client.send(
                .PATCH, "/v2/personas/\(UUID())", headers: [("Content-Type", "application/json")], body: Array(long.utf8))
            #expect(answer.status == 404)
            #expect(service.process.exit == nil)
            #expect(try await service.client().get("/readyz").status == 200)
            #expect(try service.peakMemoryBytes() < 400 * 1_024 * 1_024)
        }
    }

    @Test("A port that is taken is 69, and named")
    func portTaken() async throws {
        let taken = try #require(URLComponents(string: try await SharedService.embedded.newcomer().base)?.port)
        try await Stage.run { stage in
            let result = try await stage.command("serve", "--port", "\(taken)")
            #expect(result.exit == .status(69))
            #expect(result.error.contains("http://127.0.0.1:\(taken) is taken"), "\(result)")
        }
    }

    @Test("What is stored is closed to other users of the machine")
    func permissions() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            _ = try await service.client(try await stage.key()).create(name: "Private")
            func mode(_ path: String) throws -> Int? {
                let attributes = try FileManager.default.attributesOfItem(atPath: stage.data + path)
                return (attributes[.posixPermissions] as? NSNumber)?.intValue
            }
            #expect(try mode("") == 0o700)
            #expect(try mode("/personas.sqlite") == 0o600)
            #expect(try mode("/personas.sqlite-wal") == 0o600)
            #expect(try mode("/media") == 0o700)
            try await eventually("the socket") { FileManager.default.fileExists(atPath: stage.data + "/admin.sock") }
            #expect(try mode("/admin.sock") == 0o600)
            #expect(try await service.stop() == .status(0))
            #expect(!FileManager.default.fileExists(atPath: stage.data + "/admin.sock"))
        }
    }

    @Test("An image that lost its end on the disk ends with its connection, and is not made whole with the next answer")
    func shortenedImage() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            let item = try await client.trained(try await client.create(name: "Cut").id)
            let path = Ledger.path(of: try #require(item["portrait_url"]?.string))
            let files = try FileManager.default.subpathsOfDirectory(atPath: "\(stage.data)/media").filter { $0.utf8.count == 65 }
            try #require(files.count == 3)
            for file in files { #expect(truncate("\(stage.data)/media/\(file)", 50) == 0) }
            let get = "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n"
            let exchange = try await rawExchange(.port(service.port), within: .seconds(20)) { try await $0.write(get + get) }
            #expect(exchange.wasClosed)
            #expect(exchange.statuses == [200])
            #expect(try await service.client().get("/healthz").status == 200)
            try await eventually("the log line") { service.log("an image file is shorter than when it was stored").count == 1 }
        }
    }
}
