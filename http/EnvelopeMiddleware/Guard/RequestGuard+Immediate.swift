import HTTPTypes
import NIOCore
import NIOHTTP1

// What others have answered before the guard got to see it.
extension RequestGuard {
    /// Puts what answers at once behind the decoder and what mends its heads.
    func addImmediateAnswers(
        of responder: some ImmediateResponder, after handler: HTTP10Handler, _ pipeline: ChannelPipeline.SynchronousOperations
    ) throws {
        try pipeline.addHandler(ImmediateAnswers(requestGuard: self, responder: responder), position: .after(handler))
    }

    /// Whether a request that has come now is the only thing to do on the connection, and not the last one.
    var isFree: Bool {
        guard case .serving = self.phase, self.writesWaiting == 0, self.heldCloses.isEmpty, !self.isQuiescing else { return false }
        return self.requestsStarted == self.requestsRead && self.requestsRead == self.requestsAnswered && !self.isDone
            && self.place?.refusal == nil && self.connections?.isShort != true
    }

    /// Counts a request whose answer is being written, as if both had passed here.
    func noteImmediateAnswer(_ answer: ImmediateAnswer) {
        self.sawPartSinceReadComplete = true
        self.arrivingSince = nil
        self.requestsStarted += 1
        self.requestsRead += 1
        self.requestsAnswered += 1
        self.bytesWritten += UInt64(answer.body?.readableBytes ?? 0)
        self.lastAnswer = answer.head.headerFields
    }

    /// Sends what was written, and begins to watch what the system did not take at once.
    /// - Parameters:
    ///   - encoder: Where the answers were written.
    ///   - isAll: Whether nothing else was read meanwhile, so that the guard will not hear that this was all.
    func flushImmediateAnswers(through encoder: ChannelHandlerContext, isAll: Bool) {
        guard let context = self.context else { return }
        self.activeAt = context.eventLoop.now
        if isAll { self.sawPartSinceReadComplete = false }
        encoder.flush()
        guard context.channel.isActive else {
            self.isCut = true
            return
        }
        guard SentBytes.waiting(context.channel) > 0 else { return self.noteTurn() }
        // Nothing is a write as well, which is over when everything before it is.
        encoder.write(HTTPResponseEncoder.wrapOutboundOut(.byteBuffer(ByteBuffer())), promise: self.watched(nil, context: context))
        self.flush(context: context)
    }
}
