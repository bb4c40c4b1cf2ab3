import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Personas
import TestImages
import TestSupport
import Testing

/// Nothing that the product writes or says holds a secret, whatever callers and operators put where it does not belong.
///
/// The environment of a process is not searched: it is where an operator is told to put a key, and only the process's own user can read it.
@Suite("Secrets", .timeLimit(.minutes(10)))
struct SecretsTests {
    private static let email = "canary.person@mail.example"
    private static let signature = "CANARYSIGNATUREf00dfeedf00dfeed"
    private static let password = "CANARYPASSWORD0123"
    private static let unknownKey = "pkz_CANARYUNKNOWN0123456789abcdefghijk012345"
    private static let malformedKey = "sk_live_CANARYMALFORMED0123456789"
    private static let falKey = "canary-fal-id:CANARYFALSECRET0123"
    private static let paymentSecret = "whsec_CANARYPAYMENTSECRETcanarypayment"
    /// Secrets of the operator's, given where they are easiest to see.
    private static let secretFlags = [
        "--fal-key", falKey, "--credits", "on", "--persona-price", "0", "--style-price", "0", "--payment-url", "http://127.0.0.1:1/",
        "--payment-secret=\(paymentSecret)",
    ]

    @Test("No log, answer, file, command or process shows one", arguments: ["json", "text"])
    func everything(logFormat: String) async throws {
        try await LocalImageServer.run({ path in
            if path.hasPrefix("/missing") { return .content(Picture.png(), status: 404) }
            if path.hasPrefix("/moved") { return .redirect("http://127.0.0.1:1/?X-Signature=\(Self.signature)") }
            return path.hasPrefix("/page") ? .content(Array(Self.signature.utf8), type: "text/html") : .content(Picture.png(seed: 90))
        }) { images in
            try await Stage.run { stage in
                let search = SecretSearch()
                let flags = ["--log-level", "trace", "--log-format", logFormat, "--trainer", "worker", "--development-downloads"]
                let service = try await stage.serve(flags + Self.secretFlags)
                let (key, trainer) = try await Self.keys(stage, search)
                try await Self.callRightly(service, key, images, search)
                try await Self.callWrongly(service, key, images, search)
                try await Self.train(stage, service, key, trainer, logFormat, search)
                try await Self.administer(stage, key, search)
                search.add(service.process, as: "the server")
                try search.add(dataFolder: stage.data)
                #expect(try await service.stop() == .status(0))
                search.add(.record, "the server's log to its end", service.process.standardError.utf8)
                try search.add(dataFolder: stage.data)

                #expect(search.leaks == [])
                // What was searched holds what it should, so that the search cannot have been blind.
                #expect(search.textCount > 200)
                #expect(search.count(of: #""code":"TOO_MANY_REQUESTS""#.utf8) == 0, "every call was looked at")
                #expect(search.count(of: key.secret.utf8.prefix(8)) >= 2, "the key is recognised in its list and in the database")
                #expect(search.count(of: "/v2/personas/{id}".utf8) >= 1, "the log tells of requests")
                #expect(search.count(of: "Canary Persona".utf8) >= 2, "answers and the database have the item")
            }
        }
    }

    /// Issues the keys of the test and has every other secret searched for.
    private static func keys(_ stage: Stage, _ search: SecretSearch) async throws -> (key: Key, trainer: Key) {
        let (key, trainer) = (try await stage.key(), try await stage.key(account: "trainers", scopes: "trainer"))
        search.hide("the caller's key", key: key)
        search.hide("the worker's key", key: trainer)
        for (what, secret) in [
            ("the signature of a URL", signature), ("a password in a URL", password), ("an e-mail address", email),
            ("an unknown key", unknownKey), ("a malformed key", malformedKey), ("the key of fal", falKey),
            ("the secret of the payment service", paymentSecret),
        ] {
            search.hide(what, secret.utf8)
        }
        // The middle of a picture, as it is sent and as it is decoded.
        let picture = Picture.three(seed: 70)[0]
        search.hide("the base64 of an image", Picture.base64(picture).utf8.dropFirst(120).prefix(40))
        search.hide("the pixels of an image", picture[90..<120])
        search.hide("what a user wrote", "canary instructions".utf8, .callersAndDatabase)
        search.hide("the name of an item", "Canary Persona".utf8, .callersAndDatabase)
        return (key, trainer)
    }

    private static func callRightly(_ service: RunningService, _ key: Key, _ images: LocalImageServer, _ search: SecretSearch) async throws
    {
        let client = service.client(key)
        let pictures = JSONValue.array(Picture.three(seed: 70).map { .string(Picture.dataURL($0)) })
        let created = try await client.post(
            "/v2/personas",
            ["name": "Canary Persona", "image_base64s": pictures, "special_instructions": "canary instructions"])
        try #require(created.status == 201, "\(created.text)")
        search.add(created, to: "a create with data URLs")
        let signed = (1...3).map { JSONValue.string(images.url("/\($0).png?X-Signature=\(signature)&user=\(email)")) }
        let fetched = try await client.post("/v2/styles", ["name": "Signed", "image_urls": .array(signed)])
        try #require(fetched.status == 201, "\(fetched.text)")
        search.add(fetched, to: "a create with signed URLs")
        let id = try created.id
        for path in ["/v2/personas/\(id)", "/v2/pikzonality", "/v2/personas?limit=1", "/healthz", "/readyz", "/metrics"] {
            // There may be no metrics, which is an answer as any other.
            search.add(try await client.get(path), to: path)
        }
        search.add(try await client.patch("/v2/personas/\(id)", ["special_instructions": "canary instructions, changed"]), to: "a change")
    }

    /// Puts keys and other secrets where they do not belong.
    private static func callWrongly(_ service: RunningService, _ key: Key, _ images: LocalImageServer, _ search: SecretSearch) async throws
    {
        let client = service.client(key)
        let keyless = service.client()
        for secret in [key.secret, unknownKey, malformedKey, email] {
            let paths = [
                "/v2/personas?api_key=\(secret)", "/v2/personas?X-Api-Key=\(secret)&sort=\(secret)&cursor=\(secret)&limit=\(secret)",
                "/v2/personas/\(secret)", "/v2/\(secret)/personas", "/\(secret)", "/media/\(secret)", "/v2/training/\(secret)/heartbeat",
            ]
            for caller in [client, keyless] {
                for path in paths { search.add(try await caller.get(path), to: "a path with a secret") }
                search.add(try await caller.post("/v2/personas/\(secret)", [:]), to: "a secret as id")
            }
            for name in [
                "X-Api-Key", "Authorization", "Cookie", "User-Agent", "Referer", "X-Request-Id", "If-Match", "Range", "Content-Type",
            ] {
                for value in [secret, "Bearer \(secret)"] {
                    let answer = try await keyless.send(.POST, "/v2/personas", headers: [(name, value)], body: Array("{}".utf8))
                    search.add(answer, to: "a secret in \(name)")
                }
            }
            let bodies: [JSONValue] = [
                ["name": .string(secret), "image_base64s": [.string(secret)], "special_instructions": 1, "x": .string(secret)],
                ["name": "A", "image_urls": [.string(secret), .string("https://\(secret)"), .string("ftp://\(secret)")]],
                ["lease_token": .string(secret)], .string(secret),
            ]
            for body in bodies { search.add(try await client.post("/v2/personas", body), to: "a secret in the body") }
            for broken in ["{\"\(secret)\":", "{\"a\":\"\(secret)\u{1}\"}", secret] {
                let type = [("Content-Type", "application/json")]
                search.add(try await client.send(.POST, "/v2/personas", headers: type, body: Array(broken.utf8)), to: "broken JSON")
            }
            let raw = try await rawExchange(.port(service.port)) {
                try await $0.write("GET /\(secret) HTTP/1.1\r\nX \(secret): \(secret)\r\nHost: a\r\n\r\n")
            }
            search.add(.answerOrDatabase, "the answer to a broken head", raw.text.utf8)
        }
        let urls = [
            images.url("/missing?X-Signature=\(signature)"), images.url("/moved"), images.url("/page"),
            images.url("/\(email)?X-Signature=\(signature)", host: "user:\(password)@127.0.0.1"),
            images.url("/a?X-Signature=\(signature)", scheme: "ftp"), "http://127.0.0.1:1/?X-Signature=\(signature)",
        ]
        for url in urls {
            let body: JSONValue = ["name": "Refused", "image_urls": .array(Array(repeating: .string(url), count: 3))]
            let answer = try await client.post("/v2/personas", body)
            #expect((400...499).contains(answer.status), "\(answer.text)")
            search.add(answer, to: "a create with a URL that is refused")
        }
    }

    /// Trains one item by hand and the other with the command, whose key must not be seen while it waits.
    private static func train(
        _ stage: Stage, _ service: RunningService, _ key: Key, _ trainer: Key, _ logFormat: String, _ search: SecretSearch
    ) async throws {
        let caller = service.client(trainer)
        let lease = search.add(try await caller.post("/v2/training/lease", ["wait_seconds": 20]), to: "a lease")
        let (job, token) = (try #require(lease.json["job_id"]?.string), try #require(lease.json["lease_token"]?.string))
        search.hide("a lease token", token.utf8, .callersAndDatabase)
        for call in ["heartbeat", "complete", "complete"] {
            search.add(try await caller.post("/v2/training/\(job)/\(call)", ["lease_token": .string(token)]), to: call)
        }
        for arguments in [["--key", trainer.secret], ["--key=\(trainer.secret)"]] {
            let worker = try stage.start(
                ["worker", "--server", service.address, "--log-level", "trace", "--log-format", logFormat] + arguments, data: nil)
            try await eventually("a working worker", detail: { worker.standardError }) { worker.standardError.contains("working") }
            search.add(worker, as: "a worker")
            worker.signal(SIGTERM)
            #expect(try await worker.exit() == .status(0))
            search.add(worker, as: "a worker that was stopped")
        }
        let refused = try await stage.bareCommand("worker", "--once", "--server", service.address, "--key", unknownKey)
        #expect(refused.exit == .status(1))
        search.add(refused)
        for item in try await service.client(key).all("/v2/pikzonality") {
            for url in [item["portrait_url"]] + (item["reference"]?.array ?? []) {
                guard let url = url?.string else { continue }
                let token = try #require(url.split(separator: "/").last)
                #expect(token.wholeMatch(of: /[0-9a-f]{32}/) != nil, "128 random bits")
                search.hide("the token of a media URL", token.utf8, .callersAndDatabase)
                // The image itself is what it is for.
                #expect(try await service.client().get(url).status == 200)
            }
        }
    }

    private static func administer(_ stage: Stage, _ key: Key, _ search: SecretSearch) async throws {
        let commands = [
            ["keys", "list"], ["keys", "list", "--json"], ["keys", "disable", key.id], ["keys", "enable", key.id, "--json"],
            ["keys", "delete", key.secret], ["accounts", "list", "--json"], ["accounts", "show", key.secret], ["accounts", "show", email],
            ["names", "reserve", email], ["list", "--limit", "0"], ["show", key.secret], ["migrate", "status"],
            ["config", "--key", key.secret], ["config", "--json", "--key", key.secret], ["maintenance", "status"],
        ]
        for arguments in commands {
            let result = try await stage.command(arguments)
            // Commands that name what was not found repeat the operator's own words to the operator; nothing else may.
            if !arguments.contains(key.secret) && !arguments.contains(email) || arguments.first == "config" { search.add(result) }
        }
        try stage.write(Array("{\"key\":\"\(key.secret)\"}".utf8), to: "settings.json")
        search.add(try await stage.command("config", "--config", "settings.json"))
        search.add(try await stage.command("config", environment: ["PERSONAS_KEY": key.secret]))
        search.add(try await stage.command("config", "--json", "--config", "settings.json", environment: ["PERSONAS_KEY": key.secret]))
        let requests = [
            (ListKeys.name, try JSONEncoder().encode(ListKeys(accountName: nil))),
            (SetKeyState.name, try JSONEncoder().encode(SetKeyState(.disabled, id: key.secret))),
        ]
        for (operation, request) in requests {
            let url = try #require(URL(httpURLWithSocketPath: stage.data + "/admin.sock", uri: "/administration"))
            var call = HTTPClientRequest(url: url.absoluteString)
            call.method = .POST
            call.headers.add(name: "Personas-Operation", value: operation)
            call.body = .bytes(ByteBuffer(bytes: request))
            let response = try await HTTPClient.shared.execute(call, timeout: .seconds(20))
            let body = try await response.body.collect(upTo: 1_048_576)
            search.add(.record, "an answer of admin.sock", Array(buffer: body))
        }
    }
}
