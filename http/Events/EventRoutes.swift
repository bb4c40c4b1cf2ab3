import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import NIOCore
import Personas
import Synchronization

/// Events of an account and of its items, as lists and as streams.
struct EventRoutes: Sendable {
    let reads: EventReads

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        group.get(RouterPath(EventReads.path)) { request, context in try await show(request, context, nil) }
        for surface in PikzonalityReads.Surface.all {
            group.get(RouterPath(surface.eventsPath)) { request, context in
                try await show(request, context, (surface, context.parameters.get("id")))
            }
        }
    }

    /// Whether a request is for a stream, which may last.
    static func mayStream(_ request: Request, path: String) -> Bool {
        EventReads.paths.contains(path) && EventForm.isStream(request.headers[.accept])
    }

    private func show(
        _ request: Request, _ context: CallerContext, _ item: (surface: PikzonalityReads.Surface, id: String?)?
    ) async throws -> Response {
        let question = EventReads.Question(
            path: request.uri.path, item: item, query: request.uri.query, accept: request.headers[.accept],
            lastEventID: request.headers[.lastEventID], secret: request.headers[.xAPIKey])
        switch try await reads.outcome(question, context.caller) {
        case .answer(let answer): return answer.response
        case .opens(let start): return try response(start, request, context)
        case .unread: throw Failure.unexpected("What waits for the store did not wait")
        }
    }

    private func response(_ start: EventStream.Start, _ request: Request, _ context: CallerContext) throws -> Response {
        guard request.method == .get else { return Response(status: .ok, headers: EventReads.streamFields) }
        let signal = WakeSignal()
        let ring = EventRing()
        let open = try reads.streams.begin(start.caller.accountID, ring) { _ in signal.notify() }
        let channel = context.channel
        return Response(
            status: .ok, headers: EventReads.streamFields,
            body: ResponseBody { [reads] writer in
                let ending = StreamEnding()
                AnswerWait.begin(on: channel) {
                    ending.end()
                    signal.notify()
                }
                var stream = EventStream(start, reads: reads, ring: ring)
                while !ending.hasEnded, !Task.isCancelled {
                    let seen = signal.count
                    let (piece, eventCount) = stream.next()
                    if let bytes = piece.bytes, bytes.readableBytes > 0 {
                        try await writer.write(bytes)
                        open.note(sent: eventCount)
                        try await AnswerFlow.drained(channel)
                    } else {
                        open.note(sent: 0)
                    }
                    switch piece.continuation {
                    case .more: continue
                    case .waits(let due): await signal.wait(after: seen, atMost: .nanoseconds((due - .now()).nanoseconds))
                    case .ends: ending.end()
                    }
                }
                try await writer.finish(nil)
            })
    }
}

/// Whether a stream is to end.
private final class StreamEnding: Sendable {
    private let flag = Atomic(false)

    var hasEnded: Bool { flag.load(ordering: .relaxed) }

    func end() { flag.store(true, ordering: .relaxed) }
}
