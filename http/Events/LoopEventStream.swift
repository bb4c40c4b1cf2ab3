import ErrorEnvelopeHummingbird
import HTTPTypes
import NIOCore
import Personas

/// A stream of events on the event loop of its connection.
final class LoopEventStream: StreamedAnswer {
    let head: HTTPResponse

    private let streams: EventStreams
    private let accountID: Identifier
    private var stream: EventStream
    /// Told in the end how many bytes of body there were.
    private let onEnd: (Int) -> Void
    /// Told that there is no room for the stream, about which nothing has been said yet; or that there is.
    private let onRefusal, onBeginning: () -> Void
    /// From the beginning to the end of the stream.
    private var open: OpenEventStream?
    private var bytesOut = 0

    init(
        _ stream: EventStream, of accountID: Identifier, head: HTTPResponse, streams: EventStreams, onRefusal: @escaping () -> Void,
        onBeginning: @escaping () -> Void, onEnd: @escaping (Int) -> Void
    ) {
        self.stream = stream
        self.accountID = accountID
        self.head = head
        self.streams = streams
        self.onRefusal = onRefusal
        self.onBeginning = onBeginning
        self.onEnd = onEnd
    }

    func begin(_ wake: @escaping @Sendable (TimeAmount) -> Void) -> Bool {
        open = streams.beginNow(accountID, stream.ring, wake)
        if open == nil { onRefusal() } else { onBeginning() }
        return open != nil
    }

    func next() -> StreamedPiece {
        let (piece, eventCount) = stream.next()
        bytesOut += piece.bytes?.readableBytes ?? 0
        open?.note(sent: eventCount)
        return piece
    }

    func end() {
        open = nil
        onEnd(bytesOut)
    }
}
