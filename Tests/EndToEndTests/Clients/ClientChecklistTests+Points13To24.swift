import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

extension ClientChecklistTests {
    @Test("13. error is always an object")
    func errorIsObject() async throws {
        let client = try await SharedService.embedded.newcomer()
        let stranger = Client(base: client.base)
        let broken = try await client.send(
            .POST, "\(Self.path)/persona", headers: [("Content-Type", "application/json")], body: Array("{".utf8))
        let form = try await client.send(
            .POST, "\(Self.path)/persona", headers: [("Content-Type", "application/x-www-form-urlencoded")], body: Array("name=x".utf8))
        let answers = [
            try await stranger.get(Self.path), try await Client(base: client.base, key: "abc").get(Self.path),
            try await Client(base: client.base, key: "pkz_unknown").get(Self.path), try await client.get("\(Self.path)/nothing"),
            try await client.get("/v2/personas/nothing"), try await client.get("/nowhere"), try await client.send(.PUT, Self.path), broken,
            form,
            try await client.get("\(Self.path)?limit=0"), try await client.post("\(Self.path)/persona", [1]),
            try await client.post("\(Self.path)/persona", ["name": "x", "image_base64s": ["!", "!", "!"]]),
        ]
        #expect(answers.map(\.status) == [401, 401, 401, 404, 400, 404, 405, 400, 415, 400, 400, 400])
        for answer in answers {
            #expect(answer.header("Content-Type") == "application/json")
            #expect(answer.json.names == ["error", "request_id"])
            #expect(answer.json["request_id"]?.string == answer.header("X-Request-Id"))
            #expect(answer.code?.isEmpty == false)
            #expect(answer.message?.isEmpty == false)
        }
        // What no route ever sees is answered in the same form.
        let port = try #require(URLComponents(string: client.base)?.port)
        let raw = try await rawExchange(.port(port)) { try await $0.write("NOT HTTP\r\n\r\n") }
        #expect(raw.statuses == [400])
        #expect(try JSONValue(parsing: raw.body.utf8)["error"]?["code"] == "VALIDATION_ERROR")
    }

    @Test("14. The text of a duplicate names the kind and what is wrong", arguments: ["persona", "style"])
    func duplicate(_ mode: String) async throws {
        let client = try await SharedService.embedded.newcomer()
        let first = try await client.post("\(Self.path)/\(mode)", ["name": "Fourteen", "image_base64s": Picture.threeBase64()])
        let second = try await client.post("\(Self.path)/\(mode)", ["name": " fourTEEN ", "image_base64s": Picture.threeBase64()])
        let text = "A \(mode) with this name already exists"
        #expect(second.status == 409)
        #expect(
            second.json["error"] == [
                "code": "NAME_ALREADY_EXISTS", "message": .string(text),
                "details": [["field": "name", "message": .string(text), "id": .string(try first.id)]],
            ])
        let other = mode == "persona" ? "style" : "persona"
        #expect(try await client.post("\(Self.path)/\(other)", ["name": "Fourteen", "image_base64s": Picture.threeBase64()]).status == 200)
    }

    @Test("15. CANNOT_DELETE_PROCESSING is 400 with \"still processing\"", arguments: ["persona", "style"])
    func deleteWhileProcessing(_ mode: String) async throws {
        let client = try await SharedService.idle.newcomer()
        let id = try await client.create(mode, name: "Fifteen").id
        for target in ["\(Self.path)/\(id)", "/v2/\(mode)s/\(id)"] {
            let answer = try await client.delete(target)
            #expect(answer.status == 400)
            #expect(answer.code == "CANNOT_DELETE_PROCESSING")
            #expect(answer.message == "This \(mode) is still processing")
        }
        #expect(try await client.get("\(Self.path)/\(id)").status == 200)
    }

    @Test("16. An unknown or malformed id is 404 on the pikzonality surface, also on a second DELETE")
    func unknownIdentifiers() async throws {
        let client = try await SharedService.embedded.newcomer()
        let id = try await client.create(name: "Sixteen").id
        _ = try await client.trained(id)
        #expect(try await client.delete("\(Self.path)/\(id)").status == 200)
        let stranger = try await SharedService.embedded.newcomer()
        let foreign = try await stranger.create(name: "Sixteen").id
        let nilID = "00000000-0000-0000-0000-000000000000"
        for text in [id, foreign, nilID, UUID().uuidString, "persona", "nothing", "18b2ad5e2a9e4d3fb9a89f2a1e0b1234", "%7Bx%7D", id + "0"] {
            let answers = [
                try await client.get("\(Self.path)/\(text)"),
                try await client.patch("\(Self.path)/\(text)", ["special_instructions": .null]),
                try await client.delete("\(Self.path)/\(text)"),
            ]
            // A path that stands for a create knows other methods.
            let isCreate = text == "persona"
            for answer in answers { #expect(answer.status == 404 || isCreate && answer.status == 405, "\(text): \(answer.status)") }
            for answer in answers where !isCreate { #expect(answer.code == "NOT_FOUND") }
        }
        #expect(try await stranger.get("\(Self.path)/\(foreign)").status == 200)
    }

    @Test("17. Polling never meets 429 or 5xx")
    func polling() async throws {
        let client = try await SharedService.embedded.newcomer()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<20 {
                group.addTask {
                    let id = try await client.create(name: "Seventeen \(index)", seed: index).id
                    var progress = 0
                    for _ in 0..<25 {
                        let answer = try await client.get("\(Self.path)/\(id)")
                        #expect(answer.status == 200)
                        let now = answer.json["progress"]?.integer ?? -1
                        #expect(now >= progress)
                        progress = now
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("18. Retry-After is an integer")
    func retryAfter() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            try await stage.maintenance("on", "--retry-after", "7", of: client)
            let answer = try await client.get(Self.path)
            #expect(answer.status == 503)
            #expect(answer.code == "SERVICE_UNDER_MAINTENANCE")
            #expect(answer.header("Retry-After") == "7")
        }
    }

    @Test("19. The embedded trainer is done in seconds")
    func trainerIsQuick() async throws {
        let client = try await SharedService.embedded.newcomer()
        let id = try await client.create(name: "Nineteen").id
        #expect(try await client.trained(id, within: .seconds(20))["status"] == "completed")
    }

    @Test("20. URLs are fetched inside create, which is answered within 60 s")
    func urlsAreFetchedInsideCreate() async throws {
        try await LocalImageServer.run({ $0.hasPrefix("/silent") ? .silence : .content(Picture.png(seed: 20)) }) { server in
            try await Stage.run { stage in
                let service = try await stage.serve("--development-downloads")
                let client = service.client(try await stage.key())
                let urls = (0..<3).map { server.url("/\($0).png?signature=a%2Fb%2Bc&x=1") }
                let created = try await client.post(
                    "\(Self.path)/persona", ["name": "Twenty", "image_urls": .array(urls.map(JSONValue.string))])
                #expect(created.status == 200)
                #expect(server.paths.sorted() == (0..<3).map { "/\($0).png?signature=a%2Fb%2Bc&x=1" })
                _ = try await client.trained(try created.id)
                #expect(server.paths.count == 3)
                let slow = [server.url("/silent"), urls[0], urls[1]]
                let answer = try await client.post(
                    "\(Self.path)/persona", ["name": "Twenty one", "image_urls": .array(slow.map(JSONValue.string))], within: .seconds(60))
                #expect(answer.status == 400)
                #expect(answer.code == "INVALID_IMAGE")
                #expect(answer.message?.contains("image_urls[0]") == true)
            }
        }
    }

    @Test("21. Bodies up to 64 MiB: images of 10 MB are taken, larger ones get a JSON 413, truncated base64 a 400")
    func largeBodies() async throws {
        let client = try await SharedService.embedded.newcomer()
        let largest = Picture.largest.map { Picture.dataURL($0) }
        let created = try await client.post(
            "\(Self.path)/persona", ["name": "Largest", "image_base64s": .array(largest.map(JSONValue.string))])
        #expect(created.status == 200, "\(created.text)")
        let item = try await client.trained(try created.id)
        let portrait = try await client.get(try #require(item["portrait_url"]?.string))
        #expect(portrait.body == Picture.largest[0])

        func refusal(_ images: [String]) async throws -> ClientAnswer {
            let answer = try await client.post(
                "\(Self.path)/persona", ["name": "Refused", "image_base64s": .array(images.map(JSONValue.string))])
            #expect(answer.header("Content-Type") == "application/json")
            return answer
        }
        let small = Picture.dataURL(Picture.png())
        let over = try await refusal([small, small, Picture.dataURL(Picture.largest[0] + [0])])
        #expect((over.status, over.code) == (413, "IMAGE_TOO_LARGE"))
        #expect(over.message?.contains("image_base64s[2]") == true)
        // With three characters less it is no base64, with 400 less it is the base64 of half an image.
        for cut in [largest[0].dropLast(3), small.dropLast(3), small.dropLast(400)] {
            let answer = try await refusal([small, String(cut), small])
            #expect((answer.status, answer.code) == (400, "INVALID_IMAGE"))
            #expect(answer.fields == ["image_base64s"])
            #expect(answer.message?.contains("image_base64s[1]") == true)
        }
        let tooMuch = try await Self.sendTooMuch(client)
        #expect(tooMuch.statuses == [413])
        #expect(try JSONValue(parsing: tooMuch.body.utf8)["error"]?["code"] == "PAYLOAD_TOO_LARGE")
        #expect(try await client.all(Self.path).count == 1)
    }

    /// Sends one byte more than is taken, as a program that reads while it writes.
    private static func sendTooMuch(_ client: Client) async throws -> RawExchange {
        let byteCount = 64 * 1_024 * 1_024 + 1
        let port = try #require(URLComponents(string: client.base)?.port)
        let head = """
            POST \(path)/persona HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: \(client.key ?? "")\r\nContent-Type: application/json\r\n\
            Content-Length: \(byteCount)\r\n\r\n
            """
        return try await rawExchange(.port(port), until: { $0.hasSuffix("}") }) { writer in
            try await writer.write(head)
            let piece = [UInt8](repeating: UInt8(ascii: " "), count: 1_024 * 1_024)
            for _ in 0...64 { try await writer.write(piece) }
        }
    }

    @Test("22. Never a 5xx after a commit: what fails has left nothing behind", .enabled(if: !SharedDatabase.isWanted))
    func nothingIsLeftBehind() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            let body: JSONValue = ["name": "Twenty two", "image_base64s": Picture.threeBase64()]
            // A disk that takes nothing: files on their way in have no folder to lie in.
            let incoming = "\(stage.data)/media/incoming"
            try FileManager.default.moveItem(atPath: incoming, toPath: incoming + ".away")
            let failed = try await client.post("\(Self.path)/persona", body)
            #expect((failed.status, failed.code) == (500, "UPLOAD_FAILED"))
            #expect(try await client.all(Self.path).isEmpty)
            try FileManager.default.moveItem(atPath: incoming + ".away", toPath: incoming)
            #expect(try await client.post("\(Self.path)/persona", body).status == 200)

            let answers = try await withThrowingTaskGroup(of: ClientAnswer.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        try await client.post("\(Self.path)/style", ["name": "Contested", "image_base64s": Picture.threeBase64()])
                    }
                }
                return try await group.reduce(into: [ClientAnswer]()) { $0.append($1) }
            }
            #expect(answers.map(\.status).sorted() == [200] + Array(repeating: 409, count: 15))
        }
    }

    @Test(
        "23. JSON 404 for the paths of other services",
        arguments: ["/v2/thumbnail/text", "/v2/title/generate", "/v2/score", "/v1/personas"])
    func otherServices(_ target: String) async throws {
        let client = try await SharedService.embedded.newcomer()
        for caller in [client, Client(base: client.base)] {
            for answer in [try await caller.post(target, ["prompt": "x"]), try await caller.get(target)] {
                #expect(answer.status == 404)
                #expect(answer.code == "NOT_FOUND")
            }
        }
    }

    @Test("24. Failed items answer 200 with error and message")
    func failedItems() async throws {
        try await Stage.run { stage in
            let codes = [
                "GENERATION_REJECTED", "GENERATION_FAILED", "GENERATION_TIMEOUT", "DOWNLOAD_FAILED", "CANCELLED", "FAL_ERROR",
                "FAL_TIMEOUT",
            ]
            let styles = codes.enumerated().map { index, code -> JSONValue in
                [
                    "account": "acme", "name": "Failed \(index)", "images": ["a.png", "a.png", "a.png"],
                    "outcome": ["failed": ["code": .string(code), "message": "Reason \(index)"]],
                ]
            }
            let seeded = try await stage.seed(["accounts": [["name": "acme"]], "styles": .array(styles)], images: ["a.png": Picture.png()])
            #expect(seeded.exit == .status(0), "\(seeded)")
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            let list = try await client.all("/v2/styles", query: "status=failed")
            #expect(list.count == codes.count)
            for (index, code) in codes.enumerated() {
                let id = try #require(list.first { $0["name"] == "Failed \(index)" }?["id"]?.string)
                let error: JSONValue = ["code": .string(code), "message": "Reason \(index)"]
                let published = try await client.get("\(Self.path)/\(id)")
                #expect(published.status == 200)
                #expect(
                    published.json == [
                        "name": "Failed \(index)", "id": .string(id), "mode": "style", "portrait_url": .null, "progress": 0,
                        "reference": .null,
                        "special_instructions": .null, "status": "failed", "error": error, "message": "Reason \(index)",
                    ])
                let full = try await client.get("/v2/styles/\(id)")
                #expect(full.json["error"] == error)
                #expect(full.json["message"] == nil)
            }
        }
    }
}
