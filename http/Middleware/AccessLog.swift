import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Logging
import Personas

/// Logs one structured line per request, when it is answered. Never a query, a header or a body: signed URLs, keys and faces are in there.
struct AccessLog: RouterMiddleware {
    typealias Context = PersonasRequestContext

    /// Stands for the status of a request whose client broke off before there was an answer; all other errors are answers by now.
    static let brokenOffStatus = 499

    let logger: Logger

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        do {
            let response = try await next(request, context)
            log(request, context, status: response.status.code, duration: start.duration(to: .now))
            return response
        } catch {
            log(request, context, status: Self.brokenOffStatus, duration: start.duration(to: .now))
            throw error
        }
    }

    private func log(_ request: Request, _ context: Context, status: Int, duration: Duration) {
        log(
            requestID: context.requestID, method: request.method, route: context.endpointPath, status: status,
            trace: TraceParent(request.headers), caller: context.caller, duration: duration)
    }

    /// Logs one request that was answered.
    func log(
        requestID: String, method: HTTPRequest.Method, route: String?, status: Int, trace: TraceParent?, caller: Caller?, duration: Duration
    ) {
        var metadata: Logger.Metadata = [
            "request_id": .string(requestID),
            "method": .string(method.rawValue),
            "route": .string(route ?? "none"),
            "status": .stringConvertible(status),
            "duration_us": .stringConvertible(
                duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000),
        ]
        if let trace {
            metadata["trace_id"] = .string(trace.traceID)
            metadata["parent_id"] = .string(trace.parentID)
        }
        if let caller {
            metadata["account"] = .string(caller.accountID.text)
            metadata["key"] = .string(caller.keyID.text)
        }
        logger.info("request", metadata: metadata)
    }
}
