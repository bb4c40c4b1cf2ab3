import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import TestSupport
import Testing

/// Who may call: keys, accounts and scopes, before anything of the request beyond its head is looked at.
@Suite("Authentication", .serialized)
struct AuthenticationTests {
    /// Every call that needs a key, and the scope that it needs.
    private static let calls: [(method: HTTPRequest.Method, path: String, scope: Scope)] = {
        let id = "00000000-0000-0000-0000-000000000000"
        var calls: [(method: HTTPRequest.Method, path: String, scope: Scope)] = []
        for items in ["/v2/personas", "/v2/styles", "/v2/pikzonality"] {
            calls += [
                (.get, items, .read), (.head, items, .read), (.get, "\(items)/\(id)", .read), (.head, "\(items)/\(id)", .read),
                (.patch, "\(items)/\(id)", .write), (.delete, "\(items)/\(id)", .write),
            ]
        }
        calls += ["/v2/personas", "/v2/styles", "/v2/pikzonality/persona", "/v2/pikzonality/style"].map { (.post, $0, .write) }
        calls += ["lease", "\(id)/heartbeat", "\(id)/complete", "\(id)/fail"].map { (.post, "/v2/training/\($0)", .trainer) }
        return calls
    }()

    private static let foreignKeys: [(key: TestService.Key, code: ErrorCode, message: String)] = [
        (.none, .missingAPIKey, "An API key is required in the header X-Api-Key"),
        (.text(""), .missingAPIKey, "An API key is required in the header X-Api-Key"),
        (.text("nonsense"), .invalidAPIKeyFormat, "The API key must start with pkz_"),
        (.text("PKZ_x"), .invalidAPIKeyFormat, "The API key must start with pkz_"),
        (.text("Bearer pkz_x"), .invalidAPIKeyFormat, "The API key must start with pkz_"),
        (.text("pkz_"), .invalidAPIKey, "The API key is not valid"),
        (.text("pkz_é\u{1}"), .invalidAPIKey, "The API key is not valid"),
        (.text("pkz_" + String(repeating: "x", count: 7_000)), .invalidAPIKey, "The API key is not valid"),
    ]

    @Test("is asked for by every call, before its id, its type and its body are looked at")
    func everyCall() async throws {
        try await TestService.run { service in
            try await service.withoutTrace {
                for call in Self.calls {
                    for (key, code, message) in Self.foreignKeys {
                        // A body that would be refused in every way, of a type that is not taken.
                        let body: TestBody? = call.scope == .read ? nil : TestBody(String(repeating: "[", count: 513))
                        let path = call.path.replacing("00000000-", with: "nonsense-")
                        let answer = try await service.send(
                            call.method, path, body, key: key, headers: body == nil ? [:] : [.contentType: "text/plain"])
                        #expect(answer.status == 401, "\(call.method) \(call.path)")
                        if call.method != .head { answer.expect(401, code, message) }
                    }
                }
            }
        }
    }

    @Test("takes the key from its own header alone")
    func otherPlaces() async throws {
        try await TestService.run { service in
            let message = "An API key is required in the header X-Api-Key"
            for headers in [
                [.authorization: "Bearer \(service.key)"], [.authorization: service.key], [.cookie: "X-Api-Key=\(service.key)"],
                [:] as HTTPFields,
            ] {
                try await service.send(.get, "/v2/personas?api_key=\(service.key)&x-api-key=\(service.key)", key: .none, headers: headers)
                    .expect(401, .missingAPIKey, message)
            }
            var twice: HTTPFields = [:]
            twice.append(HTTPField(name: .apiKey, value: service.key))
            twice.append(HTTPField(name: .apiKey, value: service.key))
            try await service.send(.get, "/v2/personas", key: .none, headers: twice).expect(401, .invalidAPIKey, "The API key is not valid")
            #expect(try await service.send(.get, "/v2/personas", key: .text(service.key.uppercased())).status == 401)
            #expect(try await service.send(.get, "/v2/personas", key: .text(String(service.key.dropLast()))).status == 401)
            #expect(try await service.send(.get, "/v2/personas", key: .text(service.key + "x")).status == 401)
            #expect(try await service.send(.get, "/v2/personas").status == 200)
        }
    }

    @Test("follows every change of a key or an account at once, in the order of its codes")
    func changes() async throws {
        try await TestService.run { service in
            let issued = try await service.key(scopes: [.read])
            let id = issued.id.text
            func perform(_ operation: some AdministrationOperation) async throws {
                _ = try await service.administration.perform(operation)
            }
            func expect(_ status: Int, _ code: ErrorCode, _ message: String, sourceLocation: SourceLocation = #_sourceLocation) async throws
            {
                for _ in 0..<2 {
                    try await service.send(.get, "/v2/personas", key: .text(issued.key))
                        .expect(status, code, message, sourceLocation: sourceLocation)
                }
            }
            func expectAccess(sourceLocation: SourceLocation = #_sourceLocation) async throws {
                let answer = try await service.send(.get, "/v2/personas", key: .text(issued.key))
                #expect(answer.status == 200, sourceLocation: sourceLocation)
            }
            try await expectAccess()
            try await perform(SetAPIAccess(false, accountName: "studio"))
            try await expect(403, .apiAccessNotEnabled, "This key has no access to this call")
            try await perform(SetSuspended(true, accountName: "studio"))
            try await expect(403, .accountSuspended, "The account is suspended")
            try await perform(SetKeyState(.disabled, id: id))
            try await expect(401, .apiKeyInactive, "The API key is disabled")
            try await perform(SetKeyState(.active, id: id))
            try await perform(SetSuspended(false, accountName: "studio"))
            try await perform(SetAPIAccess(true, accountName: "studio"))
            try await expectAccess()
            try await perform(DeleteAccount(name: "studio"))
            try await expect(404, .apiUserNotFound, "The account of this API key was not found")
            try await perform(SetKeyState(.disabled, id: id))
            try await expect(401, .apiKeyInactive, "The API key is disabled")
            try await perform(SetKeyState(.deleted, id: id))
            try await expect(401, .apiKeyDeleted, "The API key has been deleted")
        }
    }

    @Test("a key deleted before its account was is called deleted")
    func deletedKey() async throws {
        try await TestService.run { service in
            let issued = try await service.key(scopes: [.read, .write])
            _ = try await service.administration.perform(SetSuspended(true, accountName: "studio"))
            _ = try await service.administration.perform(SetKeyState(.deleted, id: issued.id.text))
            try await service.send(.get, "/v2/personas", key: .text(issued.key)).expect(401, .apiKeyDeleted, "The API key has been deleted")
        }
    }

    @Test("lets a key do what its scopes say, and nothing else")
    func scopes() async throws {
        try await TestService.run { service in
            for scopes in [[.read], [.write], [.trainer], [.read, .write], []] as [Set<Scope>] {
                let key = TestService.Key.text(try await service.key(scopes: scopes).key)
                for call in Self.calls {
                    let body: TestBody? = call.method == .post || call.method == .patch ? TestBody("{}") : nil
                    let answer = try await service.send(call.method, call.path, body, key: key)
                    guard !scopes.contains(call.scope) else {
                        #expect(answer.status != 401 && answer.status != 403, "\(call.method) \(call.path)")
                        continue
                    }
                    #expect(answer.status == 403, "\(call.method) \(call.path)")
                    guard call.method != .head else { continue }
                    answer.expect(403, .apiAccessNotEnabled, "The API key does not have the scope \(call.scope.rawValue)")
                }
            }
        }
    }

    @Test("a key without the scope learns nothing of ids, types and bodies")
    func scopeFirst() async throws {
        try await TestService.run { service in
            let reader = TestService.Key.text(try await service.key(scopes: [.read]).key)
            let id = try await service.create(.persona, "Nova")
            try await service.withoutTrace {
                for (method, path) in [
                    (HTTPRequest.Method.post, "/v2/personas"), (.post, "/v2/pikzonality/style"), (.patch, "/v2/personas/x"),
                    (.delete, "/v2/styles/x"),
                    (.patch, "/v2/personas/\(id)"), (.delete, "/v2/personas/\(id)"), (.delete, "/v2/pikzonality/\(Identifier.random())"),
                ] {
                    let body: TestBody? = method == .delete ? nil : "nonsense"
                    try await service.send(method, path, body, key: reader, headers: body == nil ? [:] : [.contentType: "text/plain"])
                        .expect(403, .apiAccessNotEnabled, "The API key does not have the scope write")
                }
            }
        }
    }

    @Test("keeps the secret nowhere")
    func secretIsNotStored() async throws {
        try await TestService.run { service in
            try await service.create(.persona, "Nova")
            let secret = Data(service.key.dropFirst(8).utf8)
            for name in try FileManager.default.contentsOfDirectory(atPath: service.directory) {
                guard let bytes = FileManager.default.contents(atPath: "\(service.directory)/\(name)") else { continue }
                #expect(bytes.range(of: secret) == nil, "\(name)")
            }
            #expect(!service.log.lines.contains { $0.text.contains(service.key.dropFirst(8)) })
        }
    }
}
