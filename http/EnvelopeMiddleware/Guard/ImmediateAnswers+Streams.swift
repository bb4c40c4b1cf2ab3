import HTTPTypes
import NIOCore
import NIOHTTP1

// Answers that come in pieces.
extension ImmediateAnswers {
    /// What is woken. Whoever wakes must not keep the stream for whose sake it is kept itself.
    private struct WokenStream {
        let handler: ImmediateAnswers
        weak var stream: OpenStream?

        func look() {
            if let stream = self.stream { self.handler.look(stream) }
        }
    }

    /// A stream that is open.
    final class OpenStream {
        let answer: any StreamedAnswer
        /// When to look whatever happens.
        var clock: (due: NIODeadline, task: Scheduled<Void>)?
        /// Whether a look is due already, so that many wakes in a row bring about one.
        let isWoken = WakeFlag()
        /// Whether the system has taken all that was written.
        var isTaken = true
        /// Whether there is something to look at once that is so.
        var isDue = false

        init(_ answer: any StreamedAnswer) {
            self.answer = answer
        }
    }

    /// Begins to answer in pieces. False: it is no such request.
    func beginStream(_ head: HTTPRequestHead, context: ChannelHandlerContext) -> Bool {
        // What was answered before in this read has to be on its way.
        guard self.answersInARow == 0, let encoder = self.encoder, let connection = self.connection,
            let answer = self.responder.streamed(head, on: connection)
        else {
            return false
        }
        let stream = OpenStream(answer)
        let eventLoop = context.eventLoop
        let woken = NIOLoopBound(WokenStream(handler: self, stream: stream), eventLoop: eventLoop)
        let isWoken = stream.isWoken
        let begins = answer.begin { delay in
            guard isWoken.raise() else { return }
            let look: @Sendable () -> Void = { woken.value.look() }
            if delay > .zero { eventLoop.scheduleTask(in: delay, look) } else { eventLoop.execute(look) }
        }
        guard begins else { return false }
        self.stream = stream
        var bytes = encoder.channel.allocator.buffer(capacity: 1_024)
        // In the spelling of NIO's encoder, which writes it for streams on the other way.
        bytes.write(head: answer.head, framing: "transfer-encoding: chunked\r\n")
        encoder.write(HTTPResponseEncoder.wrapOutboundOut(.byteBuffer(bytes)), promise: nil)
        self.requestGuard.noteStream { [weak self] in self?.endStream(isLastOfConnection: false) }
        self.look(stream)
        return true
    }

    /// Sends what there is to send, if the client has taken what came before.
    private func look(_ stream: OpenStream) {
        guard self.stream === stream, let encoder = self.encoder else { return }
        stream.isWoken.lower()
        guard stream.isTaken else {
            stream.isDue = true
            return
        }
        stream.isDue = false
        let piece = stream.answer.next()
        if let bytes = piece.bytes, bytes.readableBytes > 0 { self.write(piece: bytes, through: encoder) }
        switch piece.continuation {
        case .ends: return self.endStream(isLastOfConnection: false)
        case .more: stream.isDue = true
        case .waits(let due): self.setClock(of: stream, to: due, encoder.eventLoop)
        }
        self.flush(stream, through: encoder)
    }

    private func flush(_ stream: OpenStream, through encoder: ChannelHandlerContext) {
        stream.isTaken = false
        self.requestGuard.flushStream(through: encoder) { [weak self] in
            guard let self, self.stream === stream else { return }
            stream.isTaken = true
            guard stream.isDue, stream.isWoken.raise() else { return }
            // Others of the loop have their turn first.
            encoder.eventLoop.assumeIsolated().execute { self.look(stream) }
        }
    }

    private func write(piece: ByteBuffer, through encoder: ChannelHandlerContext) {
        var bytes = encoder.channel.allocator.buffer(capacity: piece.readableBytes + 16)
        bytes.writeString(String(piece.readableBytes, radix: 16))
        bytes.writeStaticString("\r\n")
        bytes.writeImmutableBuffer(piece)
        bytes.writeStaticString("\r\n")
        self.requestGuard.bytesWritten += UInt64(piece.readableBytes)
        encoder.write(HTTPResponseEncoder.wrapOutboundOut(.byteBuffer(bytes)), promise: nil)
    }

    private func setClock(of stream: OpenStream, to due: NIODeadline, _ eventLoop: any EventLoop) {
        if let clock = stream.clock {
            // One that rings too early only looks, and is set anew.
            guard due < clock.due else { return }
            clock.task.cancel()
        }
        let task = eventLoop.assumeIsolated().scheduleTask(deadline: due) { [weak self] in
            stream.clock = nil
            self?.look(stream)
        }
        stream.clock = (due, task)
    }

    /// Ends the stream that is open, if one is: what was written of it is whole, and its client comes back for the rest.
    func endStream(isLastOfConnection: Bool) {
        guard self.stream != nil, let encoder = self.encoder else { return }
        self.forgetStream()
        let isLastOfConnection = self.requestGuard.noteStreamEnd() || isLastOfConnection
        var bytes = encoder.channel.allocator.buffer(capacity: 8)
        bytes.writeStaticString("0\r\n\r\n")
        encoder.write(HTTPResponseEncoder.wrapOutboundOut(.byteBuffer(bytes)), promise: nil)
        self.requestGuard.flushPendingAnswer(through: encoder, isLast: isLastOfConnection)
    }

    /// Forgets the stream that is open, if one is.
    func forgetStream() {
        guard let stream = self.stream else { return }
        self.stream = nil
        stream.clock?.task.cancel()
        stream.answer.end()
    }
}
