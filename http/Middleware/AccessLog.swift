import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Logging
import Personas

/// Logs one structured line per request, when it is answered. Never a query, a header or a body: signed URLs, keys and faces are in there.
struct AccessLog: RouterMiddleware {
    typealias Context = PersonasRequestContext

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
            log(request, context, status: EnvelopeError(converting: error).code.status, since: start)
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
        if let caller = context.caller {
            metadata["account"] = .string(caller.accountID.text)
            metadata["key"] = .string(caller.keyID.text)
        }
        logger.info("request", metadata: metadata)
    }
}
