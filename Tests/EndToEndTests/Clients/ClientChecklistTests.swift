import Foundation
import NIOHTTP1
import TestImages
import Testing

/// The checklist of what the four known clients need, point by point; points 13 to 24 are in another file.
@Suite("The clients' checklist", .timeLimit(.minutes(10)))
struct ClientChecklistTests {
    static let path = "/v2/pikzonality"

    @Test("1. Paths and methods exactly as published, no redirects")
    func pathsAndMethods() async throws {
        let client = try await SharedService.embedded.newcomer()
        for mode in ["persona", "style"] {
            let created = try await client.post("\(Self.path)/\(mode)", ["name": "One", "image_base64s": Picture.threeBase64()])
            #expect(created.status == 200)
            let item = "\(Self.path)/\(try created.id)"
            #expect(try await client.get(item).json["mode"] == .string(mode))
            _ = try await client.trained(try created.id)
            #expect(try await client.patch(item, ["special_instructions": "Smile."]).status == 200)
            #expect(try await client.delete(item).status == 200)
        }
        let wrong: [(HTTPMethod, String)] = [
            (.PUT, "\(Self.path)/\(UUID())"), (.POST, "\(Self.path)/\(UUID())"), (.GET, "\(Self.path)/persona/more"),
            (.GET, "\(Self.path)/"),
            (.GET, "/v2//pikzonality/\(UUID())"), (.POST, "\(Self.path)/persona/"), (.GET, "/V2/pikzonality/\(UUID())"), (.GET, "/"),
        ]
        for (method, target) in wrong {
            let answer = try await client.send(method, target)
            #expect([200, 400, 404, 405].contains(answer.status), "\(method) \(target): \(answer.status)")
            #expect(answer.headers["Location"].isEmpty, "\(method) \(target)")
        }
    }

    @Test("2. 200 on create, get, patch and delete, always a JSON object")
    func statusAndShape() async throws {
        let client = try await SharedService.embedded.newcomer()
        let created = try await client.post("\(Self.path)/persona", ["name": "Two", "image_base64s": Picture.threeBase64()])
        let id = try created.id
        let got = try await client.trained(id)
        let patched = try await client.patch("\(Self.path)/\(id)", ["special_instructions": "Smile."])
        let deleted = try await client.delete("\(Self.path)/\(id)")
        for answer in [created, patched, deleted] {
            #expect(answer.status == 200)
            #expect(answer.header("Content-Type") == "application/json")
        }
        #expect(created.json.names == ["id", "request_id"])
        #expect(created.json["request_id"]?.string == created.header("X-Request-Id"))
        #expect(got.names == ["name", "id", "mode", "portrait_url", "progress", "reference", "special_instructions", "status"])
        #expect(patched.json == ["name": "Two", "id": .string(id), "special_instructions": "Smile."])
        #expect(deleted.json == ["message": "Persona or style deleted"])
    }

    @Test("3. Lower-case UUIDs, whatever the case of the request")
    func lowerCaseIdentifiers() async throws {
        let client = try await SharedService.embedded.newcomer()
        let id = try await client.create(name: "Three").id
        #expect(id.wholeMatch(of: /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/) != nil)
        let answer = try await client.get("\(Self.path)/\(id.uppercased())")
        #expect(answer.status == 200)
        #expect(answer.json["id"] == .string(id))
    }

    @Test("4. Read-after-write: an id is found by every caller the moment it was answered")
    func readAfterWrite() async throws {
        let client = try await SharedService.embedded.newcomer()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<24 {
                group.addTask {
                    let mode = index.isMultiple(of: 2) ? "persona" : "style"
                    let id = try await client.create(mode, name: "Four \(index)", seed: index).id
                    // As another connection, which has seen nothing of the write.
                    for target in ["\(Self.path)/\(id)", "/v2/\(mode)s/\(id)"] {
                        let answer = try await client.send(.GET, target, headers: [("Connection", "close")])
                        #expect(answer.status == 200)
                        #expect(answer.json["name"] == "Four \(index)")
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await client.all("/v2/personas").count == 12)
    }

    @Test("5. Explicit nulls, an integer progress, exact status words")
    func explicitNulls() async throws {
        let idle = try await SharedService.idle.newcomer()
        let id = try await idle.create(name: "Five").id
        let waiting = try await idle.get("\(Self.path)/\(id)")
        #expect(
            waiting.json == [
                "name": "Five", "id": .string(id), "mode": "persona", "portrait_url": .null, "progress": 0, "reference": .null,
                "special_instructions": .null, "status": "processing",
            ])
        #expect(waiting.text.contains("\"progress\":0,"))
        let client = try await SharedService.embedded.newcomer()
        let answer = try await client.post("\(Self.path)/style", ["name": "Five", "image_base64s": Picture.threeBase64()])
        let done = try await client.trained(try answer.id)
        #expect(done["status"] == "completed")
        #expect(done["progress"] == 100)
        #expect(done["special_instructions"] == .null)
        #expect(done["reference"]?.array?.count == 3)
    }

    @Test("6. portrait_url is absolute, permanent, without a key, and a real image")
    func portrait() async throws {
        let client = try await SharedService.embedded.newcomer()
        let id = try await client.create(name: "Six", seed: 6).id
        let item = try await client.trained(id)
        let portrait = try #require(item["portrait_url"]?.string)
        #expect(portrait.hasPrefix("\(client.base)/media/"))
        _ = try await client.patch("\(Self.path)/\(id)", ["name": "Six again", "special_instructions": "Smile."])
        #expect(try await client.get("\(Self.path)/\(id)").json["portrait_url"] == .string(portrait))
        let stranger = Client(base: client.base)
        let urls = [portrait] + (item["reference"]?.array ?? []).compactMap(\.string)
        let expected = [Picture.three(seed: 6)[0]] + Picture.three(seed: 6)
        #expect(urls.count == 4)
        for (url, bytes) in zip(urls, expected) {
            let image = try await stranger.get(url)
            #expect(image.status == 200)
            #expect(image.header("Content-Type") == "image/png")
            #expect(image.header("X-Content-Type-Options") == "nosniff")
            #expect(image.body == bytes)
        }
        _ = try await client.delete("\(Self.path)/\(id)")
        for url in urls { #expect(try await stranger.get(url).status == 404) }
    }

    @Test("7. Content-Type: application/json with an empty body on GET and DELETE")
    func contentTypeWithoutBody() async throws {
        var client = try await SharedService.embedded.newcomer()
        let id = try await client.create(name: "Seven").id
        _ = try await client.trained(id)
        client.headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
        #expect(try await client.get("\(Self.path)/\(id)").status == 200)
        #expect(try await client.get(Self.path).status == 200)
        // Some libraries announce the body that is not there.
        #expect(try await client.send(.DELETE, "\(Self.path)/\(id)", body: []).status == 200)
    }

    @Test("8. Bytes are sniffed and the declared type ignored; bare base64 is accepted")
    func sniffing() async throws {
        let client = try await SharedService.embedded.newcomer()
        for (index, format) in Picture.formats.enumerated() {
            let sent: JSONValue = [
                .string(Picture.base64(format.bytes)), .string(Picture.dataURL(format.bytes)),
                .string(Picture.dataURL(format.bytes, type: "image/bmp")),
            ]
            let created = try await client.post("\(Self.path)/persona", ["name": "Eight \(index)", "image_base64s": sent])
            let item = try await client.trained(try created.id)
            for url in (item["reference"]?.array ?? []) + [item["portrait_url"] ?? .null] {
                let image = try await client.get(try #require(url.string))
                #expect(image.header("Content-Type") == format.contentType)
                #expect(image.body == format.bytes)
            }
        }
    }

    @Test("9. Both arrays present: 400, even if one is empty", arguments: ["full", "empty"])
    func bothArrays(_ urls: String) async throws {
        let client = try await SharedService.embedded.newcomer()
        let list: JSONValue = urls == "full" ? .array((1...3).map { "https://example.com/\($0).png" }) : []
        let answer = try await client.post(
            "\(Self.path)/persona", ["name": "Nine", "image_urls": list, "image_base64s": Picture.threeBase64()])
        #expect(answer.status == 400)
        #expect(answer.code == "VALIDATION_ERROR")
        #expect(answer.message?.contains("Provide either image_urls or image_base64s, not both") == true)
        #expect(try await client.all(Self.path).isEmpty)
    }

    @Test("10. Unknown members are ignored, null ones too")
    func unknownMembers() async throws {
        let client = try await SharedService.embedded.newcomer()
        let created = try await client.post(
            "\(Self.path)/style",
            [
                "name": "Ten", "image_base64s": Picture.threeBase64(), "studio_variant_id": .null, "upload_id": "abc",
                "nested": ["deep": [1, .null, "x"]], "": .null,
            ])
        #expect(created.status == 200)
        let patched = try await client.patch(
            "\(Self.path)/\(try created.id)", ["special_instructions": "Soft light.", "studio_variant_id": .null, "upload_id": .null])
        #expect(patched.status == 200)
        #expect(patched.json["special_instructions"] == "Soft light.")
    }

    @Test("11. PATCH while processing; absent is unchanged; renaming does not wipe instructions")
    func patchWhileProcessing() async throws {
        let client = try await SharedService.idle.newcomer()
        let id = try await client.create(name: "Eleven").id
        let item = "\(Self.path)/\(id)"
        func patched(_ body: JSONValue) async throws -> JSONValue {
            let answer = try await client.patch(item, body)
            #expect(answer.status == 200)
            return answer.json
        }
        #expect(try await patched(["special_instructions": "Smile."])["special_instructions"] == "Smile.")
        let renamed = try await patched(["name": "  Eleven   B "])
        #expect(renamed == ["name": "Eleven B", "id": .string(id), "special_instructions": "Smile."])
        #expect(try await patched([:]) == renamed)
        #expect(try await patched(["special_instructions": ""])["special_instructions"] == .null)
        #expect(try await patched(["special_instructions": "Again."])["special_instructions"] == "Again.")
        #expect(try await patched(["special_instructions": .null])["special_instructions"] == .null)
        #expect(try await client.get(item).json["status"] == "processing")
    }

    @Test("12. 400 VALIDATION_ERROR with bare field names, every violation at once, before images are touched, the reason in the message")
    func validation() async throws {
        let client = try await SharedService.embedded.newcomer()
        try await LocalImageServer.run({ _ in .content(Picture.png()) }) { server in
            let urls = JSONValue.array((0..<2).map { .string(server.url("/\($0).png", scheme: "https")) })
            let answer = try await client.post(
                "\(Self.path)/persona",
                ["name": "Zoë/12", "image_urls": urls, "special_instructions": .string(String(repeating: "x", count: 301))])
            #expect(answer.status == 400)
            #expect(answer.code == "VALIDATION_ERROR")
            #expect(Set(answer.fields ?? []) == ["name", "image_urls", "special_instructions"])
            let details = try #require(answer.json["error"]?["details"]?.array)
            #expect(details.allSatisfy { $0["message"]?.string.map { answer.message?.contains($0) == true } == true })
            #expect(server.connections == 0)
        }
        // Images that are none would be another error, were they looked at.
        let broken = try await client.post("\(Self.path)/persona", ["name": "", "image_base64s": ["%", "%", "%"]])
        #expect(broken.code == "VALIDATION_ERROR")
        #expect(broken.fields == ["name"])
        #expect(try await client.post("\(Self.path)/persona", [:]).fields.map(Set.init) == ["name", "image_urls"])
        #expect(try await client.all(Self.path).isEmpty)
    }
}
