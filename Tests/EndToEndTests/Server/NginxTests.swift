import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Personas
import TestImages
import TestSupport
import Testing

/// The service behind nginx, set up as `http/samples/nginx.conf` says.
@Suite("Behind nginx", .serialized, .timeLimit(.minutes(10)))
struct NginxTests {
    /// A service behind nginx, and a key.
    private struct Scene {
        let stage: Stage
        let service: RunningService
        let nginx: Nginx
        let key: Key

        /// The line of the service's log for a request.
        func logged(_ requestID: String) async throws -> JSONValue {
            try await eventually("a line of the service's log for \(requestID)") {
                service.log("request").first { $0["request_id"]?.string == requestID }
            }
        }

        /// Expects an error that nginx has made by itself, and that the service knows nothing of.
        func expectOwn(_ answer: ClientAnswer, _ status: Int, _ code: String, sourceLocation: SourceLocation = #_sourceLocation)
            async throws
        {
            let location = sourceLocation
            #expect(answer.status == status && answer.code == code, "\(answer.status) \(answer.text)", sourceLocation: location)
            #expect(answer.header("Content-Type") == "application/json", sourceLocation: location)
            let id = try #require(answer.header("X-Request-Id"), sourceLocation: location)
            #expect(Identifier(id) != nil && answer.json["request_id"]?.string == id, sourceLocation: location)
            #expect(try await nginx.logged(id)["status"] == .integer(status), sourceLocation: location)
            #expect(!service.log("request").contains { $0["request_id"]?.string == id }, sourceLocation: location)
        }
    }

    private static func run(_ flags: String..., body: (Scene) async throws -> Void) async throws {
        try await Stage.run { stage in
            let ports = try Nginx.Ports()
            let service = try await stage.serve(ports.flags + flags)
            let nginx = try await Nginx.start(on: stage, ports, before: service.port)
            try await body(Scene(stage: stage, service: service, nginx: nginx, key: try await stage.key()))
        }
    }

    /// A create with three large images, of exactly so many bytes.
    private static func create(_ name: String, byteCount: Int) -> [UInt8] {
        let images = Picture.largest.map { "\"\(Picture.base64($0))\"" }.joined(separator: ",")
        let body = Array("{\"name\":\"\(name)\",\"image_base64s\":[\(images)]".utf8)
        return body + [UInt8](repeating: UInt8(ascii: " "), count: byteCount - body.count - 1) + Array("}".utf8)
    }

    @Test("The largest body is taken; one more byte is refused by nginx, a larger image by the service", arguments: [true, false])
    func bodies(isHTTP2: Bool) async throws {
        try await Self.run { scene in
            try await scene.nginx.withClient(scene.key, version: isHTTP2 ? .automatic : .http1Only) { client in
                func create(_ name: String, byteCount: Int) async throws -> ClientAnswer {
                    try await client.send(
                        .POST, "/v2/personas", headers: [("Content-Type", "application/json")],
                        body: Self.create(name, byteCount: byteCount))
                }
                let created = try await create("Largest", byteCount: 67_108_864)
                try #require(created.status == 201, "\(created.status) \(created.text)")
                #expect(created.header("Location") == "\(scene.nginx.address)/v2/personas/\(try created.id)")
                try await scene.expectOwn(try await create("Larger", byteCount: 67_108_865), 413, "PAYLOAD_TOO_LARGE")

                let form = MultipartForm([("name", "Nova")], images: Picture.three() + [Picture.png(byteCount: 10_485_761)])
                let refused = try await client.send(.POST, "/v2/styles", headers: [("Content-Type", form.contentType)], body: form.bytes)
                #expect(refused.status == 400, "four images are told of by the service: \(refused.text)")
                let images = [Picture.png(byteCount: 10_485_761)] + Picture.three().dropLast()
                let large = MultipartForm([("name", "Nova")], images: images)
                let answer = try await client.send(.POST, "/v2/styles", headers: [("Content-Type", large.contentType)], body: large.bytes)
                #expect(answer.status == 413 && answer.code == "IMAGE_TOO_LARGE", "\(answer.text)")
                #expect(try await scene.logged(try #require(answer.header("X-Request-Id")))["status"] == 413)
                #expect(scene.nginx.files.isEmpty, "nothing of a photograph is left, or was ever, in a file of nginx's")
            }
        }
    }

    @Test("A stranger's upload is refused by its header, whatever comes behind it", arguments: [true, false])
    func strangers(isHTTP2: Bool) async throws {
        try await Self.run { scene in
            try await scene.nginx.withClient(version: isHTTP2 ? .automatic : .http1Only) { client in
                let body = [UInt8](repeating: 0x20, count: 60_000_000)
                for _ in 0..<3 {
                    let answer = try await client.send(.POST, "/v2/personas", headers: [("Content-Type", "application/json")], body: body)
                    #expect(answer.status == 401 && answer.code == "MISSING_API_KEY", "\(answer.status) \(answer.text)")
                    let line = try await scene.logged(try #require(answer.header("X-Request-Id")))
                    #expect(line["bytes_in"] == 0)
                    let own = try await scene.nginx.logged(try #require(answer.header("X-Request-Id")))
                    #expect(own["protocol"] == (isHTTP2 ? "HTTP/2.0" : "HTTP/1.1"))
                    #expect(try #require(own["bytes_in"]?.integer) < body.count / 2, "nginx does not read on for a service that does not")
                }
            }
        }
    }

    @Test("A request has one id and one address in both logs, and neither can be forged")
    func identity() async throws {
        try await Self.run { scene in
            try await scene.nginx.withClient(scene.key, from: "127.0.0.2") { client in
                let forged = [("X-Request-Id", "forged"), ("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "127.0.0.1")]
                for target in ["/v2/me", "/v2/personas/none", "/v2/personas?q=nova"] {
                    let answer = try await client.get(target, headers: forged)
                    let id = try #require(answer.header("X-Request-Id"))
                    #expect(Identifier(id) != nil, "a UUID: \(id)")
                    #expect(answer.status == 200 || answer.json["request_id"]?.string == id)
                    let (own, line) = (try await scene.nginx.logged(id), try await scene.logged(id))
                    #expect(line["address"] == "127.0.0.2" && own["address"] == "127.0.0.2")
                    #expect(line["status"] == own["status"])
                }
                let log = try scene.nginx.log.description + scene.service.process.standardError
                #expect(!log.contains("198.51.100.7") && !log.contains("forged") && !log.contains("nova"))
            }
        }
    }

    @Test("A read that waits is held, and answered by the change")
    func wait() async throws {
        try await Self.run("--trainer", "worker") { scene in
            let trainer = scene.service.client(try await scene.stage.key(account: "trainers", scopes: "trainer"))
            try await scene.nginx.withClient(scene.key) { client in
                let id = try await client.create(name: "Nova").id
                let early = try await client.get("/v2/personas/\(id)?wait=2")
                #expect(early.status == 200 && early.json["status"] == "processing", "the time is over: as things stand")
                async let held = client.get("/v2/personas/\(id)?wait=60")
                try await eventually("the request waits") {
                    try await trainer.get("/metrics").text.contains("\npersonas_http_waits 1\n")
                }
                let job = try await trainer.post("/v2/training/lease", [:]).json
                let end = "/v2/training/\(try #require(job["job_id"]?.string))/complete"
                #expect(try await trainer.post(end, ["lease_token": try #require(job["lease_token"])]).status == 200)
                let answer = try await held
                #expect(answer.status == 200 && answer.json["status"] == "completed", "\(answer.status) \(answer.text)")
            }
        }
    }

    @Test("Links lead back through nginx, with ranges, tags that can be demanded, and pages")
    func links() async throws {
        try await Self.run { scene in
            try await scene.nginx.withClient(scene.key) { client in
                let images = Picture.three(seed: 7)
                let id = try await client.create(name: "Nova", seed: 7).id
                let item = try await client.get("/v2/personas/\(id)?wait=60", headers: [("Accept-Encoding", "gzip, br")])
                #expect(item.header("Content-Encoding") == nil)
                let tag = try #require(item.header("ETag"))
                #expect(tag.hasPrefix("\"v"), "a strong one: \(tag)")
                #expect(try await client.get("/v2/personas/\(id)", headers: [("If-None-Match", tag)]).status == 304)
                let target = "/v2/personas/\(id)"
                let change = try await client.send(.PATCH, target, json: ["name": "Vega"], headers: [("If-Match", tag)])
                #expect(change.status == 200, "\(change.text)")
                #expect(
                    try await client.send(.PATCH, target, json: ["name": "Nova"], headers: [("If-Match", tag)]).code
                        == "PRECONDITION_FAILED")

                var anyone = client
                anyone.key = nil
                for (link, image) in zip(try #require(item.json["reference"]?.array), images) {
                    let url = try #require(link.string)
                    #expect(url.hasPrefix("\(scene.nginx.address)/media/"), "\(url)")
                    let whole = try await anyone.get(url)
                    #expect(whole.body == image && whole.header("Content-Type") == "image/png")
                    let part = try await anyone.get(url, headers: [("Range", "bytes=10-19")])
                    #expect(part.status == 206 && part.body == Array(image[10..<20]))
                    #expect(part.header("Content-Range") == "bytes 10-19/\(image.count)")
                    let same = try await anyone.get(url, headers: [("If-None-Match", try #require(whole.header("ETag")))])
                    #expect(same.status == 304)
                }
                _ = try await client.create(name: "Lyra", seed: 8)
                let page = try await client.get("/v2/personas?limit=1")
                let next = try #require(page.header("Link")?.split(separator: ">").first?.dropFirst())
                #expect(next.hasPrefix(scene.nginx.address))
                #expect(try await client.get(String(next)).json["data"]?[0]?["name"] == "Vega")
            }
        }
    }

    @Test("What nginx answers by itself has the form of the service's errors")
    func ownAnswers() async throws {
        try await Self.run { scene in
            try await scene.nginx.withClient(scene.key, version: .http1Only) { client in
                for target in ["/metrics", "/metrics/", "/%6detrics", "//metrics", "/metrics?x", "/.personas/bad-request"] {
                    try await scene.expectOwn(try await client.get(target), 404, "NOT_FOUND")
                }
                try await scene.expectOwn(try await client.send(.TRACE, "/v2/personas"), 405, "METHOD_NOT_ALLOWED")
                let long = String(repeating: "a", count: 9_000)
                try await scene.expectOwn(try await client.get("/healthz", headers: [("X-A", long)]), 400, "VALIDATION_ERROR")
                try await scene.expectOwn(try await client.get("/" + long), 400, "VALIDATION_ERROR")

                let plain = try await client.send(.POST, "\(scene.nginx.plainAddress)/v2/personas?a=b", json: [:])
                #expect(plain.status == 308 && plain.header("Location") == "https://\(Nginx.host)/v2/personas?a=b")
                #expect(plain.header("Server") == "nginx", "which version it is is nobody's business")
                let challenge = "/.well-known/acme-challenge/token"
                let file = URL(fileURLWithPath: "\(scene.stage.folder)/nginx/www\(challenge)")
                try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data("proof".utf8).write(to: file)
                #expect(try await client.get(scene.nginx.plainAddress + challenge).text == "proof", "certificates can be renewed")
                let answer = try await client.get("/v2/me")
                #expect(answer.header("Strict-Transport-Security") != nil && answer.header("Server") == "nginx")
            }
        }
    }

    @Test("A service that is down was told nothing, which the answer says; one that breaks off may have done it")
    func noAnswer() async throws {
        try await Self.run { scene in
            try await scene.nginx.withClient(scene.key) { client in
                #expect(try await scene.service.stop() == .status(0))
                let down = try await client.post("/v2/personas", ["name": "Nova"])
                try await scene.expectOwn(down, 502, "SERVICE_UNAVAILABLE")
                #expect(down.header("Retry-After") == "5")
            }
        }
        for (ruling, status) in [(Gateway.Ruling.cut, 502), (.stall, 504)] {
            try await Stage.run { stage in
                let (ports, service) = (try Nginx.Ports(), try await stage.serve())
                try await Gateway.run(to: service.port) { _, _ in
                    ruling
                } _: { gateway in
                    // What never answers is waited for for a second, and not for longer than any answer takes.
                    let nginx = try await Nginx.start(
                        on: stage, ports, before: gateway.port, changes: ["proxy_read_timeout 75s;": "proxy_read_timeout 1s;"])
                    try await nginx.withClient { client in
                        let answer = try await client.post("/v2/personas", ["name": "Nova"])
                        #expect(answer.status == status && answer.code == "INTERNAL_ERROR", "\(answer.status) \(answer.text)")
                        #expect(answer.header("Retry-After") == nil && answer.json["request_id"]?.string == answer.header("X-Request-Id"))
                    }
                }
            }
        }
    }

    @Test(
        "A stream is passed on as it comes, by its address or because it says so",
        arguments: ["/v2/events", "/v2/personas/1/events", "/v2/export"])
    func streams(target: String) async throws {
        try await Stage.run { stage in
            let (ports, service) = (try Nginx.Ports(), try await stage.serve())
            let (parts, said) = AsyncStream.makeStream(of: String.self)
            try await Gateway.run(to: service.port) { _, _ in
                .parts(parts)
            } _: { gateway in
                let nginx = try await Nginx.start(on: stage, ports, before: gateway.port)
                try await nginx.withClient { client in
                    let isNamed = target.hasSuffix("/events")
                    said.yield(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\(isNamed ? "" : "X-Accel-Buffering: no\r\n")\r\ndata: 1\n\n"
                    )
                    let received = Shared("")
                    let reading = Task {
                        let answer = try await client.http.execute(HTTPClientRequest(url: client.base + target), deadline: .distantFuture)
                        for try await part in answer.body { received.withLock { $0 += String(buffer: part) } }
                    }
                    for number in 1...3 {
                        try await eventually("event \(number)") { received.value.hasSuffix("data: \(number)\n\n") }
                        said.yield("data: \(number + 1)\n\n")
                    }
                    said.finish()
                    try await bounded("the end of the stream") { try await reading.value }
                    #expect(received.value == "data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n")
                }
            }
        }
    }

    @Test("One address has a hundred requests at once, and others go on")
    func crowd() async throws {
        try await Self.run("--trainer", "worker") { scene in
            try await scene.nginx.withClient(scene.key, version: .http1Only, from: "127.0.0.3") { client in
                let id = try await client.create(name: "Nova").id
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<100 { group.addTask { try await client.get("/v2/personas/\(id)?wait=60").status } }
                    try await eventually("all wait") {
                        try await scene.service.client().get("/metrics").text.contains("\npersonas_http_waits 100\n")
                    }
                    let refused = try await client.get("/v2/me")
                    try await scene.expectOwn(refused, 429, "TOO_MANY_REQUESTS")
                    #expect(refused.header("Retry-After") == "1")
                    try await scene.nginx.withClient(scene.key, from: "127.0.0.4") { other in
                        let me = try await other.get("/v2/me")
                        #expect(me.status == 200, "\(me.text)")
                    }
                    #expect(try await scene.service.stop() == .status(0), "which has all who wait answered")
                    for try await status in group { #expect(status == 200) }
                }
            }
        }
    }
}
