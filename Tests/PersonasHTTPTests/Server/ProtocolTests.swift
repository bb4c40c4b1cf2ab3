import ErrorEnvelope
import HTTPTypes
import HummingbirdTesting
import NIOCore
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// What holds for every call: request ids, methods, paths, media types.
@Suite("Every call", .serialized)
struct ProtocolTests {
    @Test("has an id of its own, a random UUID in lower case")
    func requestIDs() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            var seen: Set<String> = []
            let calls: [(HTTPRequest.Method, String, TestBody?, TestService.Key)] = [
                (.get, "/healthz", nil, .none), (.get, "/v2/personas", nil, .own), (.get, "/v2/personas/\(id)", nil, .own),
                (.post, "/v2/personas", .create("Other"), .own), (.post, "/v2/personas", "{", .own), (.get, "/v2/personas", nil, .none),
                (.get, "/nowhere", nil, .none), (.put, "/v2/personas", nil, .own), (.head, "/v2/personas/\(id)", nil, .own),
                (.post, "/v2/training/lease", nil, .own), (.get, "/media/x", nil, .none), (.options, "/v2/personas", nil, .none),
            ]
            for (method, path, body, key) in calls {
                let answer = try await service.send(
                    method, path, body, key: key, headers: [.requestID: "chosen-by-the-client"])
                #expect(answer.requestID.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
                #expect(seen.insert(answer.requestID).inserted)
                if let repeated = answer.string("request_id") { #expect(repeated == answer.requestID) }
            }
        }
    }

    @Test("has the id that a trusted proxy gave it, if that is fit for a log")
    func trustedRequestIDs() async throws {
        var configuration = HTTPConfiguration()
        configuration.trustsIncomingRequestID = true
        try await TestService.run(configuration: configuration) { service in
            for given in ["proxy-1", "a", String(repeating: "x", count: 128), "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"] {
                let created = try await service.send(.post, "/v2/personas", "{}", headers: [.requestID: given])
                #expect(created.requestID == given)
                #expect(try created.envelope.requestID == given)
                #expect(try await service.send(.get, "/nowhere", key: .none, headers: [.requestID: given]).requestID == given)
                #expect(service.accessLog.entries.last?.requestID == given)
            }
            let answer = try await service.send(.post, "/v2/personas", .create("Nova"), headers: [.requestID: "proxy-2"])
            #expect(answer.string("request_id") == "proxy-2")
            for unfit in ["", " ", "a b", "é", String(repeating: "x", count: 129), "a\tb"] {
                let answer = try await service.send(.get, "/v2/personas", headers: [.requestID: unfit])
                #expect(answer.requestID.wholeMatch(of: Answer.uuid) != nil, "\(unfit)")
            }
        }
    }

    @Test("HEAD answers as GET does, without a body")
    func head() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.style, "Paper")
            let link = try #require(try await service.send(.get, "/v2/styles/\(id)").string("portrait_url"))
            let targets = [
                "/healthz", "/readyz", "/v2/styles/\(id)", "/v2/pikzonality/\(id)", "/v2/styles", "/v2/personas?limit=1",
                "/v2/pikzonality?limit=0",
                "/v2/personas/\(id)", "/v2/styles/x", "/nowhere", String(link.dropFirst(TestService.baseURL.count)), "/media/x",
                "/", "/docs", "/openapi.json", "/openapi.yaml", "/favicon.ico", "/docs/assets/x/app.js",
                "/console/x/app.js", "/console/x/views/list.js",
            ]
            for target in targets {
                let get = try await service.send(.get, target)
                let head = try await service.send(.head, target)
                #expect(head.status == get.status, "\(target)")
                #expect(head.bytes.isEmpty)
                // What differs between any two requests: the id, and what is left of the rate limit.
                func comparable(_ fields: HTTPFields) -> [String] {
                    fields.filter { $0.name != .requestID && $0.name.canonicalName != "ratelimit" }.map {
                        "\($0.name.canonicalName): \($0.value)"
                    }.sorted()
                }
                #expect(comparable(head.headers) == comparable(get.headers), "\(target)")
            }
            #expect(try await service.send(.head, "/v2/styles", key: .none).status == 401)
        }
    }

    private static let methods: [(path: String, allowed: [HTTPRequest.Method], allow: String)] = [
        ("/v2/personas", [.get, .head, .post], "GET, HEAD, POST"), ("/v2/styles", [.get, .head, .post], "GET, HEAD, POST"),
        ("/v2/pikzonality", [.get, .head], "GET, HEAD"), ("/v2/pikzonality/persona", [.post], "POST"),
        ("/v2/pikzonality/style", [.post], "POST"),
        ("/v2/personas/x", [.get, .head, .patch, .delete], "DELETE, GET, HEAD, PATCH"),
        ("/v2/styles/x", [.get, .head, .patch, .delete], "DELETE, GET, HEAD, PATCH"),
        ("/v2/pikzonality/x", [.get, .head, .patch, .delete], "DELETE, GET, HEAD, PATCH"), ("/v2/training/lease", [.post], "POST"),
        ("/v2/training/x/heartbeat", [.post], "POST"), ("/v2/training/x/complete", [.post], "POST"),
        ("/v2/training/x/fail", [.post], "POST"),
        ("/healthz", [.get, .head], "GET, HEAD"), ("/readyz", [.get, .head], "GET, HEAD"), ("/media/x", [.get, .head], "GET, HEAD"),
        ("/", [.get, .head], "GET, HEAD"), ("/docs", [.get, .head], "GET, HEAD"), ("/openapi.json", [.get, .head], "GET, HEAD"),
        ("/openapi.yaml", [.get, .head], "GET, HEAD"), ("/favicon.ico", [.get, .head], "GET, HEAD"),
        ("/docs/assets/x/app.js", [.get, .head], "GET, HEAD"), ("/console/x/app.js", [.get, .head], "GET, HEAD"),
        ("/console/x/views/list.js", [.get, .head], "GET, HEAD"),
    ]

    @Test("with a method that its path does not take is 405, and told those it takes")
    func otherMethods() async throws {
        let every: [HTTPRequest.Method] = [
            .get, .head, .post, .put, .patch, .delete, .options, .trace, .init("PROPFIND")!, .init("QUERY")!,
        ]
        try await TestService.run { service in
            try await service.withoutTrace {
                for row in Self.methods {
                    for method in every where !row.allowed.contains(method) {
                        for key in [TestService.Key.own, .none] {
                            let answer = try await service.send(method, row.path, key: key)
                            #expect(answer.status == 405, "\(method) \(row.path)")
                            #expect(answer.headers[.allow] == row.allow, "\(method) \(row.path)")
                            if method != .head { answer.expect(405, .methodNotAllowed, "This method is not allowed here") }
                        }
                    }
                }
                // No header turns one method into another.
                for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
                    let answer = try await service.send(.post, "/v2/personas/x", headers: [HTTPField.Name(name)!: "DELETE"])
                    #expect(answer.status == 405)
                }
            }
        }
    }

    @Test("to a path that no route has is 404 in JSON, with and without a key")
    func unknownPaths() async throws {
        try await TestService.run { service in
            for path in [
                "/v2", "/v2/", "/v1/personas", "/v3/personas", "/v2/thumbnail/text", "/v2/thumbnail/image", "/v2/thumbnail/edit",
                "/v2/title",
                "/v2/pikzonality/persona/x", "/v2/personas/x/y", "/v2/persona", "/v2/Personas", "/V2/personas", "/v2/training",
                "/v2/training/x",
                "/v2/training/x/steal", "/metrics/x", "/openapi", "/openapi.json/x", "/docs/x", "/docs/assets", "/console", "/console/",
                "/console/x", "/index.html", "/.env", "/administration",
                "/healthz/x",
                "/v2/personas%2Fx",
                "/%76%32/personas", "/v2/../v2/nowhere", "/v2\\personas", "/media/a/b",
            ] {
                for method in [HTTPRequest.Method.get, .post] {
                    for key in [TestService.Key.own, .none] {
                        let body: TestBody? = method == .post ? "{}" : nil
                        try await service.send(method, path, body, key: key).expect(404, .notFound, "Not found")
                    }
                }
            }
        }
    }

    @Test("is never redirected: superfluous slashes are passed over")
    func slashes() async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            for path in ["/v2/personas/", "//v2/personas", "/v2//personas", "/v2/personas//"] {
                #expect(try await service.send(.get, path).names == ["Nova"], "\(path)")
            }
            #expect(try await service.send(.get, "/v2/personas/\(id)/").string("id") == id)
            #expect(try await service.send(.post, "/v2/pikzonality/persona/", .create("Other")).status == 200)
        }
    }

    private static let accepted = [
        "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON",
        "application/json ; x=\"y\"",
        "application/merge-patch+json", "application/vnd.api+json", "application/problem+json; q=1",
    ]

    private static let refused = [
        "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "multipart/form-datax",
        "application/xml",
        "application/jsonp",
        "application/x+json5", "application/+json", "json", "", "*/*", "application/json, text/plain", "image/png", "application/json/x",
        "application/ json",
    ]

    @Test("with a body declares it as JSON", arguments: Mount.all)
    func contentTypes(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            for (index, type) in Self.accepted.enumerated() {
                let created = try await service.send(.post, mount.creation, .create("Other \(index)"), headers: [.contentType: type])
                #expect(created.status == (mount.isTyped ? 201 : 200), "\(type)")
                #expect(try await service.send(.patch, mount.item(id), "{}", headers: [.contentType: type]).status == 200, "\(type)")
            }
            try await service.withoutTrace {
                let message = "The request body must be JSON, with Content-Type: application/json"
                for type in Self.refused {
                    for (method, path) in [(HTTPRequest.Method.post, mount.creation), (.patch, mount.item(id))] {
                        let body = TestBody(#"{"name":"Never","image_base64s":\#(Picture.base64List)}"#)
                        try await service.send(method, path, body, headers: [.contentType: type]).expect(
                            415, .unsupportedMediaType,
                            method == .post ? "\(message), or a form with files, with Content-Type: multipart/form-data" : message)
                    }
                }
                // A body without a type at all is not taken either.
                let untyped = try await service.client.executeRequest(
                    uri: mount.creation, method: .post, headers: [.apiKey: service.key], body: .init(string: "{}"))
                #expect(untyped.status == .unsupportedMediaType)
            }
        }
    }

    @Test("that reads or deletes may declare a type for a body that it has not")
    func typedReads() async throws {
        try await TestService.run { service in
            for mount in Mount.all {
                let id = try await service.createCompleted(mount.mode, "Nova")
                for type in ["application/json", "text/plain", "nonsense"] {
                    for headers in [[.contentType: type] as HTTPFields, [.contentType: type, .contentLength: "0"]] {
                        #expect(try await service.send(.get, mount.item(id), headers: headers).status == 200)
                        #expect(try await service.send(.get, mount.items, headers: headers).status == 200)
                    }
                }
                #expect(try await service.send(.delete, mount.item(id), headers: [.contentType: "application/json"]).status == 200)
            }
        }
    }
}
