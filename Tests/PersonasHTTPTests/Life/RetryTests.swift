import ErrorEnvelope
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasDB
import TestImages
import TestSupport
import Testing

/// What is trained anew, on the same images and on others.
@Suite("Retrying", .serialized)
struct RetryTests {
    private static let error = TrainingError(code: .rejected, message: "No face")

    /// An item that has failed on its way.
    private static func failed(_ service: TestService, _ mode: Mode = .persona, _ name: String = "Nova") async throws -> String {
        let id = try await service.create(mode, name)
        let job = try await service.lease()
        _ = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 60)
        try await service.training.fail(job.id, token: job.leaseToken, error: error, retryable: false)
        return id
    }

    private static func images(_ seeds: ClosedRange<Int>) -> String { Picture.list(seeds.map { Picture.base64(Picture.png(seed: $0)) }) }

    /// The bytes of an item's reference images, as its links lead to them.
    private static func references(_ service: TestService, _ id: String) async throws -> [[UInt8]] {
        var bytes: [[UInt8]] = []
        for path in try await paths(service, id) { bytes.append(try await service.send(.get, path, key: .none).bytes) }
        return bytes
    }

    /// Where the images of an item lie, whatever its status.
    private static func paths(_ service: TestService, _ id: String) async throws -> [String] {
        let item = try await service.catalog.item(try #require(Identifier(id)), mode: nil, accountID: try await account(service))
        return item.referenceTokens.map { "/media/\($0.text)" }
    }

    @Test("begins anew under the same id, with all attempts and no progress", arguments: Mount.all)
    func retry(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await Self.failed(service, mount.mode)
            let before = try await service.send(.get, mount.item(id))
            #expect(before.string("status") == "failed")
            let answer = try await service.send(.post, "\(mount.item(id))/retry")
            answer.expect(200, mount.processing("Nova"))
            #expect(answer.headers[.eTag] == service.tag(4))
            let told = try await service.told()
            #expect(told.map(\.type).suffix(2) == ["\(mount.mode).failed", "\(mount.mode).retried"])
            #expect(told.last?.changed == ["status", "progress", "error"] && told.last?.requestID == answer.requestID)
            try await service.withoutTrace {
                try await service.send(.post, "\(mount.item(id))/retry").expect(
                    409, .conflict, "This \(mount.mode) has not failed; there is nothing to retry")
            }
            let job = try await service.lease()
            #expect(job.attempt == 1 && job.item.id.text == id)
            try await service.training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
            try await service.send(.get, mount.item(id)).expect(200, mount.completed("Nova"))
        }
    }

    @Test("trains on other images where some come, in each of the forms of a create, and on its own where none do")
    func images() async throws {
        try await TestService.run { service in
            let urls = (1...3).map { "https://a.test/\($0)" }
            for (number, url) in urls.enumerated() { service.fetcher.serve(url, Picture.png(seed: 20 + number)) }
            let id = try await Self.failed(service)
            let cases: [(body: TestBody?, form: MultipartForm?, seeds: ClosedRange<Int>)] = [
                (#"{}"#, nil, 1...3), (#"{"image_urls":null,"image_base64s":null,"name":7}"#, nil, 1...3),
                (TestBody(#"{"image_base64s":\#(Self.images(10...12)),"name":"Other","metadata":5}"#), nil, 10...12),
                (TestBody(#"{"image_urls":\#(Picture.list(urls))}"#), nil, 20...22),
                (nil, MultipartForm([("name", "Other")], images: (30...32).map { Picture.png(seed: $0) }), 30...32),
                (nil, MultipartForm([("name", "Other")], images: []), 30...32),
            ]
            for (body, form, seeds) in cases {
                let answer =
                    if let form {
                        try await service.send(form, to: "/v2/personas/\(id)/retry")
                    } else {
                        try await service.send(.post, "/v2/personas/\(id)/retry", body)
                    }
                answer.expect(200, Mount(mode: .persona, isTyped: true).processing("Nova"))
                // What the old images had is gone at once, and the bytes that nothing needs soon.
                _ = try await service.collect()
                #expect(try await service.mediaFiles().count == 3)
                #expect(try await Self.references(service, id) == seeds.map { Picture.png(seed: $0) })
                try await service.failTraining(Self.error)
            }
        }
    }

    @Test("leaves old links dead where other images came, and alive where none did")
    func links() async throws {
        try await TestService.run { service in
            let id = try await Self.failed(service)
            let paths = try await Self.paths(service, id)
            for path in paths { #expect(try await service.send(.get, path, key: .none).status == 200) }
            #expect(try await service.send(.post, "/v2/personas/\(id)/retry").status == 200)
            for path in paths { #expect(try await service.send(.get, path, key: .none).status == 200) }
            try await service.failTraining(Self.error)
            #expect(
                try await service.send(.post, "/v2/personas/\(id)/retry", TestBody(#"{"image_base64s":\#(Self.images(2...4))}"#)).status
                    == 200)
            for path in paths { try await service.send(.get, path, key: .none).expect(404, .notFound, "Not found") }
            #expect(try await service.collect() == 1)
        }
    }

    private static func account(_ service: TestService) async throws -> Identifier {
        try await service.storage.accounts.account(named: "studio").id
    }

    @Test("looks at form, then state, then images, and leaves no trace where one of them is wrong", arguments: Mount.all)
    func order(mount: Mount) async throws {
        try await TestService.run { service in
            let (id, busy) = (try await Self.failed(service, mount.mode), try await service.create(mount.mode, "Busy"))
            let urls = TestBody(#"{"image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#)
            try await service.withoutTrace {
                for path in [mount.item(id), mount.item(busy), mount.item(Identifier.random().text)] {
                    try await service.send(.post, "\(path)/retry", #"{"image_urls":["https://a.test/1"],"image_base64s":[]}"#)
                        .expectViolations([("image_urls", "Provide either image_urls or image_base64s, not both")])
                    try await service.send(.post, "\(path)/retry", #"{"image_base64s":["A"]}"#)
                        .expectViolations([("image_base64s", "image_base64s must hold exactly 3 images")])
                    try await service.send(MultipartForm([], images: [Picture.png()]), to: "\(path)/retry")
                        .expectViolations([("image", "image must be given exactly 3 times, each time with one image")])
                }
                // Nothing is fetched for what is not to be trained anew.
                #expect(try await service.send(.post, "\(mount.item(busy))/retry", urls).status == 409)
                #expect(try await service.send(.post, "\(mount.item(Identifier.random().text))/retry", urls).status == 404)
            }
            #expect(service.fetcher.fetched.isEmpty)
            let bad = try await service.send(.post, "\(mount.item(id))/retry", #"{"image_base64s":["A","B","C"]}"#)
            #expect(bad.status == 400)
            #expect(try bad.envelope.error.code == .invalidImage)
            let other = TestBody(#"{"image_base64s":\#(Self.images(7...9))}"#)
            let refused = try await service.send(.post, "\(mount.item(id))/retry", other, headers: [.ifMatch: service.tag(1)])
            #expect(refused.status == 412)
            _ = try await service.collect()
            #expect(try await service.mediaFiles().count == 3)
            #expect(try await service.send(.post, "\(mount.item(id))/retry", other, headers: [.ifMatch: service.tag(3)]).status == 200)
        }
    }

    @Test("counts towards the quota what the account has afterwards")
    func quota() async throws {
        try await TestService.run { service in
            let id = try await Self.failed(service)
            let used = (1...3).reduce(0) { $0 + Picture.png(seed: $1).count }
            let larger = (1...3).map { PNG.noise(width: 40, height: 40, seed: UInt64($0)) }
            let size = larger.reduce(0) { $0 + $1.count }
            func setQuota(_ bytes: Int) async throws {
                _ = try await service.administration.perform(
                    ChangeQuota(QuotaChange(items: .max(1), storedBytes: .max(bytes)), accountName: "studio"))
            }
            let body = TestBody(#"{"image_base64s":\#(Picture.list(larger.map { Picture.base64($0) }))}"#)
            try await setQuota(size - 1)
            let message = "\(used) of \(size - 1) bytes are used, and these images have \(size - used) more than those that they replace"
            try await service.withoutTrace {
                try await service.send(.post, "/v2/personas/\(id)/retry", body).expect(
                    403, .quotaExceeded, "The quota of the account is used up: \(message)",
                    details: #"{"field":"stored_bytes","message":"\#(message)","limit":\#(size - 1),"used":\#(used)}"#)
            }
            try await setQuota(size)
            #expect(try await service.send(.post, "/v2/personas/\(id)/retry", body).status == 200)
            let usage = try await service.catalog.usage(accountID: try await Self.account(service))
            #expect(usage.storedBytes == size && usage.items == 1)
            // An account above its quota may still train on what it has, or on less.
            try await setQuota(1)
            try await service.failTraining(Self.error)
            #expect(try await service.send(.post, "/v2/personas/\(id)/retry").status == 200)
            try await service.failTraining(Self.error)
            #expect(
                try await service.send(.post, "/v2/personas/\(id)/retry", TestBody(#"{"image_base64s":\#(Self.images(1...3))}"#)).status
                    == 200)
            #expect(try await service.catalog.usage(accountID: try await Self.account(service)).storedBytes == used)
        }
    }

    @Test("is done once under an idempotency key; no body and an empty object are the same request")
    func idempotent() async throws {
        try await TestService.run { service in
            let id = try await Self.failed(service)
            let path = "/v2/personas/\(id)/retry"
            let first = try await service.send(.post, path, headers: TestService.key("k"))
            #expect(first.status == 200)
            try await service.failTraining(Self.error)
            for body in [nil, "{}"] as [TestBody?] {
                let again = try await service.send(.post, path, body, headers: TestService.key("k"))
                #expect(again.bytes == first.bytes && again.header("Idempotent-Replayed") == "true")
            }
            let other = TestBody(#"{"image_base64s":\#(Self.images(4...6))}"#)
            #expect(try await service.send(.post, path, other, headers: TestService.key("k")).status == 422)
            #expect(try await service.send(.get, "/v2/personas/\(id)").string("status") == "failed")
        }
    }

    @Test("takes a body in chunks without a byte for none, and asks for its type with the first byte, as every call that needs no body")
    func emptyChunks() async throws {
        try await TestService.run(.live) { service in
            let port = try #require(service.client.port)
            let id = try await Self.failed(service)
            let (retry, cancel) = ("/v2/personas/\(id)/retry", "/v2/personas/\(id)/cancel")
            func send(_ path: String, _ chunks: String) async throws -> Answer {
                let head = "POST \(path) HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(service.key)\r\nConnection: close\r\n"
                return try #require(
                    try await rawExchange(.port(port), sending: head + "Transfer-Encoding: chunked\r\n\r\n" + chunks).answers.first)
            }
            try await service.withoutTrace {
                for path in [retry, cancel] {
                    let answer = try await send(path, "2\r\n{}\r\n0\r\n\r\n")
                    #expect(try answer.status == 415 && answer.envelope.error.code == .unsupportedMediaType)
                }
            }
            #expect(try await send(retry, "0\r\n\r\n").string("status") == "processing")
            #expect(try await send(cancel, "0\r\n\r\n").string("status") == "failed")
            try await service.send(.delete, "/v2/personas/\(id)?to=trash")
            #expect(try await send("/v2/trash/\(id)/restore", "0\r\n\r\n").string("status") == "failed")
            #expect(try await send("/v2/personas/\(id)/revisions/1/restore", "0\r\n\r\n").string("status") == "failed")
        }
    }

    @Test("of two at once one begins it")
    func twoAtOnce() async throws {
        try await TestService.run { service in
            for round in 0..<10 {
                let id = try await Self.failed(service, .persona, "Nova \(round)")
                let body = TestBody(#"{"image_base64s":\#(Self.images(4...6))}"#)
                async let first = service.send(.post, "/v2/personas/\(id)/retry", body)
                async let second = service.send(.post, "/v2/pikzonality/\(id)/retry")
                #expect(try await [first.status, second.status].sorted() == [200, 409])
                try await service.train()
            }
        }
    }
}
