import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import TestImages
import Testing

/// What a create takes, and what it answers.
@Suite("Creating", .serialized)
struct CreateTests {
    @Test("answers with the shape of its surface, and the item is there at once", arguments: Mount.all)
    func shapes(mount: Mount) async throws {
        try await TestService.run { service in
            let before = Timestamp.now.text
            let answer = try await service.send(.post, mount.creation, .create("Nova"))
            let id = try #require(answer.string("id"))
            if mount.isTyped {
                answer.expect(201, mount.processing("Nova", suffix: #","request_id":"<request>""#))
                #expect(answer.headers[.location] == "\(TestService.baseURL)\(mount.items)/\(id)")
                #expect(answer.headers[.eTag] == service.tag(1))
                let created = try #require(answer.string("created_at"))
                #expect(created == answer.string("updated_at"))
                #expect(before <= created && created <= Timestamp.now.text)
            } else {
                answer.expect(200, #"{"id":"<id 1>","request_id":"<request>"}"#)
                #expect(answer.headers[.location] == nil)
            }
            #expect(answer.string("request_id") == answer.requestID)
            #expect(id == id.lowercased())
            try await service.send(.get, mount.item(id)).expect(200, mount.processing("Nova"))
            #expect(try await service.mediaFiles().count == 3)
            #expect(try await service.training.lease(limit: 10, waiting: .zero).map(\.item.id.text) == [id])
        }
    }

    private static let pictures: [(bytes: [UInt8], type: String)] = [
        (Picture.png(seed: 9), "image/png"), (Picture.jpeg, "image/jpeg"), (Picture.webp, "image/webp"), (Picture.gif, "image/gif"),
    ]

    /// How a client may write the base64 of an image into JSON.
    private static let spellings: [(name: String, text: @Sendable (String) -> String)] = [
        ("bare", { $0 }), ("a data URL that calls it JPEG", { "data:image/jpeg;base64,\($0)" }),
        ("a data URL that calls it PNG", { "data:image/png;base64,\($0)" }), ("no declared type", { "data:;base64,\($0)" }),
        ("a parameter", { "data:image/webp;charset=utf-8;base64,\($0)" }), ("a type that it is not", { "data:text/html;base64,\($0)" }),
        ("escaped slashes", { $0.replacing("/", with: #"\/"#) }),
        ("every character escaped", { $0.utf8.map { String(format: #"\u%04x"#, $0) }.joined() }),
        ("lines", { text in stride(from: 0, to: text.count, by: 20).map { text.dropFirst($0).prefix(20) }.joined(separator: #"\r\n"#) }),
    ]

    @Test("takes base64 in every spelling, and tells the format by the bytes")
    func base64Spellings() async throws {
        try await TestService.run { service in
            for (index, spelling) in Self.spellings.enumerated() {
                for picture in Self.pictures {
                    let name = "\(picture.type.dropFirst(6)) \(index)"
                    let image = spelling.text(Picture.base64(picture.bytes))
                    let body = TestBody(#"{"name":"\#(name)","image_base64s":\#(Picture.list([image, image, image]))}"#)
                    let id = try #require(try await service.send(.post, "/v2/personas", body).string("id"), "\(spelling.name)")
                    try await service.train()
                    let item = try await service.send(.get, "/v2/personas/\(id)")
                    let portrait = try await service.send(.get, try path(item.string("portrait_url")), key: .none)
                    #expect(portrait.headers[.contentType] == picture.type, "\(spelling.name)")
                    #expect(portrait.bytes == picture.bytes, "\(spelling.name)")
                }
            }
            // The same bytes are stored once, however often they come.
            #expect(try await service.mediaFiles().count == Self.pictures.count)
        }
    }

    @Test("fetches images from URLs, in their order, long signed ones too", arguments: Mount.all)
    func urls(mount: Mount) async throws {
        try await TestService.run { service in
            let query = "?X-Amz-Signature=" + String(repeating: "0123456789abcdef", count: 120) + "&name=%C3%A9&x=a+b"
            let urls = (0..<3).map { "https://images.example.com/\($0).jpg\(query)" }
            for (index, url) in urls.enumerated() { service.fetcher.serve(url, Picture.png(seed: index)) }
            let body = TestBody(#"{"name":"Nova","image_urls":\#(Picture.list(urls)),"image_base64s":null}"#)
            let id = try #require(try await service.send(.post, mount.creation, body).string("id"))
            #expect(service.fetcher.fetched == urls)
            try await service.train()
            let item = try await service.send(.get, mount.item(id))
            item.expect(200, mount.completed("Nova"))
            for (index, url) in try #require(item.object?["reference"] as? [String]).enumerated() {
                #expect(try await service.send(.get, try path(url), key: .none).bytes == Picture.png(seed: index))
            }
        }
    }

    @Test("takes plain http only where the operator allows it")
    func plainHTTP() async throws {
        let body: TestBody = #"{"name":"Nova","image_urls":["http://a.test/1","http://a.test/2","http://a.test/3"]}"#
        let rule = "must be an https URL without white space"
        try await TestService.run { service in
            try await service.withoutTrace {
                try await service.send(.post, "/v2/personas", body).expectViolations(
                    (0...2).map { ("image_urls", "image_urls[\($0)] \(rule)") })
            }
        }
        try await TestService.run(fetcher: TestFetcher(acceptsPlainHTTP: true)) { service in
            for index in 1...3 { service.fetcher.serve("http://a.test/\(index)", Picture.png(seed: 1)) }
            let answer = try await service.send(.post, "/v2/personas", body)
            #expect(answer.status == 201)
        }
    }

    @Test("keeps instructions as sent, empty ones as none")
    func instructions() async throws {
        let longest = String(repeating: "é", count: 299) + "🙂"
        let rows: [(sent: String, stored: String)] = [
            (#""Warm smile""#, #""Warm smile""#), ("null", "null"), (#""""#, "null"), (#"" ""#, #"" ""#),
            ("\"\(longest)\"", "\"\(longest)\""),
            (#""a\n\t\"b\"\\ \/ \u00e9\ud83d\ude42""#, #""a\n\t\"b\"\\ / é🙂""#),
        ]
        try await TestService.run { service in
            for (index, row) in rows.enumerated() {
                let body = TestBody(
                    #"{"name":"Nova \#(index)","image_base64s":\#(Picture.base64List),"special_instructions":\#(row.sent)}"#)
                try await service.send(.post, "/v2/personas", body)
                    .expect(
                        201,
                        Mount.all[0].processing("Nova \(index)", instructions: row.stored, suffix: #","request_id":"<request>""#))
            }
        }
    }

    @Test(
        "normalises names",
        arguments: [
            ("Nova", "Nova"), ("  Nova  ", "Nova"), (#"\tNova \n\r Reyes\u00a0"#, "Nova Reyes"), ("a-B_9", "a-B_9"), ("7", "7"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXY", "ABCDEFGHIJKLMNOPQRSTUVWXY"), (#"\u004eova"#, "Nova"), ("A       B", "A B"),
        ]
    )
    func names(sent: String, stored: String) async throws {
        try await TestService.run { service in
            let answer = try await service.send(.post, "/v2/styles", .create(sent))
            #expect(answer.status == 201)
            #expect(answer.string("name") == stored)
        }
    }

    @Test("ignores members that it does not know, whatever they hold", arguments: Mount.all)
    func unknownMembers(mount: Mount) async throws {
        try await TestService.run { service in
            let body = TestBody(
                """
                { "studio_variant_id": null, "upload_id": null, "id": "x", "status": "completed", "progress": 1e400, "x": {"name": [[{}]]},
                  "mode": "robot", "name": "Nova", "image_urls": null, "image_base64s": \(Picture.base64List), "é": "\\u0000" }
                """)
            let id = try #require(try await service.send(.post, mount.creation, body).string("id"))
            try await service.send(.get, mount.item(id)).expect(200, mount.processing("Nova"))
        }
    }

    @Test("takes metadata out of images")
    func metadata() async throws {
        try await TestService.run { service in
            let image = Picture.base64(Picture.pngWithMetadata(seed: 5))
            try await service.send(
                .post, "/v2/personas", TestBody(#"{"name":"Nova","image_base64s":\#(Picture.list([image, image, image]))}"#))
            let file = try #require(try await service.mediaFiles().first)
            #expect(try await service.data.bytes(ofMediaFile: file) == Picture.png(seed: 5))
        }
    }

    @Test("keeps names apart by account and mode only, ignoring case")
    func uniqueness() async throws {
        try await TestService.run { service in
            let other = try await service.newKey(account: "other")
            let id = try await service.create(.persona, "Nova")
            #expect(try await service.send(.post, "/v2/styles", .create("Nova")).status == 201)
            #expect(try await service.send(.post, "/v2/personas", .create("Nova"), key: other).status == 201)
            for mount in Mount.all where mount.mode == .persona {
                for name in ["Nova", "NOVA", "nova", "  nOVA "] {
                    let answer = try await service.send(.post, mount.creation, .create(name))
                    let message = "A persona with this name already exists"
                    answer.expect(
                        409, .nameAlreadyExists, message, details: #"{"field":"name","message":"\#(message)","id":"<id 1>"}"#)
                    #expect(answer.text.contains(id))
                }
            }
            let message = "A style with this name already exists"
            try await service.send(.post, "/v2/pikzonality/style", .create("nova"))
                .expect(409, .nameAlreadyExists, message, details: #"{"field":"name","message":"\#(message)","id":"<id 1>"}"#)
        }
    }

    @Test("a failed item keeps its name until it is deleted")
    func failedKeepsName() async throws {
        try await TestService.run { service in
            let id = try await service.create(.style, "Paper")
            try await service.failTraining(TrainingError(code: .failed, message: "It broke"))
            #expect(try await service.send(.post, "/v2/styles", .create("Paper")).status == 409)
            #expect(try await service.send(.delete, "/v2/styles/\(id)").status == 200)
            #expect(try await service.send(.post, "/v2/styles", .create("Paper")).status == 201)
        }
    }

    private func path(_ url: String?) throws -> String {
        let url = try #require(url)
        #expect(url.hasPrefix(TestService.baseURL))
        return String(url.dropFirst(TestService.baseURL.count))
    }
}
