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
        guard case .serving = self.phase, self.writesWaiting == 0, self.heldCloses.isEmpty, !self.isEnding else { return false }
        return self.requestsStarted == self.requestsRead && self.requestsRead == self.requestsAnswered && !self.isDone
            && self.place?.refusal == nil && self.connections?.isShort != true
    }

    /// Counts a request whose answer is being written, as if both had passed here.
    func noteImmediateAnswer(_ answer: ImmediateAnswer) {
        self.noteImmediateRequest()
        self.noteAnswer(answer)
    }

    /// Counts a request that has come, as if it had passed here.
    private func noteImmediateRequest() {
        self.sawPartSinceReadComplete = true
        self.arrivingSince = nil
        self.requestsStarted += 1
        self.requestsRead += 1
    }

    private func noteAnswer(_ answer: ImmediateAnswer) {
        self.requestsAnswered += 1
        self.bytesWritten += UInt64(answer.body?.readableBytes ?? 0)
        self.lastAnswer = answer.head.headerFields
    }

    /// Counts a request that waits for its answer.
    func notePending(end: @escaping () -> Void) {
        self.noteImmediateRequest()
        self.beginWait(end)
    }

    /// Counts the answer to a request that waited.
    /// - Returns: Whether the connection is to end with it.
    func notePendingAnswer(_ answer: ImmediateAnswer) -> Bool {
        self.noteWaitAnswered()
        self.noteAnswer(answer)
        return self.isSpared || self.isEnding || self.connections?.isShort == true
    }

    /// Counts a request that is answered in pieces from now on.
    func noteStream(end: @escaping () -> Void) {
        self.noteImmediateRequest()
        self.beginWait(end)
    }

    /// Counts the end of an answer in pieces.
    /// - Returns: Whether the connection is to end with it.
    func noteStreamEnd() -> Bool {
        self.noteWaitAnswered()
        self.requestsAnswered += 1
        return self.isSpared || self.isEnding || self.connections?.isShort == true
    }

    /// Sends a piece of an answer, and begins to watch what the system did not take at once.
    /// - Parameter onTaken: Called when the system has taken everything, or the connection is closed.
    func flushStream(through encoder: ChannelHandlerContext, onTaken: @escaping () -> Void) {
        encoder.flush()
        guard let context = self.context, context.channel.isActive else { return onTaken() }
        // It was written to just now. Places that nobody moves at are those of others.
        self.place?.becomesQuiet(after: self.limits.quietDelay)
        guard SentBytes.waiting(context.channel) > 0 else { return onTaken() }
        let promise = self.watched(nil, context: context)
        promise.futureResult.assumeIsolated().whenComplete { _ in onTaken() }
        encoder.write(HTTPResponseEncoder.wrapOutboundOut(.byteBuffer(ByteBuffer())), promise: promise)
        self.flush(context: context)
    }

    /// Takes back that a request waits: it comes here after all.
    func forgetPending() {
        self.noteWaitAnswered()
        self.requestsStarted -= 1
        self.requestsRead -= 1
    }

    /// Sends the answer to a request that waited, and goes on to the next, if there may be one.
    func flushPendingAnswer(through encoder: ChannelHandlerContext, isLast: Bool) {
        self.flushImmediateAnswers(through: encoder, isAll: false)
        guard let context = self.context, context.channel.isActive else { return }
        if isLast { return self.close(context: context, mode: .all, promise: nil) }
        // It may have stopped while the server alone had something to do.
        self.armClock(context: context)
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
