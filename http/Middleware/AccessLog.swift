import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import NIOCore
import Personas
import Synchronization

/// Logs one entry per request, when it is answered.
struct AccessLog: RouterMiddleware {
    typealias Context = PersonasRequestContext

    /// Stands for the status of a request whose client broke off before there was an answer; all other errors are answers by now.
    static let brokenOffStatus = 499

    /// Stands for the route of a request that found none.
    static let noRoute = "none"

    let writer: any AccessLogWriter
    let addresses: ClientAddresses

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        var request = request
        // Most requests have no body to count.
        let bytesIn = request.announcesBody ? ByteCount() : nil
        if let bytesIn { request.body = RequestBody(asyncSequence: CountedBody(body: request.body, count: bytesIn)) }
        do {
            var response = try await next(request, context)
            // Hummingbird takes the body from an answer to HEAD outside of all layers.
            guard request.method != .head, response.body.contentLength == nil else {
                let bytesOut = request.method == .head ? 0 : response.body.contentLength
                log(request, context, bytesIn, status: response.status.code, bytesOut: bytesOut, since: start)
                return response
            }
            // How long it becomes is known in the end.
            let status = response.status.code
            response.body = response.body.counted(
                LogInTheEnd { [self, request] bytesOut in log(request, context, bytesIn, status: status, bytesOut: bytesOut, since: start) }
            )
            return response
        } catch {
            log(request, context, bytesIn, status: Self.brokenOffStatus, bytesOut: 0, since: start)
            throw error
        }
    }

    private func log(
        _ request: Request, _ context: Context, _ bytesIn: ByteCount?, status: Int, bytesOut: Int?, since start: ContinuousClock.Instant
    ) {
        let peer = addresses.peer(at: context.channel.remoteAddress)
        let error = context.error
        writer.write(
            AccessLogEntry(
                requestID: context.requestID, method: request.method.rawValue, route: context.route ?? Self.noRoute, status: status,
                code: error?.code, reason: error?.loggedReason, duration: start.duration(to: .now), caller: context.caller,
                trace: context.trace,
                address: addresses.text(of: peer, forwardedFor: request.headers[values: .xForwardedFor]), bytesIn: bytesIn?.total ?? 0,
                bytesOut: bytesOut))
    }
}

/// Bytes of a body that were read so far.
private final class ByteCount: Sendable {
    private let bytes = Atomic(0)

    var total: Int { bytes.load(ordering: .relaxed) }

    func add(_ more: Int) { bytes.add(more, ordering: .relaxed) }
}

/// A body that is counted while it is read.
private struct CountedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let body: RequestBody
    let count: ByteCount

    struct AsyncIterator: AsyncIteratorProtocol {
        var iterator: RequestBody.AsyncIterator
        let count: ByteCount

        mutating func next() async throws -> ByteBuffer? {
            let part = try await iterator.next()
            if let part { count.add(part.readableBytes) }
            return part
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(iterator: body.makeAsyncIterator(), count: count) }
}

/// The line of an answer whose length only its end tells, written when its last byte is, or when it is thrown away.
private final class LogInTheEnd: Sendable {
    private let bytes = Atomic(0)
    private let write: @Sendable (Int) -> Void

    init(_ write: @escaping @Sendable (Int) -> Void) {
        self.write = write
    }

    func add(_ more: Int) { bytes.add(more, ordering: .relaxed) }

    deinit { write(bytes.load(ordering: .relaxed)) }
}

extension ResponseBody {
    /// The same body, whose bytes are counted for the log.
    fileprivate func counted(_ log: LogInTheEnd) -> ResponseBody {
        ResponseBody { writer in try await self.write(CountingWriter(inner: writer, log: log)) }
    }
}

/// Counts what is written.
private struct CountingWriter: ResponseBodyWriter {
    var inner: any ResponseBodyWriter
    let log: LogInTheEnd

    mutating func write(_ buffer: ByteBuffer) async throws {
        try await inner.write(buffer)
        log.add(buffer.readableBytes)
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws { try await inner.finish(trailingHeaders) }
}
