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
            log(request, context, status: response.status.code, since: start)
            return response
        } catch {
            log(request, context, status: Self.brokenOffStatus, since: start)
            throw error
        }
    }

    private func log(_ request: Request, _ context: Context, status: Int, since start: ContinuousClock.Instant) {
        let duration = start.duration(to: .now)
        var metadata: Logger.Metadata = [
            "request_id": .string(context.requestID),
            "method": .string(request.method.rawValue),
            "route": .string(context.endpointPath ?? "none"),
            "status": .stringConvertible(status),
            "duration_us": .stringConvertible(
                duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000),
        ]
        if let traceID = context.logger[metadataKey: "trace_id"] {
            metadata["trace_id"] = traceID
            metadata["parent_id"] = context.logger[metadataKey: "parent_id"]
        }
        if let caller = context.caller {
            metadata["account"] = .string(caller.accountID.text)
            metadata["key"] = .string(caller.keyID.text)
        }
        logger.info("request", metadata: metadata)
    }
}
