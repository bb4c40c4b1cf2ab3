public import NIOCore
public import NIOHTTP1

/// An answer that waits for something to happen, without a task: its connection remembers it, and nothing else. A task for each of ten thousand
/// requests that wait would take more memory than all else of their connections.
///
/// Everything but what is handed to ``begin(_:)`` is called on the event loop of the connection.
public protocol PendingAnswer: AnyObject {
    /// How long it waits at most.
    var timeout: TimeAmount { get }

    /// Begins to listen for what is waited for. A look follows in any case, so that what happened before need not be told.
    /// - Parameter wake: To be called, from any thread, whenever there may be something to see, with the time after which to look.
    /// - Returns: False where there is no room for one more that waits.
    func begin(_ wake: @escaping @Sendable (TimeAmount) -> Void) -> Bool

    /// Sees whether it has happened.
    /// - Parameter isLast: Whether the answer is to be given as things stand, because the time is over or the connection ends.
    func look(isLast: Bool) -> PendingLook
}

/// What a look for a ``PendingAnswer`` comes to.
public enum PendingLook {
    /// It has not happened yet.
    case goesOn
    /// This is the answer.
    case answer(ImmediateAnswer)
    /// The answer is Hummingbird's after all, to this request.
    case handOn(HTTPRequestHead)
}

/// Lets a handler that waits for something else than its client be ended by the connection: when its place is needed, when its client sends no
/// more, and when the server stops. One that has begun to answer ends as well when its client sends something else.
public enum AnswerWait {
    struct Began: Sendable {
        let end: @Sendable () -> Void
    }

    /// Says that a handler waits from now until it answers; or, said in the midst of an answer, that this goes on only as there is something to send,
    /// until its end.
    ///
    /// Nothing comes of it on a channel without a ``RequestGuard``, such as those of tests.
    /// - Parameters:
    ///   - channel: The connection, from the source of the request's context.
    ///   - end: Called once at most, on the event loop, where the handler is to answer as things stand. It must not block.
    public static func begin(on channel: any Channel, end: @escaping @Sendable () -> Void) {
        channel.triggerUserOutboundEvent(Began(end: end), promise: nil)
    }
}
