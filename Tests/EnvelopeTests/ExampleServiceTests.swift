import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import TestSupport
import Testing

/// The service in the documentation of ``ErrorEnvelopeMiddleware``.
private func exampleService(logger: Logger) -> some ApplicationProtocol {
    let titles = ["1": "A title"]
    let router = Router(context: EnvelopeContext.self, options: .autoGenerateHeadEndpoints)
    router.add(middleware: ErrorEnvelopeMiddleware())
    router.get("titles/{id}") { request, context in
        guard let title = titles[try context.parameters.require("id")] else { throw EnvelopeError(.notFound) }
        return title
    }
    router.post("titles") { request, context in
        try request.requireJSON()
        return ByteBuffer(bytes: try await request.bodyBytes(upTo: 1_048_576))
    }
    router.refuseOtherMethods()
    return Application(router: router, server: .guardedHTTP1(logger: logger), logger: logger)
}

@Suite("The example service")
struct ExampleServiceTests {
    private struct Exchange: CustomTestStringConvertible, Sendable {
        var method: HTTPRequest.Method
        var path: String
        var headers: HTTPFields = [:]
        var body: String?
        var status: Int
        var code: ErrorCode?
        var allow: String?
        var testDescription: String { "\(self.method) \(self.path) → \(self.status)" }
    }

    private static let json: HTTPFields = [.contentType: "application/json"]
    private static let exchanges = [
        Exchange(method: .get, path: "/titles/1", status: 200),
        Exchange(method: .head, path: "/titles/1", status: 200),
        Exchange(method: .get, path: "/titles/2", status: 404, code: .notFound),
        Exchange(method: .head, path: "/titles/2", status: 404, code: .notFound),
        Exchange(method: .get, path: "/nothing/here", status: 404, code: .notFound),
        Exchange(method: .get, path: "/", status: 404, code: .notFound),
        Exchange(method: .head, path: "/nothing", status: 404, code: .notFound),
        Exchange(method: .delete, path: "/titles/1", status: 405, code: .methodNotAllowed, allow: "GET, HEAD"),
        Exchange(method: .options, path: "/titles/1", status: 405, code: .methodNotAllowed, allow: "GET, HEAD"),
        Exchange(method: .get, path: "/titles", status: 405, code: .methodNotAllowed, allow: "POST"),
        Exchange(method: .head, path: "/titles", status: 405, code: .methodNotAllowed, allow: "POST"),
        Exchange(method: .post, path: "/titles", headers: json, body: "{}", status: 200),
        Exchange(method: .post, path: "/titles", body: "{}", status: 415, code: .unsupportedMediaType),
        Exchange(
            method: .post,
            path: "/titles",
            headers: json,
            body: String(repeating: "x", count: 1_048_577),
            status: 413,
            code: .payloadTooLarge
        ),
    ]

    @Test("answers every failure with an envelope, on the router and on the wire", arguments: exchanges)
    private func exchange(_ exchange: Exchange) async throws {
        for setup in [TestingSetup.router, .live] {
            let response = try await exampleService(logger: LogRecorder().logger).test(setup) { client in
                try await client.executeRequest(
                    uri: exchange.path,
                    method: exchange.method,
                    headers: exchange.headers,
                    body: exchange.body.map { ByteBuffer(string: $0) }
                )
            }
            #expect(response.status.code == exchange.status)
            let requestID = try #require(response.requestID)
            #expect(requestID.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
            #expect(response.headers[.allow] == exchange.allow)
            guard let code = exchange.code else { continue }
            #expect(response.headers[.contentType] == "application/json")
            #expect(response.headers[.cacheControl] == "no-store")
            #expect(response.headers[.xContentTypeOptions] == "nosniff")
            if exchange.method == .head {
                #expect(response.body.readableBytes == 0)
                let length = try #require(response.headers[.contentLength].flatMap { Int($0) })
                #expect(length == ErrorEnvelope(code: code, requestID: requestID).encoded().count)
            } else {
                #expect(try response.envelope.error.code == code)
                #expect(try response.envelope.requestID == requestID)
                #expect(response.headers[.contentLength] == "\(response.body.readableBytes)")
            }
        }
    }
}
