public import HTTPTypes
public import NIOCore

/// An answer that comes in pieces whenever there are any, for minutes, without a task: its connection remembers it, and nothing else. A task for each of
/// ten thousand streams that have nothing to say would take more memory than all else of their connections.
///
/// Everything but what is handed to ``begin(_:)`` is called on the event loop of the connection.
public protocol StreamedAnswer: AnyObject {
    /// Status and header. How the body is framed is not said in it.
    var head: HTTPResponse { get }

    /// Begins to listen for what is to be sent. A first look follows in any case, so that what happened before need not be told.
    /// - Parameter wake: To be called, from any thread, whenever there may be something to send, with the time after which to look.
    /// - Returns: False where there is no room for one more stream.
    func begin(_ wake: @escaping @Sendable (TimeAmount) -> Void) -> Bool

    /// What is to be sent now. Asked only when the system has taken all that came before, so that a slow client has one piece wait in memory, and loses
    /// nothing.
    func next() -> StreamedPiece

    /// The stream is over, because ``next()`` said so, or because the connection ends, its client sends no more or something else, its place is needed,
    /// or the server stops. Called once, and nothing is called afterwards.
    func end()
}

/// What a ``StreamedAnswer`` has to send, and what follows.
public struct StreamedPiece {
    /// How a stream goes on.
    public enum Continuation {
        /// There is more, to be asked for when this is taken and others had their turn.
        case more
        /// There is nothing until it is woken, or this moment has come.
        case waits(until: NIODeadline)
        /// This was all.
        case ends
    }

    /// What is to be sent; nil for nothing.
    public var bytes: ByteBuffer?
    /// How it goes on.
    public var continuation: Continuation

    /// Puts a piece together.
    public init(_ bytes: ByteBuffer?, _ continuation: Continuation) {
        self.bytes = bytes
        self.continuation = continuation
    }
}
