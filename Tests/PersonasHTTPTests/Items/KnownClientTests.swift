import ErrorEnvelope
import HTTPTypes
import Personas
import TestImages
import Testing

/// The four clients that exist, call by call as they make them.
@Suite("A known client", .serialized)
struct KnownClientTests {
    @Test("A: checks its key with the nil id, creates with bare base64, polls, and takes a 404 for deleted")
    func clientA() async throws {
        try await TestService.run { service in
            let accept: HTTPFields = [.accept: "application/json"]
            let unused = "/v2/pikzonality/00000000-0000-0000-0000-000000000000"
            #expect(try await service.send(.get, unused, headers: accept).status == 404)
            #expect(try await service.send(.get, unused, key: .text("pkz_wrong"), headers: accept).status == 401)
            #expect(try await service.send(.get, unused, key: .text("wrong"), headers: accept).status == 401)
            // After a 400 the same once more, with a declaration in front of whatever bytes.
            let broken = Picture.list(["AAAA", "AAAA", "AAAA"])
            let first = try await service.send(
                .post, "/v2/pikzonality/persona", TestBody(#"{"name":"Nova","image_base64s":\#(broken)}"#), headers: accept)
            #expect(first.status == 400)
            let images = Picture.list((1...3).map { "data:image/jpeg;base64," + Picture.base64(Picture.png(seed: $0)) })
            let created = try await service.send(
                .post, "/v2/pikzonality/persona", TestBody(#"{"name":"Nova","image_base64s":\#(images)}"#), headers: accept)
            let id = try #require(created.string("id"))
            try await service.train()
            let item = try await service.send(.get, "/v2/pikzonality/\(id)", headers: accept)
            #expect(item.string("status") == "completed")
            #expect(try await service.send(.patch, "/v2/pikzonality/\(id)", #"{"special_instructions":""}"#, headers: accept).status == 200)
            for answer in [created, item] {
                let words = answer.headers.map { $0.name.canonicalName } + (answer.object ?? [:]).keys
                #expect(!words.contains { $0.lowercased().contains("credit") && $0.lowercased().contains("remain") })
            }
            #expect(try await service.send(.delete, "/v2/pikzonality/\(id)", headers: accept).status == 200)
            #expect(try await service.send(.delete, "/v2/pikzonality/\(id)", headers: accept).status == 404)
        }
    }

    @Test("B: declares JSON on every call, sends URLs, renames")
    func clientB() async throws {
        try await TestService.run { service in
            let headers: HTTPFields = [.contentType: "application/json", .accept: "application/json"]
            for index in 1...3 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
            let body: TestBody = #"{"name":"Paper","image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#
            let id = try #require(try await service.send(.post, "/v2/pikzonality/style", body, headers: headers).string("id"))
            #expect(try await service.send(.get, "/v2/pikzonality/\(id)", headers: headers).status == 200)
            let patched = try await service.send(.patch, "/v2/pikzonality/\(id)", #"{"special_instructions":"Flat"}"#, headers: headers)
            #expect(patched.string("special_instructions") == "Flat")
            let renamed = try await service.send(.patch, "/v2/pikzonality/\(id)", #"{"name":"Paper Cuts"}"#, headers: headers)
            renamed.expect(200, #"{"name":"Paper Cuts","id":"<id 1>","special_instructions":"Flat"}"#)
            try await service.train()
            #expect(try await service.send(.delete, "/v2/pikzonality/\(id)", headers: headers).status == 200)
        }
    }

    @Test("C: patches at once while the item is in processing, keeps the portrait's link for ever, reads only the message of an error")
    func clientC() async throws {
        try await TestService.run { service in
            let images = Picture.list((1...3).map { "data:image/png;base64," + Picture.base64(Picture.png(seed: $0)) })
            let created = try await service.send(.post, "/v2/pikzonality/persona", TestBody(#"{"name":"Nova","image_base64s":\#(images)}"#))
            let id = try #require(created.string("id"))
            let patched = try await service.send(.patch, "/v2/pikzonality/\(id)", #"{"special_instructions":"Warm"}"#)
            patched.expect(200, #"{"name":"Nova","id":"<id 1>","special_instructions":"Warm"}"#)
            #expect(try await service.send(.patch, "/v2/pikzonality/\(id)", #"{"special_instructions":null}"#).status == 200)
            try await service.train()
            let link = try #require(try await service.send(.get, "/v2/pikzonality/\(id)").string("portrait_url"))
            #expect(link.hasPrefix("https://"))
            let image = try await service.send(.get, String(link.dropFirst(TestService.baseURL.count)), key: .none)
            #expect(image.headers[.contentType] == "image/png")
            let refused = try await service.send(.post, "/v2/pikzonality/persona", TestBody(#"{"name":"Nova!","image_base64s":[]}"#))
            let error = try #require(refused.object?["error"] as? [String: Any])
            let message = try #require(error["message"] as? String)
            #expect(message.contains("name may hold only") && message.contains("image_base64s must hold exactly 3 images"))
        }
    }

    @Test("D: sends members of its own, data URLs cut at 14,000,000 characters, and tells a duplicate by the words")
    func clientD() async throws {
        try await TestService.run { service in
            let extra = #""studio_variant_id":null,"upload_id":null"#
            let small = Picture.list((1...3).map { "data:image/jpeg;base64," + Picture.base64(Picture.png(seed: $0)) })
            let body = TestBody(#"{"name":"Nova","image_base64s":\#(small),"studio_variant_id":"v1","upload_id":7}"#)
            let id = try #require(try await service.send(.post, "/v2/pikzonality/persona", body).string("id"))
            #expect(Identifier(id)?.text == id)
            #expect(
                try await service.send(.patch, "/v2/pikzonality/\(id)", TestBody(#"{"special_instructions":"x",\#(extra)}"#)).status == 200)
            let duplicate = try await service.send(.post, "/v2/pikzonality/persona", body)
            #expect(duplicate.status == 409)
            #expect(duplicate.text.contains("already exist") && duplicate.text.contains("persona"))
            // Three photographs of more than 10 MB each: a JSON answer rather than a dropped connection, and nothing stored.
            let cut = String(("data:image/jpeg;base64," + String(repeating: "/9j/", count: 3_500_000)).prefix(14_000_000))
            try await service.withoutTrace {
                let large = TestBody(#"{"name":"Large","image_base64s":\#(Picture.list([cut, cut, cut]))}"#)
                let message = (0...2).map { "image_base64s[\($0)] is larger than 10 MB" }.joined(separator: "; ")
                let details = (0...2).map {
                    #"{"field":"image_base64s","message":"image_base64s[\#($0)] is larger than 10 MB","index":\#($0),"code":"IMAGE_TOO_LARGE"}"#
                }
                try await service.send(.post, "/v2/pikzonality/persona", large)
                    .expect(413, .imageTooLarge, message, details: details.joined(separator: ","))
            }
        }
    }
}
