import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// The calls of the four known clients, in the order and form in which they send them.
@Suite("The four known clients", .timeLimit(.minutes(10)))
struct ClientSequenceTests {
    @Test("A checks its key, finds a name that fits, creates, polls, edits and deletes")
    func journeyOfA() async throws {
        let a = KnownClient(.a, try await SharedService.embedded.newcomer())
        let nilID = "/00000000-0000-0000-0000-000000000000"
        #expect(try await a.call(.GET, nilID).status == 404)
        for key in ["", "nonsense", "pkz_nonsense"] {
            let answer = try await KnownClient(.a, Client(base: a.client.base, key: key)).call(.GET, nilID)
            #expect(answer.status == 401)
            #expect(answer.headers.allSatisfy { !$0.name.lowercased().contains("credit") })
        }
        // It tries other names while the answer blames the name.
        var created: ClientAnswer?
        for name in ["Café (final)", "Cafe final, the one that is really the last", "Cafe final"] where created?.status != 200 {
            created = try await a.call(.POST, "/persona", ["name": .string(name), "image_base64s": Picture.threeBase64(seed: 1)])
            if created?.status == 400 { #expect(created?.fields == ["name"]) }
        }
        let id = try #require(created).id
        let item = try await a.polled(id)
        #expect(item["status"] == "completed")
        #expect(try await a.call(.PATCH, "/\(id)", ["special_instructions": "Warm light."]).json["special_instructions"] == "Warm light.")
        #expect(try await a.call(.PATCH, "/\(id)", ["special_instructions": ""]).json["special_instructions"] == .null)
        #expect(try await a.call(.DELETE, "/\(id)").status == 200)
        #expect(try await a.call(.DELETE, "/\(id)").status == 404)
        #expect(a.statuses.allSatisfy { $0 != 429 && $0 < 500 && $0 > 0 })
    }

    @Test("A sends bare base64, then the same bytes as JPEG data URLs, and both are judged alike", arguments: [0, 1, 2, 3])
    func secondTryOfA(format: Int) async throws {
        let a = KnownClient(.a, try await SharedService.embedded.newcomer())
        let bytes = Picture.formats[format].bytes
        for (prefix, name) in [("", "Bare"), ("data:image/jpeg;base64,", "Prefixed")] {
            let whole = JSONValue.string(prefix + Picture.base64(bytes))
            let half = JSONValue.string(prefix + Picture.base64(Array(bytes.prefix(bytes.count / 2))))
            #expect(
                try await a.call(.POST, "/persona", ["name": .string(name), "image_base64s": [half, whole, whole]]).code == "INVALID_IMAGE")
            let created = try await a.call(.POST, "/persona", ["name": .string(name), "image_base64s": [whole, whole, whole]])
            #expect(created.status == 200)
            #expect(try await a.polled(created.id)["status"] == "completed")
        }
    }

    @Test("A waits out maintenance as Retry-After says, and its create is done once")
    func maintenanceMeetsA() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let a = KnownClient(.a, service.client(try await stage.key()))
            try await stage.maintenance("on", "--retry-after", "2", of: a.client)
            async let created = a.call(.POST, "/persona", ["name": "Patient", "image_base64s": Picture.threeBase64()])
            try await eventually("the first refusal") { a.statuses.contains(503) }
            #expect(try await stage.command("maintenance", "off").exit == .status(0))
            #expect(try await created.status == 200)
            #expect(a.statuses.allSatisfy { $0 == 503 || $0 == 200 })
            #expect(try await a.client.all("/v2/personas").count == 1)
        }
    }

    @Test("B tries URLs, then bare base64, then data URLs; renames; and understands every error by its words")
    func journeyOfB() async throws {
        let b = KnownClient(.b, try await SharedService.embedded.newcomer())
        let pictures = Picture.three(seed: 2)
        let forms: [[String: JSONValue]] = [
            ["image_urls": ["https://127.0.0.1/a.png", "https://localhost/b.png", "https://[::1]/c.png"]],
            ["image_base64s": .array(pictures.map { .string(Picture.base64($0)) })],
            ["image_base64s": .array(pictures.map { .string(Picture.dataURL($0)) })],
        ]
        var answers: [ClientAnswer] = []
        for form in forms where answers.last.map({ $0.status == 400 || $0.status == 422 }) ?? true {
            answers.append(try await b.call(.POST, "/style", .object(form.merging(["name": "Brush"]) { $1 })))
        }
        #expect(answers.map(\.status) == [400, 200])
        #expect(answers[0].code == "INVALID_IMAGE")
        let id = try answers[1].id
        _ = try await b.polled(id)
        _ = try await b.call(.PATCH, "/\(id)", ["special_instructions": "Thick strokes."])
        let renamed = try await b.call(.PATCH, "/\(id)", ["name": "Broad brush"])
        #expect(renamed.json == ["name": "Broad brush", "id": .string(id), "special_instructions": "Thick strokes."])

        let errors = [
            answers[0], try await b.call(.POST, "/style", ["name": "Broad Brush", "image_base64s": Picture.threeBase64()]),
            try await b.call(.POST, "/style", ["name": "admin", "image_base64s": Picture.threeBase64()]),
            try await b.call(.POST, "/style", ["name": "x", "image_base64s": []]), try await b.call(.GET, "/nothing"),
            try await KnownClient(.b, Client(base: b.client.base)).call(.GET, "/\(id)"), try await b.call(.PUT, "/\(id)"),
        ]
        #expect(errors.map(\.status) == [400, 409, 409, 400, 404, 401, 405])
        let misleading = [
            "credit", "insufficient", "balance", "payment", "training", "not ready", "still processing", "busy", "overloaded", "rate limit",
        ]
        for error in errors {
            for word in misleading { #expect(!error.text.lowercased().contains(word), "\(word) in \(error.text)") }
        }
        #expect(try await b.call(.DELETE, "/\(id)").status == 200)
        #expect(try await b.call(.DELETE, "/\(id)").status == 404)
    }

    @Test("C creates with data URLs, sends instructions at once, and keeps the portrait's address for ever")
    func journeyOfC() async throws {
        let idle = KnownClient(.c, try await SharedService.idle.newcomer())
        let images = JSONValue.array(Picture.formats.prefix(3).map { .string(Picture.dataURL($0.bytes, type: $0.contentType)) })
        let waiting = try await idle.call(.POST, "/persona", ["name": "Channel", "image_base64s": images])
        #expect(waiting.status < 400)
        #expect(try await idle.call(.PATCH, "/\(waiting.id)", ["special_instructions": "Look left."]).status == 200)
        #expect(try await idle.call(.PATCH, "/\(waiting.id)", ["special_instructions": .null]).status == 200)
        #expect(try await idle.call(.GET, "/\(waiting.id)").json["status"] == "processing")

        try await Stage.run { stage in
            let first = try await stage.serve()
            let c = KnownClient(.c, first.client(try await stage.key()))
            let id = try await c.call(.POST, "/persona", ["name": "Channel", "image_base64s": images]).id
            let portrait = try #require(try await c.polled(id)["portrait_url"]?.string)
            // The server goes away and comes back in the middle of a call that is repeated.
            try await first.process.kill()
            async let polled = c.polled(id)
            try await eventually("a refused connection") { c.statuses.contains(0) }
            let second = try await stage.serve(port: first.port)
            #expect(try await polled["portrait_url"] == .string(portrait))
            let image = try await Client(base: second.address).get(portrait)
            #expect(image.status == 200)
            #expect(image.body == Picture.formats[0].bytes)
        }
    }

    @Test("D sends null members, data URLs cut at 14,000,000 characters, and reads CODE: message")
    func journeyOfD() async throws {
        let d = KnownClient(.d, try await SharedService.embedded.newcomer())
        func create(_ name: String, _ images: [String]) async throws -> ClientAnswer {
            try await d.call(
                .POST, "/persona",
                [
                    "name": .string(name), "image_base64s": .array(images.map { .string(String($0.prefix(14_000_000))) }),
                    "studio_variant_id": .null,
                    "upload_id": .null,
                ])
        }
        // A picture whose data URL is longer than the cut is over 10 MB cut or not.
        let long = "data:image/jpeg;base64," + String(repeating: "A", count: 14_400_000)
        let tooLarge = try await create("Cut", [long, long, long])
        #expect(tooLarge.status == 413)
        #expect(tooLarge.code == "IMAGE_TOO_LARGE")
        #expect(tooLarge.message?.isEmpty == false)

        let images = Picture.three(seed: 4).map { Picture.dataURL($0) }
        let created = try await create("Draft", images)
        let id = try #require(UUID(uuidString: try created.id)).uuidString.lowercased()
        #expect(try created.id == id)
        let duplicate = try await create("Draft", images)
        let text = "\(duplicate.code ?? ""): \(duplicate.message ?? "")".lowercased()
        #expect(text.contains("already exist") && text.contains("persona"))
        let patched = try await d.call(.PATCH, "/\(id)", ["special_instructions": "Calm.", "studio_variant_id": .null, "upload_id": .null])
        #expect(patched.json == ["name": "Draft", "id": .string(id), "special_instructions": "Calm."])
        #expect(try await d.polled(id)["status"] == "completed")
        #expect(try await d.call(.DELETE, "/\(id)").json == ["message": "Persona or style deleted"])
    }
}
