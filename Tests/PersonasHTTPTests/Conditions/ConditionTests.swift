import ErrorEnvelope
import HTTPTypes
import Personas
import Testing

/// Requests with conditions: what a client has need not be sent, and what it has not seen is not overwritten.
@Suite("Conditions", .serialized)
struct ConditionTests {
    @Test("An item that a client knows is not sent again, on any surface and by any spelling of its tag", arguments: Mount.all)
    func known(mount: Mount) async throws {
        try await TestService.run { service in
            let path = mount.item(try await service.createCompleted(mount.mode, "Nova"))
            let whole = try await service.send(.get, path)
            let tag = try #require(whole.headers[.eTag])
            #expect(tag == service.tag(2))
            for field in [tag, "W/\(tag)", "*", "\"x\", \(tag)", ",W/\(tag),"] {
                for method in [HTTPRequest.Method.get, .head] {
                    let answer = try await service.send(method, path, headers: [.ifNoneMatch: field])
                    #expect(answer.status == 304, "\(field)")
                    for name in [HTTPField.Name.eTag, .cacheControl, .vary] { #expect(answer.headers[name] == whole.headers[name]) }
                    #expect(answer.headers[.contentType] == nil)
                }
            }
            for field in [
                "\"x\"", service.tag(1), service.tag(2, base: "https://elsewhere.example.com"), "\"v2\"", tag.uppercased(),
                String(tag.dropFirst().dropLast()), "W/\(tag.dropFirst())", "\"x\" \(tag)", "",
            ] {
                let answer = try await service.send(.get, path, headers: [.ifNoneMatch: field])
                #expect(answer.status == 200 && answer.text == whole.text, "\(field)")
            }
            #expect(service.shadow.answeredCount > 15 || !TestPlace.isSQLite)
        }
    }

    @Test("What is not to be seen is not, whatever a client says it knows", arguments: Mount.all)
    func refusals(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            let stranger = try await service.newKey(account: "stranger")
            for field in ["*", service.tag(1)] {
                try await service.send(.get, mount.item(id), key: stranger, headers: [.ifNoneMatch: field]).expect(
                    404, .notFound, "Not found")
                try await service.send(.get, mount.item(id), key: .none, headers: [.ifNoneMatch: field]).expect(
                    401, .missingAPIKey, "An API key is required in the header X-Api-Key")
            }
        }
    }

    @Test("A list and a create have no tag of an item, and no conditions", arguments: Mount.all)
    func others(mount: Mount) async throws {
        try await TestService.run { service in
            let list = try await service.send(.get, mount.items, headers: [.ifNoneMatch: "*"])
            #expect(list.status == 200 && list.headers[.eTag] == nil)
            let created = try await service.send(.post, mount.creation, .create("Nova"), headers: [.ifNoneMatch: "*", .ifMatch: "\"x\""])
            #expect(created.headers[.eTag] == (mount.isTyped ? service.tag(1) : nil))
        }
    }

    @Test("A change is made if the item is what the client has seen, and else nothing is", arguments: Mount.all)
    func change(mount: Mount) async throws {
        try await TestService.run { service in
            let path = mount.item(try await service.createCompleted(mount.mode, "Nova"))
            let tag = try #require(try await service.send(.get, path).headers[.eTag])
            func patch(_ words: String, _ fields: HTTPFields) async throws -> Answer {
                try await service.send(.patch, path, TestBody(#"{"special_instructions":"\#(words)"}"#), headers: fields)
            }
            try await service.withoutTrace {
                for field in [
                    service.tag(1), service.tag(3), "W/\(tag)", "\"x\"", "\"v2\"", service.tag(2, base: ""), "\"v02\(tag.dropFirst(3))",
                ] {
                    try await patch("no", [.ifMatch: field]).expect(
                        412, .preconditionFailed, "The resource has changed: If-Match does not match")
                    #expect(try await service.send(.delete, path, headers: [.ifMatch: field]).status == 412)
                }
                for field in ["*", tag, "W/\(tag)", "\"x\", \(tag)"] {
                    try await patch("no", [.ifNoneMatch: field]).expect(
                        412, .preconditionFailed, "The resource is one that If-None-Match rules out")
                    #expect(try await service.send(.delete, path, headers: [.ifNoneMatch: field]).status == 412)
                }
                #expect(try await patch("no", [.ifMatch: tag, .ifNoneMatch: tag]).status == 412)
            }
            let conditions: [HTTPFields] = [[.ifMatch: tag], [.ifMatch: "*"], [.ifNoneMatch: tag], [:]]
            for (index, fields) in conditions.enumerated() {
                let answer = try await patch("yes \(index)", fields)
                #expect(answer.status == 200 && answer.string("special_instructions") == "yes \(index)")
                #expect(answer.headers[.eTag] == service.tag(3 + index))
                #expect(try await service.send(.get, path).headers[.eTag] == answer.headers[.eTag])
            }
            let listed = "\"x\", \(service.tag(4)), \(service.tag(6))"
            #expect(try await service.send(.delete, path, headers: [.ifMatch: listed, .ifNoneMatch: "\"x\""]).status == 200)
            #expect(try await service.send(.get, path).status == 404)
        }
    }

    @Test("What is no list of tags is refused by name where it would decide on a change", arguments: Mount.all)
    func malformed(mount: Mount) async throws {
        try await TestService.run { service in
            let path = mount.item(try await service.createCompleted(mount.mode, "Nova"))
            let bare = String(service.tag(2).dropFirst().dropLast())
            try await service.withoutTrace {
                for name in [HTTPField.Name.ifMatch, .ifNoneMatch] {
                    let violation = (field: name.rawName, message: "\(name.rawName) must be * or a list of entity tags in double quotes")
                    for field in [bare, "", "\"x", "*, \"x\""] {
                        try await service.send(.patch, path, #"{"special_instructions":"no"}"#, headers: [name: field]).expectViolations([
                            violation
                        ])
                        try await service.send(.delete, path, headers: [name: field]).expectViolations([violation])
                    }
                }
                #expect(
                    try await service.send(.patch, path, "{}", headers: [.ifMatch: "x", .ifNoneMatch: "y"]).envelope.error.details.count
                        == 2)
            }
        }
    }

    @Test("Everything else that stands against a change is told before its condition", arguments: Mount.all)
    func order(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            let taken = try await service.create(mount.mode, "Vega")
            let stale: HTTPFields = [.ifMatch: "\"stale\""]
            let readOnly = TestService.Key.text(try await service.key(scopes: [.read]).key)
            try await service.withoutTrace {
                let statuses = [
                    try await service.send(.patch, mount.item(id), "{}", key: .none, headers: stale).status,
                    try await service.send(.patch, mount.item(id), "{}", key: readOnly, headers: stale).status,
                    try await service.send(.patch, mount.item(Identifier.random().text), "{}", headers: stale).status,
                    try await service.send(.patch, mount.item(id), #"{"name":"?"}"#, headers: stale).status,
                    try await service.send(.patch, mount.item(id), #"{"name":"vega"}"#, headers: stale).status,
                    try await service.send(.delete, mount.item(id), headers: stale).status,
                    try await service.send(.delete, mount.item(Identifier.random().text), headers: stale).status,
                    try await service.send(.patch, mount.item(taken), "{}", headers: stale).status,
                ]
                #expect(statuses == [401, 403, 404, 400, 409, 400, 404, 412])
            }
        }
    }

    @Test("No tag counts after the service has moved, while the item is the same")
    func moved() async throws {
        let (base, other) = ("https://a.example.com", "https://b.example.com")
        try await TestService.run(baseURL: base) { service in
            let path = "/v2/personas/\(try await service.create(.persona, "Nova"))"
            #expect(try await service.send(.get, path, headers: [.ifNoneMatch: service.tag(1, base: base)]).status == 304)
            #expect(try await service.send(.get, path, headers: [.ifNoneMatch: service.tag(1, base: other)]).status == 200)
            #expect(service.tag(1, base: base) != service.tag(1, base: other))
        }
    }
}
