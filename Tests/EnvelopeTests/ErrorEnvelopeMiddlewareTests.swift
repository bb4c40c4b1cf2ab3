import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

private struct DomainFailure: EnvelopeConvertible {
    var envelopeError: EnvelopeError {
        EnvelopeError(.nameReserved, details: [ErrorDetail(field: "name", message: "This name is reserved")])
    }
}

private struct SecretError: Error, CustomStringConvertible {
    var description: String { "password hunter2 at /var/lib/secret" }
}

/// What a context is told, and how deep within the layers.
private struct ToldContext: EnvelopeRequestContext {
    var coreContext: CoreRequestContextStorage
    var requestID = ""
    let told = Shared<[String]>([])

    init(source: ApplicationRequestContextSource) { coreContext = CoreRequestContextStorage(source: source) }

    func noteTrace(_ trace: TraceParent) { told.withLock { $0.append("\(trace.traceID) \(trace.parentID)") } }

    func noteError(_ code: ErrorCode) { told.withLock { $0.append(code.rawValue) } }
}

/// A context that is told whole errors, and says of them what it was told.
private struct ErrorContext: EnvelopeRequestContext {
    var coreContext: CoreRequestContextStorage
    var requestID = ""
    static let told = Shared<[String]>([])

    init(source: ApplicationRequestContextSource) { coreContext = CoreRequestContextStorage(source: source) }

    func noteError(_ error: EnvelopeError) { Self.told.withLock { $0.append("\(error.code.rawValue): \(error.message)") } }
}

/// Keeps what the contexts of requests were told, once they are answered.
private struct ToldMiddleware: RouterMiddleware {
    let told: Shared<[[String]]>

    func handle(
        _ request: Request, context: ToldContext, next: (Request, ToldContext) async throws -> Response
    ) async throws -> Response {
        let response = try await next(request, context)
        told.withLock { $0.append(context.told.value) }
        return response
    }
}

@Suite("The error envelope middleware")
struct ErrorEnvelopeMiddlewareTests {
    /// Throws, on a route, what a test asks for.
    private func response(
        toThrowing error: any Error & Sendable,
        method: HTTPRequest.Method = .get,
        recorder: LogRecorder = LogRecorder()
    ) async throws -> TestResponse {
        let router = Router(context: EnvelopeContext.self)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.on("fail", method: method) { _, _ -> HTTPResponse.Status in throw error }
        return try await Application(router: router, logger: recorder.logger).test(.router) { client in
            try await client.executeRequest(uri: "/fail", method: method, headers: [:], body: nil)
        }
    }

    @Test(
        "maps Hummingbird's errors by their status",
        arguments: [
            (400, 400, ErrorCode.validationError), (401, 401, .invalidAPIKey), (402, 402, .insufficientCredits),
            (403, 403, .apiAccessNotEnabled), (404, 404, .notFound), (405, 405, .methodNotAllowed), (406, 400, .validationError),
            (409, 409, .conflict), (410, 404, .notFound), (412, 412, .preconditionFailed), (413, 413, .payloadTooLarge),
            (414, 400, .validationError), (415, 415, .unsupportedMediaType), (416, 416, .rangeNotSatisfiable), (422, 400, .validationError),
            (429, 429, .tooManyRequests), (431, 400, .validationError), (500, 500, .internalError), (501, 500, .internalError),
            (503, 503, .serviceUnavailable), (504, 500, .internalError),
        ]
    )
    func httpErrors(thrown: Int, answered: Int, code: ErrorCode) async throws {
        let response = try await self.response(toThrowing: HTTPError(HTTPResponse.Status(code: thrown), headers: [.vary: "Origin"]))
        #expect(response.status.code == answered)
        #expect(try response.envelope == ErrorEnvelope(code: code, requestID: response.requestID ?? "missing"))
        #expect(response.headers[.vary] == "Origin")
        #expect(response.headers[.retryAfter] == (answered == 429 || answered == 503 ? "1" : nil))
        #expect(response.headers[.wwwAuthenticate] == (answered == 401 ? "ApiKey" : nil))
    }

    @Test("tells a context that wants to know of the trace, and of the code of an error, once each")
    func told() async throws {
        let told = Shared<[[String]]>([])
        let router = Router(context: ToldContext.self)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.add(middleware: ToldMiddleware(told: told))
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.get("fine") { _, _ in HTTPResponse.Status.ok }
        router.get("unchanged") { _, _ -> HTTPResponse.Status in throw HTTPError(.notModified) }
        router.get("taken") { _, _ -> HTTPResponse.Status in throw DomainFailure() }
        router.get("broken") { _, _ -> HTTPResponse.Status in throw SecretError() }
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
        let traceParent = try #require(HTTPField.Name("traceparent"))
        try await Application(router: router, logger: LogRecorder().logger).test(.router) { client in
            for (path, headers) in [
                ("/fine", [:]), ("/fine", [traceParent: "00-\(trace)-\(parent)-01"]), ("/fine", [traceParent: "nonsense"]),
                ("/unchanged", [:]),
                ("/taken", [:]), ("/broken", [traceParent: "00-\(trace)-\(parent)-01"]), ("/nowhere", [:]),
            ] as [(String, HTTPFields)] {
                _ = try await client.executeRequest(uri: path, method: .get, headers: headers, body: nil)
            }
        }
        let ids = "\(trace) \(parent)"
        #expect(told.value == [[], [ids], [], [], ["NAME_RESERVED"], [ids, "INTERNAL_ERROR"], ["NOT_FOUND"]])
    }

    @Test("tells a context that asks for it the whole error, in the words that the client is told")
    func toldWhole() async throws {
        let router = Router(context: ErrorContext.self)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.get("bad") { _, _ -> HTTPResponse.Status in throw EnvelopeError.invalid([ErrorDetail(field: "a", message: "a is odd")]) }
        router.get("broken") { _, _ -> HTTPResponse.Status in throw SecretError() }
        try await Application(router: router, logger: LogRecorder().logger).test(.router) { client in
            for path in ["/bad", "/broken"] { _ = try await client.executeRequest(uri: path, method: .get, headers: [:], body: nil) }
        }
        #expect(
            ErrorContext.told.value == [
                "VALIDATION_ERROR: The request is invalid: a is odd", "INTERNAL_ERROR: \(ErrorCode.internalError.defaultMessage)",
            ])
    }

    @Test("passes on the reason of a client error but not that of a server error")
    func reasons() async throws {
        let client = try await self.response(toThrowing: HTTPError(.badRequest, message: "Coding key `name` not found."))
        #expect(try client.envelope.error.message == "The request is invalid: Coding key `name` not found.")
        let server = try await self.response(toThrowing: HTTPError(.internalServerError, message: "hunter2"))
        #expect(!server.text.contains("hunter2"))
    }

    @Test("asks an error type of the service for its envelope")
    func convertible() async throws {
        let recorder = LogRecorder()
        let response = try await self.response(toThrowing: DomainFailure(), recorder: recorder)
        #expect(response.status.code == 409)
        #expect(try response.envelope.error.details.first?.field == "name")
        #expect(recorder.lines.isEmpty)
    }

    @Test("sends the headers of an error, which win over its own")
    func headers() async throws {
        let error = EnvelopeError(.tooManyRequests, headers: [.cacheControl: "no-cache", .vary: "A"]).retryAfter(seconds: 0)
        let response = try await self.response(toThrowing: error)
        #expect(response.headers[.retryAfter] == "1")
        #expect(response.headers[.cacheControl] == "no-cache")
        #expect(response.headers[.vary] == "A")
    }

    @Test("lists every violation and repeats the reasons in the message")
    func invalid() async throws {
        let violations = [
            ErrorDetail(field: "name", message: "name is required"), ErrorDetail(field: "limit", message: "limit is no number"),
        ]
        let response = try await self.response(toThrowing: EnvelopeError.invalid(violations))
        #expect(response.status.code == 400)
        #expect(try response.envelope.error.message == "The request is invalid: name is required; limit is no number")
        #expect(try response.envelope.error.details == violations)
    }

    @Test("logs an unknown error under the request id and never sends its text")
    func unknownError() async throws {
        let recorder = LogRecorder()
        let response = try await self.response(toThrowing: SecretError(), recorder: recorder)
        #expect(response.status.code == 500)
        #expect(try response.envelope.error == ErrorBody(code: .internalError))
        #expect(!response.text.contains("hunter2") && !"\(response.headers)".contains("hunter2"))
        let line = try #require(recorder.lines.first { $0.level == .error })
        #expect(line.message == "Request failed")
        #expect(line.metadata["error"] == "password hunter2 at /var/lib/secret")
        #expect(line.metadata["hb.request.id"] == response.requestID)
        #expect(line.metadata["route"] == "/fail")
        #expect(recorder.lines.count == 1)
    }

    @Test("logs the cause of a known server error but not that of a client error without one")
    func causes() async throws {
        let recorder = LogRecorder()
        let response = try await self.response(toThrowing: EnvelopeError(.uploadFailed, cause: SecretError()), recorder: recorder)
        #expect(!response.text.contains("hunter2"))
        #expect(recorder.lines.map(\.metadata["error"]) == ["password hunter2 at /var/lib/secret"])
        _ = try await self.response(toThrowing: EnvelopeError(.conflict), recorder: recorder)
        #expect(recorder.lines.count == 1)
    }

    @Test("treats a cancellation inside a request that goes on as a failure")
    func strayCancellation() async throws {
        #expect(try await self.response(toThrowing: CancellationError()).envelope.error.code == .internalError)
    }

    @Test("lets the cancellation of the request itself pass")
    func cancellation() async throws {
        let router = Router(context: EnvelopeContext.self)
        let middleware = ErrorEnvelopeMiddleware<EnvelopeContext>()
        router.get("cancel") { request, context -> String in
            try await withThrowingTaskGroup(of: Response.self) { group in
                group.addTask {
                    try await middleware.handle(request, context: context) { _, _ in throw CancellationError() }
                }
                group.cancelAll()
                do {
                    _ = try await group.next()
                    return "answered"
                } catch is CancellationError {
                    return "passed"
                }
            }
        }
        let response = try await Application(router: router, logger: LogRecorder().logger).test(.router) { client in
            try await client.executeRequest(uri: "/cancel", method: .get, headers: [:], body: nil)
        }
        #expect(response.text == "passed")
    }

    @Test("lets errors of the parser pass, because the connection loop answers them")
    func parserErrors() async throws {
        let response = try await self.response(toThrowing: HTTPParserError.invalidEOFState)
        #expect(response.status.code == 500)
        #expect(response.requestID == nil)
    }

    @Test("does not take a redirect or a 304 for a failure")
    func notFailures() async throws {
        let response = try await self.response(toThrowing: HTTPError(.notModified, headers: [.eTag: "\"v1\""]))
        #expect(response.status == .notModified)
        #expect(response.headers[.eTag] == "\"v1\"")
        #expect(response.requestID != nil)
        #expect(response.body.readableBytes == 0)
    }

    @Test("uses an incoming request id only when told to, and only an acceptable one")
    func incomingRequestID() async throws {
        func requestID(trusts: Bool, incoming: [String]) async throws -> String {
            let router = Router(context: EnvelopeContext.self)
            router.add(middleware: ErrorEnvelopeMiddleware(trustsIncomingRequestID: trusts))
            router.get("id") { _, context in context.requestID }
            let response = try await Application(router: router, logger: LogRecorder().logger).test(.router) { client in
                var headers = HTTPFields()
                headers[values: .xRequestID] = incoming
                return try await client.executeRequest(uri: "/id", method: .get, headers: headers, body: nil)
            }
            #expect(response.requestID == response.text)
            return response.text
        }
        #expect(try await requestID(trusts: true, incoming: ["proxy-1"]) == "proxy-1")
        #expect(try await requestID(trusts: false, incoming: ["proxy-1"]) != "proxy-1")
        for unacceptable in [[], [""], ["two", "ids"], ["a b"], ["é"], [String(repeating: "x", count: 129)]] {
            let id = try await requestID(trusts: true, incoming: unacceptable)
            #expect(id.utf8.count == 36)
        }
        let longest = String(repeating: "x", count: 128)
        #expect(try await requestID(trusts: true, incoming: [longest]) == longest)
    }

    @Test("gives each request its own id, also where it is mounted twice")
    func requestIDs() async throws {
        let router = Router(context: EnvelopeContext.self)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.get("id") { _, context in context.requestID }
        try await Application(router: router, logger: LogRecorder().logger).test(.router) { client in
            var seen = Set<String>()
            for _ in 0..<50 {
                let response = try await client.executeRequest(uri: "/id", method: .get, headers: [:], body: nil)
                #expect(response.requestID == response.text)
                #expect(seen.insert(response.text).inserted)
            }
        }
    }
}
