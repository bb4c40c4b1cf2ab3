import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Personas
import PersonasDB
import TestImages
import Testing

@testable import PersonasHTTP

/// Health, readiness and maintenance.
@Suite("Health and maintenance", .serialized)
struct HealthTests {
    @Test("both checks answer without a key, whatever else comes with them")
    func healthy() async throws {
        try await TestService.run { service in
            for path in ["/healthz", "/readyz", "/healthz?x=1", "/readyz/"] {
                for key in [TestService.Key.none, .own, .text("nonsense")] {
                    let answer = try await service.send(.get, path, key: key)
                    answer.expect(200, #"{"status":"ok"}"#)
                    #expect(answer.headers[.cacheControl] == "private, no-cache")
                    #expect(try await service.send(.head, path, key: key).status == 200)
                }
            }
        }
    }

    /// A schema that is as a test says.
    private struct FixedSchema: SchemaStore {
        let ready: Bool

        func migrations() async throws(Failure) -> [MigrationReport] { [] }

        func isReady() async -> Bool { ready }

        func isReadyNow() -> Bool? { ready }
    }

    @Test("readiness fails while stopping or when the schema is not ready; liveness does not", arguments: [(true, true), (false, false)])
    func notReady(isReady: Bool, isStopping: Bool) async throws {
        let stopping = StoppingFlag()
        if isStopping { stopping.set() }
        let router = Router(context: PersonasRequestContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.add(middleware: SecurityHeaders())
        router.add(middleware: CrossOriginMiddleware(allowedOrigins: AllowedOrigins()))
        router.add(middleware: ErrorEnvelopeMiddleware())
        HealthRoutes(schema: FixedSchema(ready: isReady), stopping: stopping).add(to: router)
        try await Application(router: router).test(.router) { client in
            for method in [HTTPRequest.Method.get, .head] {
                let response = try await client.executeRequest(uri: "/readyz", method: method, headers: [:], body: nil)
                let answer = Answer(
                    status: response.status.code, headers: response.headers, bytes: [UInt8](response.body.readableBytesView))
                answer.check(method, isFailureExpected: true, sourceLocation: #_sourceLocation)
                #expect(answer.status == 503)
                #expect(answer.headers[.retryAfter] == "1")
                if method == .get { answer.expect(503, .serviceUnderMaintenance, "The service is under maintenance") }
                #expect(try await client.executeRequest(uri: "/healthz", method: method, headers: [:], body: nil).status == .ok)
            }
        }
    }

    @Test("readiness follows the migrations of the database")
    func migrations() async throws {
        try await TestService.run { service in
            #expect(await service.storage.schema.isReady())
            try await service.send(.get, "/readyz", key: .none).expect(200, #"{"status":"ok"}"#)
        }
    }

    @Test("maintenance turns every call away at once, but health and images answer; it ends at once too")
    func maintenance() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let link = try #require(try await service.send(.get, "/v2/personas/\(id)").string("portrait_url"))
            let media = String(link.dropFirst(TestService.baseURL.count))
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 120))
            try await service.withoutTrace {
                let calls: [(HTTPRequest.Method, String, TestBody?)] = [
                    (.get, "/v2/personas", nil), (.get, "/v2/personas/\(id)", nil), (.get, "/v2/pikzonality/\(id)", nil),
                    (.post, "/v2/personas", .create("X")),
                    (.post, "/v2/pikzonality/style", "nonsense"), (.patch, "/v2/personas/\(id)", "{}"),
                    (.delete, "/v2/personas/\(id)", nil),
                    (.post, "/v2/training/lease", nil), (.get, "/v2/nowhere", nil), (.put, "/v2/personas", nil),
                    (.get, "/docs/x", nil), (.get, "/media", nil), (.get, "/mediax", nil),
                ]
                for (method, path, body) in calls {
                    for key in [TestService.Key.own, .none, .text("nonsense")] {
                        let answer = try await service.send(method, path, body, key: key, isFailureExpected: true)
                        answer.expect(503, .serviceUnderMaintenance, "The service is under maintenance")
                        #expect(answer.headers[.retryAfter] == "120")
                    }
                }
            }
            try await expectImage(at: media, service)
            let head = try await service.send(.head, "/v2/personas", isFailureExpected: true)
            #expect(head.status == 503 && head.headers[.retryAfter] == "120")
            for path in ["/healthz", "/readyz"] { try await service.send(.get, path, key: .none).expect(200, #"{"status":"ok"}"#) }
            _ = try await service.administration.perform(SetMaintenance(isOn: false, retryAfterSeconds: nil))
            #expect(try await service.send(.get, "/v2/personas/\(id)").status == 200)
            #expect(try await service.send(.get, media, key: .none).status == 200)
        }
    }

    /// Reads an image in every form that pages of others use.
    private func expectImage(at path: String, _ service: TestService) async throws {
        let whole = try await service.send(.get, path, key: .none)
        #expect(whole.status == 200 && whole.bytes == Picture.png(seed: 1))
        #expect(try await service.send(.head, path, key: .none).status == 200)
        let part = try await service.send(.get, path, key: .none, headers: [.range: "bytes=0-3"])
        #expect(part.status == 206 && part.bytes == Array(whole.bytes.prefix(4)))
        let before = service.shadow.answeredCount
        let tag = try #require(whole.headers[.eTag])
        #expect(try await service.send(.get, path, key: .none, headers: [.ifNoneMatch: tag]).status == 304)
        service.shadow.expectAnswered(before + 1)
        try await service.send(.get, "/media/\(String(repeating: "0", count: 32))", key: .none).expect(404, .notFound, "Not found")
        #expect(try await service.send(.delete, path, key: .none).status == 405)
    }
}
