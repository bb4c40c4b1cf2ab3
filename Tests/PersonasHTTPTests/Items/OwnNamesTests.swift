import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasDB
import TestImages
import Testing

@testable import PersonasHTTP

/// `external_id` and `metadata` on the wire.
@Suite("The client's own names", .serialized)
struct OwnNamesTests {
    private static func create(_ name: String, _ members: String) -> TestBody {
        TestBody(#"{"name":"\#(name)","image_base64s":\#(Picture.base64List),\#(members)}"#)
    }

    private static func metadata(_ answer: Answer) -> [String: String]? { answer.object?["metadata"] as? [String: String] }

    @Test("stand in every full representation, and in none of the published shapes", arguments: Mount.all)
    func shapes(mount: Mount) async throws {
        try await TestService.run { service in
            let members = #""external_id":"order/7","metadata":{"z":"é\u0000\"","A":"","k.1-_":"v"}"#
            let created = try await service.send(.post, mount.creation, Self.create("Nova", members))
            let id = try #require(created.string("id"))
            let own = #""external_id":"order/7","metadata":{"A":"","k.1-_":"v","z":"é\u0000\""},"#
            let full = Mount(mode: mount.mode, isTyped: true).processing("Nova", suffix: mount.isTyped ? #","request_id":"<request>""# : "")
                .replacing(#""external_id":null,"metadata":{},"#, with: own)
            if mount.isTyped { created.expect(201, full) } else { #expect(created.object?.count == 2) }
            let plain = full.replacing(#","request_id":"<request>""#, with: "")
            try await service.send(.get, "/v2/\(mount.mode)s/\(id)").expect(200, plain)
            for path in ["/v2/\(mount.mode)s", "/v2/pikzonality"] {
                try await service.send(.get, path).expect(200, #"{"data":[\#(plain)],"has_more":false,"next_cursor":null}"#)
            }
            let published = Mount(mode: mount.mode, isTyped: false)
            try await service.send(.get, published.item(id)).expect(200, published.processing("Nova"))
            try await service.send(.patch, published.item(id), #"{"external_id":"other","metadata":{"A":null}}"#)
                .expect(200, #"{"name":"Nova","id":"<id 1>","special_instructions":null}"#)
            let changed = try await service.send(.get, "/v2/\(mount.mode)s/\(id)")
            #expect(changed.string("external_id") == "other")
            #expect(Self.metadata(changed) == ["k.1-_": "v", "z": "é\0\""])
            #expect(changed.headers[.eTag] != created.headers[.eTag])
        }
    }

    @Test(
        "an id that another item has is a conflict that names it; the other mode and another account may have the same",
        arguments: Mount.all)
    func conflict(mount: Mount) async throws {
        try await TestService.run { service in
            let first = try #require(
                try await service.send(.post, mount.creation, Self.create("First", #""external_id":"a1""#)).string("id"))
            let second = try await service.create(mount.mode, "Second")
            let message = "A \(mount.mode) with this external_id already exists"
            let details = #"{"field":"external_id","message":"\#(message)","id":"<id 1>"}"#
            try await service.withoutTrace {
                for answer in [
                    try await service.send(.post, mount.creation, Self.create("Third", #""external_id":"a1""#)),
                    try await service.send(.patch, mount.item(second), #"{"external_id":"a1","name":"Third"}"#),
                ] {
                    answer.expect(409, .conflict, message, details: details)
                    #expect(answer.text.contains(first))
                }
                // Found before any image is looked at; a name that is taken is found before it.
                let images = Picture.list(["x", "y", "z"])
                let unread: TestBody = #"{"name":"Third","external_id":"a1","image_base64s":\#(images)}"#
                #expect(try await service.send(.post, mount.creation, unread).status == 409)
                let name = try await service.send(.post, mount.creation, Self.create("first", #""external_id":"a1""#))
                #expect(try name.envelope.error.code == .nameAlreadyExists)
            }
            #expect(try await service.send(.patch, mount.item(first), #"{"external_id":"a1","name":"Fourth"}"#).status == 200)
            let other = Mount.all.first { $0.mode == mount.other && $0.isTyped } ?? mount
            #expect(try await service.send(.post, other.creation, Self.create("Third", #""external_id":"a1""#)).status == 201)
            let key = try await service.newKey(account: "other")
            #expect(try await service.send(.post, mount.creation, Self.create("Third", #""external_id":"a1""#), key: key).status < 300)
            // Given up, it is free at once.
            #expect(try await service.send(.patch, mount.item(first), #"{"external_id":null}"#).status == 200)
            #expect(try await service.send(.patch, mount.item(second), #"{"external_id":"a1"}"#).status == 200)
        }
    }

    @Test("ten creates of one id at once make one item, and each of the others is told of it")
    func race() async throws {
        try await TestService.run { service in
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for number in 0..<10 {
                    group.addTask {
                        try await service.send(.post, "/v2/personas", Self.create("Nova \(number)", #""external_id":"one""#))
                    }
                }
                return try await group.reduce(into: [Answer]()) { $0.append($1) }
            }
            let id = try #require(answers.first { $0.status == 201 }?.string("id"))
            #expect(answers.count { $0.status == 409 && $0.text.contains(id) } == 9)
            #expect(try await service.footprint().items.count == 1)
        }
    }

    /// A change after a change, and what the item's id and labels are then; whether it counts as one.
    private static let steps: [(body: String, id: String?, metadata: [String: String], isChange: Bool)] = [
        (#"{"external_id":"x","metadata":{"a":"1","b":"2"}}"#, "x", ["a": "1", "b": "2"], true),
        ("{}", "x", ["a": "1", "b": "2"], false), (#"{"metadata":{}}"#, "x", ["a": "1", "b": "2"], false),
        (#"{"metadata":{"b":"2"},"external_id":"x"}"#, "x", ["a": "1", "b": "2"], false),
        (#"{"metadata":{"nothing":null}}"#, "x", ["a": "1", "b": "2"], false),
        (#"{"metadata":{"a":null,"c":"3"}}"#, "x", ["b": "2", "c": "3"], true),
        (#"{"external_id":null}"#, nil, ["b": "2", "c": "3"], true),
        (#"{"metadata":null}"#, nil, [:], true), (#"{"metadata":null,"external_id":null}"#, nil, [:], false),
        (#"{"metadata":{"é":"x"},"external_id":5}"#, nil, [:], false),
    ]

    @Test("are set, merged and cleared by a change; one that leaves them as they are bumps nothing", arguments: Mount.all)
    func changes(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(mount.mode, "Nova")
            let path = "/v2/\(mount.mode)s/\(id)"
            for step in Self.steps {
                let before = try await service.send(.get, path)
                try await service.send(.patch, mount.item(id), TestBody(step.body))
                let after = try await service.send(.get, path)
                #expect(after.string("external_id") == step.id, "\(step.body)")
                #expect(Self.metadata(after) == step.metadata, "\(step.body)")
                #expect((after.headers[.eTag] != before.headers[.eTag]) == step.isChange, "\(step.body)")
                #expect(step.isChange || after.bytes == before.bytes, "\(step.body)")
            }
        }
    }

    private static let idRule = "external_id must be 1 to 64 visible ASCII characters"
    private static let keyRule = "metadata must have keys of 1 to 40 letters A-Z and a-z, digits, underscores, dots and hyphens"
    private static let valueRule = "metadata must have values that are strings of at most 500 characters"
    private static let countRule = "metadata must have at most 16 members"

    private static let refused: [(members: String, violations: [(field: String, message: String)])] = [
        (#""external_id":"""#, [("external_id", idRule)]), (#""external_id":" ""#, [("external_id", idRule)]),
        (#""external_id":"é""#, [("external_id", idRule)]),
        (#""external_id":"\#(String(repeating: "x", count: 65))""#, [("external_id", idRule)]),
        (#""external_id":5"#, [("external_id", "external_id must be a string")]),
        (#""metadata":[]"#, [("metadata", "metadata must be an object")]),
        (#""metadata":"x""#, [("metadata", "metadata must be an object")]),
        (#""metadata":{"":"x"}"#, [("metadata", keyRule)]), (#""metadata":{"a b":"x"}"#, [("metadata", keyRule)]),
        (#""metadata":{"\#(String(repeating: "k", count: 41))":"x"}"#, [("metadata", keyRule)]),
        (#""metadata":{"a":5}"#, [("metadata", valueRule)]), (#""metadata":{"a":{"b":"c"}}"#, [("metadata", valueRule)]),
        (#""metadata":{"a":["b"],"c":true}"#, [("metadata", valueRule)]),
        (#""metadata":{"a":"\#(String(repeating: "é", count: 501))"}"#, [("metadata", valueRule)]),
        (
            #""metadata":{\#((0..<17).map { #""k\#($0)":"v""# }.joined(separator: ","))},"external_id":[]"#,
            [("external_id", "external_id must be a string"), ("metadata", countRule)]
        ),
        (#""metadata":{"a":"x","a":"y"}"#, [("body", "the body has the same member twice")]),
    ]

    @Test("are held to their rules, on creates and changes alike", arguments: Mount.all)
    func refusals(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            try await service.withoutTrace {
                for (members, violations) in Self.refused {
                    try await service.send(.post, mount.creation, Self.create("Vega", members)).expectViolations(violations)
                    try await service.send(.patch, mount.item(id), TestBody("{\(members)}")).expectViolations(violations)
                }
                let null = try await service.send(.post, mount.creation, Self.create("Vega", #""metadata":{"a":null}"#))
                null.expectViolations([("metadata", Self.valueRule)])
            }
            let full = (0..<16).map { #""k\#($0)":"v""# }.joined(separator: ",")
            try await service.send(.patch, mount.item(id), TestBody(#"{"metadata":{\#(full)}}"#))
            try await service.withoutTrace {
                try await service.send(.patch, mount.item(id), #"{"metadata":{"more":"x"}}"#)
                    .expectViolations([("metadata", Self.countRule)])
            }
            #expect(try await service.send(.patch, mount.item(id), #"{"metadata":{"more":"x","k0":null}}"#).status == 200)
        }
    }

    @Test("are not held to the content policy: nobody but the client ever sees them")
    func policy() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(BlockTerms(["forbidden"]))
            let body = Self.create("Nova", #""external_id":"forbidden","metadata":{"forbidden":"so forbidden"}"#)
            #expect(try await service.send(.post, "/v2/personas", body).status == 201)
        }
    }

    @Test("make another request of one that is sent again under its key with others")
    func idempotency() async throws {
        try await TestService.run { service in
            let headers: HTTPFields = [.idempotencyKey: "k"]
            func send(_ members: String) async throws -> Answer {
                try await service.send(.post, "/v2/personas", Self.create("Nova", members), headers: headers)
            }
            let first = try await send(#""external_id":"x","metadata":{"a":"1","b":"2"}"#)
            #expect(first.status == 201)
            #expect(try await send(#""metadata" : {"b":"\u0032", "a":"1"}, "external_id":"x""#).bytes == first.bytes)
            for other in [
                #""external_id":"y","metadata":{"a":"1","b":"2"}"#, #""external_id":"x","metadata":{"a":"2","b":"1"}"#,
                #""external_id":"x","metadata":{"a":"1"}"#, #""external_id":"x","metadata":{"a":"1","b":"2","c":null}"#,
                #""external_id":"x""#,
            ] { #expect(try await send(other).status == 422, "\(other)") }
        }
    }

    /// Items with labels, oldest first.
    private static func fill(_ service: TestService) async throws {
        let rows: [(Mode, String, String)] = [
            (.persona, "Delta", #""external_id":"d","metadata":{"team":"red","tier":"1"}"#),
            (.style, "Alpha", #""external_id":"a","metadata":{"team":"red","tier":"2"}"#),
            (.persona, "Beta", #""metadata":{"team":"red","tier":"2"}"#),
            (.persona, "Gamma", #""metadata":{"team":"blue & co","tier":"2"}"#),
            (.persona, "Epsilon", #""external_id":"a""#), (.style, "Zeta", #""metadata":{"team":""}"#),
        ]
        for (mode, name, members) in rows {
            // One after another, so that no two are of one millisecond.
            let start = Timestamp.now
            while Timestamp.now == start { await Task.yield() }
            #expect(try await service.send(.post, "/v2/\(mode)s", create(name, members)).status == 201)
            if name == "Delta" { try await service.train() }
        }
    }

    private static let queries: [(query: String, names: [String])] = [
        ("external_id=d", ["Delta"]), ("external_id=a", ["Epsilon", "Alpha"]), ("external_id=a&sort=name", ["Alpha", "Epsilon"]),
        ("external_id=a&mode=style", ["Alpha"]), ("external_id=A", []), ("external_id=nobody", []),
        ("external_id=d&status=completed", ["Delta"]), ("external_id=d&status=failed", []), ("external_id=a&q=lph", ["Alpha"]),
        ("external_id=a&metadata[tier]=2", ["Alpha"]), ("external_id=a&metadata[tier]=1", []),
        ("metadata[team]=red", ["Beta", "Alpha", "Delta"]), ("metadata%5Bteam%5D=red&sort=created_at", ["Delta", "Alpha", "Beta"]),
        ("metadata%5bteam%5d=red&sort=name", ["Alpha", "Beta", "Delta"]), ("metadata[team]=red&sort=-name", ["Delta", "Beta", "Alpha"]),
        ("metadata[team]=red&mode=persona", ["Beta", "Delta"]), ("metadata[team]=blue+%26+co", ["Gamma"]), ("metadata[team]=RED", []),
        ("metadata[team]=", ["Zeta"]), ("metadata[team]", ["Zeta"]), ("metadata[nothing]=", []),
        ("metadata[team]=red&status=completed", ["Delta"]), ("metadata[team]=red&status=failed", []),
        ("metadata[team]=red&metadata[tier]=2", ["Beta", "Alpha"]), ("metadata[tier]=2&metadata[team]=red&sort=name", ["Alpha", "Beta"]),
        ("metadata[team]=red&metadata[tier]=3", []), ("metadata[tier]=2&q=a&mode=persona&sort=name", ["Beta", "Gamma"]),
        ("metadatax=1&xmetadata[a]=1&limit=1", ["Zeta"]),
    ]

    @Test("are what lists are filtered by, with every other filter and in every order")
    func filters() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            for (query, names) in Self.queries {
                let answer = try await service.send(.get, "/v2/pikzonality?\(query)")
                #expect(answer.status == 200 && answer.names == names, "\(query): \(answer.text)")
                for mode in Mode.allCases {
                    let typed = try await service.send(.get, "/v2/\(mode)s?\(query)")
                    let own = answer.items.filter { $0["mode"] as? String == mode.rawValue }.compactMap { $0["name"] as? String }
                    #expect(query.contains("mode=") || query.contains("limit=") || typed.names == own, "\(mode) \(query)")
                }
            }
            let other = try await service.newKey(account: "other")
            for query in ["external_id=d", "metadata[team]=red"] {
                #expect(try await service.send(.get, "/v2/pikzonality?\(query)", key: other).names == [])
            }
        }
    }

    @Test("are kept by the links from page to page, whose cursors belong to no other list")
    func pages() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            for query in [
                "metadata[team]=red", "metadata[team]=red&sort=name", "external_id=a", "metadata[tier]=2&metadata[team]=red&sort=-name",
            ] {
                let all = try await service.send(.get, "/v2/pikzonality?\(query)").names
                var (names, target): ([String], String?) = ([], "/v2/pikzonality?limit=1&\(query)")
                while let next = target {
                    let page = try await service.send(.get, next)
                    names += page.names
                    target = page.headers[.link].map { String($0.dropFirst(TestService.baseURL.count + 1).prefix { $0 != ">" }) }
                }
                #expect(names == all && all.count > 1, "\(query)")
            }
            let cursor = try #require(try await service.send(.get, "/v2/pikzonality?limit=1&metadata[team]=red").string("next_cursor"))
            #expect(try await service.send(.get, "/v2/pikzonality?cursor=\(cursor)&metadata[team]=red").names == ["Alpha", "Delta"])
            for other in [
                "", "&metadata[team]=blue", "&metadata[tier]=red", "&metadata[team]=red&metadata[tier]=2",
                "&metadata[team]=red&external_id=a",
            ] {
                try await service.send(.get, "/v2/pikzonality?cursor=\(cursor)\(other)")
                    .expectViolations([("cursor", "cursor does not belong to this list")])
            }
        }
    }

    @Test("are asked for by their rules alone", arguments: ["/v2/personas", "/v2/styles", "/v2/pikzonality"])
    func badFilters(path: String) async throws {
        let form = "metadata must be asked for as metadata[key]=value, by the rules for keys and values"
        let often = "metadata must be asked for at most 2 times, each time by another key"
        try await TestService.run { service in
            for (query, field, message) in [
                ("external_id=", "external_id", Self.idRule), ("external_id=a+b", "external_id", Self.idRule),
                ("external_id=%C3%A9", "external_id", Self.idRule), ("metadata[]=x", "metadata", form), ("metadata=x", "metadata", form),
                ("metadata", "metadata", form), ("metadata[a=x", "metadata", form), ("metadata[a]b=x", "metadata", form),
                ("metadata[a%20b]=x", "metadata", form), ("metadata[%]=x", "metadata", form), ("metadata[a][b]=x", "metadata", form),
                ("metadata[\(String(repeating: "k", count: 41))]=x", "metadata", form),
                ("metadata[a]=\(String(repeating: "x", count: 501))", "metadata", form), ("metadata[a]=1&metadata[a]=2", "metadata", often),
                ("metadata[a]=1&metadata%5Ba%5D=1", "metadata", often), ("metadata[a]=1&metadata[b]=2&metadata[c]=3", "metadata", often),
            ] {
                try await service.send(.get, "\(path)?\(query)").expectViolations([(field, message)])
            }
        }
    }

    @Test("may stand in seeds, which can be loaded again")
    func seeds() async throws {
        try await TestService.run { service in
            let images = Picture.base64List
            let json = """
                {"personas":[{"account":"studio","name":"Nova","images":[],"image_base64s":\(images),"external_id":"own","metadata":{"k":"v"}}]}
                """
            let seed = try JSONDecoder().decode(SeedDocument.self, from: Data(json.utf8))
            for count in [1, 0] { #expect(try await service.administration.perform(LoadSeed(seed)).personas == count) }
            #expect(try await service.send(.get, "/v2/personas?external_id=own&metadata[k]=v").names == ["Nova"])
        }
    }

    @Test("are shown to the operator who asks for one item")
    func shown() async throws {
        try await TestService.run { service in
            try await Self.fill(service)
            let items = try await service.administration.perform(ListItems(limit: 10)).rows
            let id = try #require(items.first { $0.name == "Delta" }?.id)
            let item = try await service.administration.perform(ShowItem(id: id.text)).item
            #expect(item.externalID == "d" && item.metadata == ["team": "red", "tier": "1"])
        }
    }
}
