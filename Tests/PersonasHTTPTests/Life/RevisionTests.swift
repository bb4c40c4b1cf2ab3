import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import TestImages
import Testing

@testable import PersonasHTTP

/// Looking at how an item was, and going back there.
@Suite("Revisions over HTTP", .serialized)
struct RevisionTests {
    @Test("tell every state, the present one first, and each can be brought back", arguments: Mount.all)
    func backAndForth(mount: Mount) async throws {
        try await TestService.run { service in
            let create = #"{"name":"Nova","metadata":{"a":"1"},"image_base64s":\#(Picture.base64List)}"#
            let created = try await service.send(.post, mount.creation, TestBody(create))
            let id = try #require(created.string("id"))
            var requests = [created.requestID]
            for body in [#"{"name":"Other","special_instructions":"soft"}"#, #"{"external_id":"x","metadata":{"b":"2"}}"#] {
                let changed = try await service.send(.patch, mount.item(id), TestBody(body))
                requests.append(changed.requestID)
            }
            for body in ["{}", #"{"name":"Other"}"#] {
                #expect(try await service.send(.patch, mount.item(id), TestBody(body)).status == 200)
            }
            let path = "\(mount.item(id))/revisions"
            let all = try await service.send(.get, path)
            #expect(all.items.map { $0["version"] as? Int } == [3, 2, 1])
            #expect(all.items.map { $0["request_id"] as? String } == requests.reversed())
            #expect(all.names == ["Other", "Other", "Nova"])
            #expect(
                all.items.allSatisfy {
                    Set($0.keys) == ["version", "name", "special_instructions", "external_id", "metadata", "changed_at", "request_id"]
                })
            #expect(all.items.map { $0["metadata"] as? [String: String] } == [["a": "1", "b": "2"], ["a": "1"], ["a": "1"]])
            let item = try await service.send(.get, "/v2/\(mount.mode)s/\(id)")
            #expect(all.items.first?["changed_at"] as? String == item.string("updated_at"))
            #expect(all.items.last?["changed_at"] as? String == item.string("created_at"))

            let restored = try await service.send(.post, "\(path)/1/restore", headers: [.ifMatch: try #require(item.headers[.eTag])])
            #expect(restored.status == 200 && restored.string("name") == "Nova")
            let now = try await service.send(.get, mount.item(id))
            #expect(restored.headers[.eTag] == now.headers[.eTag])
            if mount.isTyped {
                #expect(restored.text == now.text)
                #expect(restored.object?["external_id"] is NSNull && restored.object?["metadata"] as? [String: String] == ["a": "1"])
            } else {
                #expect(restored.text == #"{"name":"Nova","id":"\#(id)","special_instructions":null}"#)
            }
            #expect(try await service.send(.post, "\(path)/1/restore").headers[.eTag] == now.headers[.eTag])
            #expect(try await service.send(.get, path).items.map { $0["version"] as? Int } == [4, 3, 2, 1])
        }
    }

    @Test("are cut into pages by cursors of their own")
    func pages() async throws {
        try await TestService.run { service in
            let (id, other) = (try await service.create(.persona, "Nova"), try await service.create(.persona, "Other"))
            for number in 2...5 {
                try await service.send(.patch, "/v2/personas/\(id)", TestBody(#"{"special_instructions":"\#(number)"}"#))
            }
            var (found, target): ([Int], String?) = ([], "/v2/personas/\(id)/revisions?limit=2")
            while let next = target {
                let page = try await service.send(.get, next)
                found += page.items.compactMap { $0["version"] as? Int }
                target = page.headers[.link]?.firstMatch(of: /^<https:\/\/api.example.com(.*)>; rel="next"$/).map { String($0.output.1) }
                #expect((page.object?["has_more"] as? Bool == true) == (target != nil))
            }
            #expect(found == [5, 4, 3, 2, 1])
            let cursor = try #require(try await service.send(.get, "/v2/personas/\(id)/revisions?limit=1").string("next_cursor"))
            for path in [
                "/v2/personas/\(other)/revisions?cursor=\(cursor)", "/v2/personas/\(id)/revisions?cursor=x", "/v2/trash?cursor=\(cursor)",
            ] {
                try await service.send(.get, path).expectViolations([("cursor", "cursor does not belong to this list")])
            }
        }
    }

    @Test("are another's business, no number, or none any more: 404; and the rules are those of a change")
    func refusals() async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            try await service.send(.patch, "/v2/personas/\(id)", #"{"name":"Other"}"#)
            let taker = try await service.create(.persona, "Nova")
            let path = "/v2/personas/\(id)/revisions"
            let other = try await service.newKey(account: "other")
            try await service.withoutTrace {
                for version in ["0", "3", "-1", "x", "1.0", "01", "99999999999999999999"] {
                    try await service.send(.post, "\(path)/\(version)/restore").expect(404, .notFound, "Not found")
                }
                try await service.send(.get, "/v2/styles/\(id)/revisions").expect(404, .notFound, "Not found")
                try await service.send(.get, path, key: other).expect(404, .notFound, "Not found")
                try await service.send(.post, "\(path)/1/restore", key: other).expect(404, .notFound, "Not found")
                try await service.send(.get, "/v2/personas/x/revisions").expect(400, .invalidPersona, "The persona id is not a UUID")
                try await service.send(.get, "/v2/pikzonality/x/revisions").expect(404, .notFound, "Not found")
                let taken = try await service.send(.post, "\(path)/1/restore")
                taken.expect(
                    409, .nameAlreadyExists, "A persona with this name already exists",
                    details: #"{"field":"name","message":"A persona with this name already exists","id":"<id 1>"}"#)
                #expect(try taken.envelope.error.details.map(\.id) == [taker])
                try await service.send(.post, "\(path)/2/restore", headers: [.ifMatch: service.tag(1)]).expect(
                    412, .preconditionFailed, "The resource has changed: If-Match does not match")
                let reader = TestService.Key.text(try await service.key(scopes: [.read]).key)
                try await service.send(.post, "\(path)/2/restore", key: reader).expect(
                    403, .apiAccessNotEnabled, "The API key does not have the scope write")
            }
            let key: HTTPFields = [HTTPField.Name("Idempotency-Key")!: "k-1"]
            #expect(try await service.send(.post, "\(path)/2/restore", headers: key).status == 200)
            #expect(try await service.send(.post, "\(path)/2/restore", headers: key).header("Idempotent-Replayed") == "true")
        }
    }
}
