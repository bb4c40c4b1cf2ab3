import ErrorEnvelope
import HTTPTypes
public import Hummingbird
import Logging
import NIOHTTP1

/// Gives every request an id and answers every failure with an ``ErrorEnvelope``.
///
/// It belongs on the top router, before any route is added, because Hummingbird applies a middleware only to the routes that are added
/// after it. ``Hummingbird/Router/refuseOtherMethods()`` comes last, and ``RequestGuard`` does for the connection what the middleware
/// does for the request. A whole service:
///
/// ```swift
/// let router = Router(context: EnvelopeContext.self, options: .autoGenerateHeadEndpoints)
/// router.add(middleware: ErrorEnvelopeMiddleware())
/// router.get("titles/{id}") { request, context in
///     guard let title = titles[try context.parameters.require("id")] else { throw EnvelopeError(.notFound) }
///     return title
/// }
/// router.post("titles") { request, context in
///     try request.requireJSON()
///     return ByteBuffer(bytes: try await request.bodyBytes(upTo: 1_048_576))
/// }
/// router.refuseOtherMethods()
/// let service = Application(router: router, server: .guardedHTTP1(logger: logger), logger: logger)
/// try await service.runService()
/// ```
///
/// - An ``EnvelopeConvertible`` error, of which ``EnvelopeError`` is one, becomes the envelope it asks for.
/// - Hummingbird's own errors are mapped by their status.
/// - Everything else is a 500 `INTERNAL_ERROR`; its text is logged under the request id and never sent.
///
/// Log lines written with the context's logger carry the id under `hb.request.id`, the key that Hummingbird uses for its own. If the request
/// has a valid ``TraceParent``, they carry its ids, too, as `trace_id` and `parent_id`. Without one no trace is begun: the request's own id
/// finds its lines as well, and no other service would know the trace.
public struct ErrorEnvelopeMiddleware<Context: EnvelopeRequestContext>: RouterMiddleware {
    private let trustsIncomingRequestID: Bool

    /// Makes the middleware.
    /// - Parameter trustsIncomingRequestID: Whether an `X-Request-Id` of the request is used, if it is acceptable (see
    ///   ``RequestIdentifier/isAcceptable(_:)``). Only for services behind a proxy that always sets it: clients could otherwise
    ///   choose the id under which their requests appear in the log.
    public init(trustsIncomingRequestID: Bool = false) {
        self.trustsIncomingRequestID = trustsIncomingRequestID
    }

    /// Handles one request.
    public func handle(
        _ request: Request,
        context: Context,
        next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        // An outer layer of the same kind has given the id already, and puts it into the answer.
        guard context.requestID.isEmpty else { return try await self.respond(to: request, context: context, next: next) }
        var context = context
        let requestID = RequestIdentifier.make(from: self.trustsIncomingRequestID ? request.headers[.xRequestID] : nil)
        context.requestID = requestID
        context.logger[metadataKey: "hb.request.id"] = .string(requestID)
        if let trace = TraceParent(request.headers) {
            context.logger[metadataKey: "trace_id"] = .string(trace.traceID)
            context.logger[metadataKey: "parent_id"] = .string(trace.parentID)
            context.noteTrace(trace)
        }
        var response = try await self.respond(to: request, context: context, next: next)
        response.headers[.xRequestID] = requestID
        return response
    }

    private func respond(
        to request: Request,
        context: Context,
        next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            return try self.answer(to: request, failedWith: error, context: context)
        }
    }

    private func answer(to request: Request, failedWith error: any Error, context: Context) throws -> Response {
        // The connection is broken in the middle of a request. Hummingbird's connection loop has to see this, it answers and closes.
        if error is HTTPParserError { throw error }
        // No client is left to read an answer. A cancellation inside a task that itself goes on is an ordinary failure.
        if error is CancellationError, Task.isCancelled { throw error }
        // Some code throws `HTTPError(.notModified)` or a redirect.
        if let httpError = error as? HTTPError, httpError.status.code < 400 {
            return Response(status: httpError.status, headers: httpError.headers + [.xRequestID: context.requestID])
        }
        let envelopeError = EnvelopeError(converting: error)
        context.noteError(envelopeError)
        self.log(envelopeError, request: request, context: context)
        return envelopeError.response(to: request.method, requestID: context.requestID)
    }

    private func log(_ error: EnvelopeError, request: Request, context: Context) {
        guard error.code.status == 500 || error.cause != nil else { return }
        context.logger.log(
            level: error.code.status >= 500 ? .error : .info,
            "Request failed",
            metadata: [
                "code": .string(error.code.rawValue),
                "method": .string(request.method.rawValue),
                "route": .string(context.endpointPath ?? ""),
                "error": .string(error.cause.map { String(reflecting: $0) } ?? error.message),
            ]
        )
    }
}
