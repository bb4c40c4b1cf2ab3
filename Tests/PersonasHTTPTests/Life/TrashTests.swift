import PersonasDB
import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import TestImages
import Testing

@testable import PersonasHTTP

/// Putting items away, and having them back.
@Suite("The trash over HTTP", .serialized)
struct TrashTests {
    private static func media(_ item: Answer) throws -> [String] {
        let links = try [#require(item.string("portrait_url"))] + #require(item.object?["reference"] as? [String])
        return links.map { String($0.dropFirst(TestService.baseURL.count)) }
    }

    private static func counts(_ service: TestService, _ mode: Mode) async throws -> [String: Int] {
        let counts = try await service.send(.get, "/v2/me").object?["counts"] as? [String: Any]
        return try #require(counts?["\(mode)s"] as? [String: Int])
    }

    @Test("takes an item away and gives it back under the same links", arguments: Mount.all)
    func thereAndBack(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(mount.mode, "Nova")
            let typed = Mount(mode: mount.mode, isTyped: true)
            let before = try await service.send(.get, typed.item(id))
            let media = try Self.media(before)
            let subject = mount.isTyped ? mount.word : "Persona or style"

            let put = try await service.send(.delete, "\(mount.item(id))?to=trash")
            #expect(put.status == 200 && put.object?.count == 2 && put.string("message") == "\(subject) moved to the trash")
            for path in media { try await service.send(.get, path, key: .none).expect(404, .notFound, "Not found") }
            for headers in [[:], [.ifNoneMatch: "*"]] as [HTTPFields] {
                #expect(try await service.send(.get, media[0], key: .none, headers: headers).status == 404)
            }
            try await service.withoutTrace {
                try await service.send(.delete, "\(mount.item(id))?to=trash").expect(404, .notFound, "Not found")
                try await service.send(.delete, mount.item(id)).expect(404, .notFound, "Not found")
                try await service.send(.get, mount.item(id)).expect(404, .notFound, "Not found")
                try await service.send(.patch, mount.item(id), "{}").expect(404, .notFound, "Not found")
                try await service.send(.get, "\(mount.item(id))/revisions").expect(404, .notFound, "Not found")
            }
            #expect(try await service.send(.get, mount.items).items.isEmpty)
            let list = try await service.send(.get, "/v2/trash")
            let row = try #require(list.items.first as? [String: String])
            #expect(list.items.count == 1 && list.object?["has_more"] as? Bool == false)
            #expect(Set(row.keys) == ["id", "mode", "name", "deleted_at", "purge_at"])
            #expect(row["id"] == id && row["mode"] == "\(mount.mode)" && row["name"] == "Nova" && row["purge_at"] == put.string("purge_at"))
            let (from, to) = (Timestamp(text: row["deleted_at"] ?? ""), Timestamp(text: row["purge_at"] ?? ""))
            #expect(from?.adding(days: 30) == to)
            #expect(try await Self.counts(service, mount.mode) == ["processing": 0, "completed": 0, "failed": 0, "trash": 1])
            #expect(try await service.collect() == 0)

            let restored = try await service.send(.post, "/v2/trash/\(id.uppercased())/restore")
            #expect(restored.status == 200 && restored.text == before.text)
            #expect(restored.headers[.eTag] == before.headers[.eTag])
            for path in media { #expect(try await service.send(.get, path, key: .none).status == 200) }
            #expect(try await service.send(.get, mount.items).items.count == 1)
            #expect(try await service.send(.get, "/v2/trash").items.isEmpty)
            try await service.send(.post, "/v2/trash/\(id)/restore").expect(404, .notFound, "Not found")
            try await service.send(.delete, "/v2/trash/\(id)").expect(404, .notFound, "Not found")
            #expect(try await Self.counts(service, mount.mode)["trash"] == 0)
        }
    }

    @Test("is emptied item by item, for good")
    func purge() async throws {
        try await TestService.run { service in
            for mode in Mode.allCases {
                let mount = Mount(mode: mode, isTyped: true)
                let id = try await service.createCompleted(mode, "Nova")
                try await service.send(.delete, "\(mount.item(id))?to=trash")
                try await service.withoutTrace {
                    try await service.send(.delete, "/v2/trash/\(id)?to=trash").expectViolations([
                        ("query", "query must have no parameters")
                    ])
                    try await service.send(.delete, "/v2/trash/\(id)", headers: [.ifMatch: service.tag(1)]).expect(
                        412, .preconditionFailed, "The resource has changed: If-Match does not match")
                }
                try await service.send(.delete, "/v2/trash/\(id)", headers: [.ifMatch: service.tag(2)]).expect(
                    200, #"{"message":"\#(mount.word) deleted"}"#)
                try await service.send(.delete, "/v2/trash/\(id)").expect(404, .notFound, "Not found")
                #expect(try await service.collect() == 3)
                #expect(try await service.mediaFiles().isEmpty)
            }
        }
    }

    @Test("takes nothing that is in training, and no parameter that is mistyped", arguments: Mount.all)
    func refusals(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            let other = try await service.newKey(account: "other")
            try await service.withoutTrace {
                try await service.send(.delete, "\(mount.item(id))?to=trash").expect(
                    400, .cannotDeleteProcessing, "This \(mount.mode) is still processing")
                for query in ["to=trsh", "to=", "to", "to=Trash", "to=trash&to=trash", "too=trash", "to=trash&x", "metadata%5Ba%5D=1"] {
                    let answer = try await service.send(.delete, "\(mount.item(id))?\(query)")
                    #expect(try answer.status == 400 && answer.envelope.error.code == .validationError, "\(query)")
                }
                try await service.send(.delete, "\(mount.item(id))?to=trash", key: other).expect(404, .notFound, "Not found")
            }
            try await service.train()
            try await service.send(.delete, "\(mount.item(id))?to=trash", headers: [.ifMatch: service.tag(1)]).expect(
                412, .preconditionFailed, "The resource has changed: If-Match does not match")
            #expect(try await service.send(.delete, "\(mount.item(id))?to=trash", headers: [.ifMatch: service.tag(2)]).status == 200)
            #expect(try await service.send(.get, "/v2/trash", key: other).items.isEmpty)
            for path in ["/v2/trash/\(id)/restore", "/v2/trash/x/restore"] {
                try await service.send(.post, path, key: other).expect(404, .notFound, "Not found")
            }
            try await service.send(.delete, "/v2/trash/\(id)", key: other).expect(404, .notFound, "Not found")
            let reader = TestService.Key.text(try await service.key(scopes: [.read]).key)
            let message = "The API key does not have the scope write"
            try await service.send(.post, "/v2/trash/\(id)/restore", key: reader).expect(403, .apiAccessNotEnabled, message)
            try await service.send(.delete, "/v2/trash/\(id)", key: reader).expect(403, .apiAccessNotEnabled, message)
            #expect(try await service.send(.get, "/v2/trash", key: reader).items.count == 1)
            let writer = TestService.Key.text(try await service.key(scopes: [.write]).key)
            try await service.send(.get, "/v2/trash", key: writer).expect(
                403, .apiAccessNotEnabled, "The API key does not have the scope read")
        }
    }

    @Test("gives back under another name or id where those are taken, by the rules of a create")
    func conflicts() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            #expect(try await service.send(.patch, "/v2/personas/\(id)", #"{"external_id":"own"}"#).status == 200)
            try await service.send(.delete, "/v2/personas/\(id)?to=trash")
            let taker = try await service.createCompleted(.persona, "NOVA")
            #expect(try await service.send(.patch, "/v2/personas/\(taker)", #"{"external_id":"own"}"#).status == 200)
            try await service.storage.names.reserve([Name(stored: "Chief")], in: WriteContext(at: .now)).forget()
            try await service.storage.terms.block([BlockedTerm(stored: "rude")], in: WriteContext(at: .now)).forget()
            let path = "/v2/trash/\(id)/restore"
            try await service.withoutTrace {
                let taken = try await service.send(.post, path)
                taken.expect(
                    409, .nameAlreadyExists, "A persona with this name already exists",
                    details: #"{"field":"name","message":"A persona with this name already exists","id":"<id 1>"}"#)
                #expect(try taken.envelope.error.details.map(\.id) == [taker])
                let own = try await service.send(.post, path, #"{"name":"Nova 2"}"#)
                own.expect(
                    409, .conflict, "A persona with this external_id already exists",
                    details: #"{"field":"external_id","message":"A persona with this external_id already exists","id":"<id 1>"}"#)
                #expect(try own.envelope.error.details.map(\.id) == [taker])
                try await service.send(.post, path, #"{"name":"chief"}"#).expect(
                    409, .nameReserved, "This name is reserved", details: #"{"field":"name","message":"This name is reserved"}"#)
                #expect(try await service.send(.post, path, #"{"name":"so rude"}"#).envelope.error.code == .contentPolicy)
                try await service.send(.post, path, #"{"name":null}"#).expectViolations([("name", "name must be a string")])
                try await service.send(.post, path, #"{"name":"a/b","external_id":""}"#).expectViolations([
                    ("name", "name may hold only the letters A-Z and a-z, digits, spaces, hyphens and underscores"),
                    ("external_id", "external_id must be 1 to 64 visible ASCII characters"),
                ])
                #expect(try await service.send(.post, path, "[]").status == 400)
                #expect(try await service.send(.post, path, "{}", headers: [.contentType: "text/plain"]).status == 415)
            }
            #expect(try await service.send(.get, "/v2/trash").items.count == 1)
            let restored = try await service.send(
                .post, path, #"{"name":" Nova   2 ","external_id":null,"special_instructions":"ignored"}"#)
            #expect(restored.status == 200 && restored.string("name") == "Nova 2")
            #expect(restored.object?["external_id"] is NSNull && restored.object?["special_instructions"] is NSNull)
            #expect(restored.headers[.eTag] == service.tag(4))
            #expect(try await service.send(.get, "/v2/personas/\(id)").text == restored.text)
        }
    }

    @Test("restores once under an idempotency key")
    func idempotency() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.style, "Nova")
            try await service.send(.delete, "/v2/styles/\(id)?to=trash")
            let key: HTTPFields = [HTTPField.Name("Idempotency-Key")!: "k-1"]
            let first = try await service.send(.post, "/v2/trash/\(id)/restore", #"{"name":"Other"}"#, headers: key)
            let second = try await service.send(.post, "/v2/trash/\(id)/restore", #"{ "name": "Other" }"#, headers: key)
            #expect(first.status == 200 && second.status == 200 && first.text == second.text)
            #expect(first.headers[.eTag] == second.headers[.eTag] && second.header("Idempotent-Replayed") == "true")
            try await service.send(.post, "/v2/trash/\(id)/restore", headers: key).expect(
                422, .idempotencyKeyReused, ErrorCode.idempotencyKeyReused.defaultMessage)
        }
    }

    @Test("lists the newest first, page by page, and takes no cursor of another list")
    func pages() async throws {
        try await TestService.run { service in
            var ids: [String] = []
            for number in 0..<5 {
                let mode: Mode = number == 2 ? .style : .persona
                ids.append(try await service.createCompleted(mode, "Item \(number)"))
                let start = Timestamp.now
                while Timestamp.now == start { await Task.yield() }
                try await service.send(.delete, "/v2/pikzonality/\(ids[number])?to=trash")
            }
            for (query, expected) in [
                ("", Array(ids.reversed())), ("&mode=persona", [4, 3, 1, 0].map { ids[$0] }), ("&mode=style", [ids[2]]),
            ] {
                var (found, target): ([String], String?) = ([], "/v2/trash?limit=2\(query)")
                while let next = target {
                    let page = try await service.send(.get, next)
                    found += page.items.compactMap { $0["id"] as? String }
                    let hasMore = page.object?["has_more"] as? Bool
                    let link = page.headers[.link]?.firstMatch(of: /^<https:\/\/api.example.com(.*)>; rel="next"$/)
                    #expect((hasMore == true) == (link != nil))
                    if let cursor = page.string("next_cursor") { #expect(link?.output.1.contains("cursor=\(cursor)") == true) }
                    target = link.map { String($0.output.1) }
                }
                #expect(found == expected, "\(query)")
            }
            let cursor = try #require(try await service.send(.get, "/v2/trash?limit=1").string("next_cursor"))
            let foreign = try #require(try await service.send(.get, "/v2/trash?limit=1&mode=persona").string("next_cursor"))
            for query in ["cursor=\(foreign)", "mode=persona&cursor=\(cursor)", "cursor=x", "cursor=", "cursor=\(cursor)A"] {
                try await service.send(.get, "/v2/trash?\(query)").expectViolations([("cursor", "cursor does not belong to this list")])
            }
            try await service.send(.get, "/v2/personas?cursor=\(cursor)").expectViolations([
                ("cursor", "cursor does not belong to this list")
            ])
            try await service.send(.get, "/v2/trash?limit=0&mode=hat").expectViolations([
                ("limit", "limit must be a whole number of at least 1"), ("mode", "mode must be one of persona, style"),
            ])
        }
    }
}

extension Array {
    /// For calls whose answer a test does not look at.
    fileprivate func forget() {}
}
