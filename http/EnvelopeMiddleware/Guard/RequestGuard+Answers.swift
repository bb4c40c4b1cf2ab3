import ErrorEnvelope
import Foundation
import HTTPTypes
import Logging
public import NIOCore
import NIOHTTPTypes

// Answers on their way out.
extension RequestGuard {
    /// Parts of bodies from this size on are watched until the system has taken them; smaller ones only together with the end of their answer.
    private static let watchedBytesMin = 16_384

    /// Passes on one part of an answer, and closes the connection where it was the last.
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .closing = self.phase {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        switch Self.unwrapOutboundIn(data) {
        case .head(let head):
            self.writeHead(head, context: context, data: data, promise: promise)
        case .body(let buffer):
            self.bytesWritten += UInt64(buffer.readableBytes)
            let isWatched = buffer.readableBytes >= Self.watchedBytesMin
            context.write(data, promise: isWatched ? self.watched(promise, context: context) : promise)
        case .end:
            self.requestsAnswered += 1
            // One that came in pieces could be ended until now.
            self.noteWaitAnswered()
            self.openAnswer = nil
            let promise = self.watched(promise, context: context)
            if self.closesAfterAnswer || self.closesAfterEnd {
                self.finish(context: context, data: data, promise: promise)
            } else {
                context.write(data, promise: promise)
            }
        }
    }

    /// Sends what was written, and begins to watch what the system did not take at once.
    public func flush(context: ChannelHandlerContext) {
        context.flush()
        if self.isStreaming { self.place?.becomesQuiet(after: self.limits.quietDelay) }
        guard self.writesWaiting > 0, !self.progress.isWaiting else { return }
        self.progress.begin(self.taken(context), at: context.eventLoop.now)
        if let place = self.place { self.connections?.note(place, isTaking: true) }
        self.place?.becomesQuiet(after: self.limits.quietDelay)
        self.armClock(context: context)
    }

    private func writeHead(_ head: HTTPResponse, context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard head.status.kind != .informational else { return context.write(data, promise: promise) }
        self.noteWaitAnswered()
        if self.requestsStarted == self.requestsAnswered + 1 { self.http10?.answersLast = true }
        if case .refusing(let refusal) = self.phase, head.isParserAnswer {
            self.closesAfterAnswer = true
            return self.writeRefusal(refusal, context: context, promise: promise)
        }
        var head = head
        // Where newcomers find no place, connections are not kept for a next request, so that every client gets one in turn.
        let closes = self.closesAfterHead || self.isSpared || self.connections?.isShort == true
        if closes {
            self.closesAfterAnswer = true
            head.headerFields[.connection] = "close"
        }
        self.openAnswer = head.headerFields
        self.lastAnswer = head.headerFields
        context.write(closes ? Self.wrapOutboundOut(.head(head)) : data, promise: promise)
    }

    private func writeRefusal(_ refusal: RequestRefusal, context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        let requestID = RequestIdentifier.random()
        let error = refusal.envelopeError
        self.onRefusal(error.code)
        var (head, body) = error.answer(requestID: requestID)
        head.headerFields[.connection] = "close"
        head.headerFields[.date] = HTTPDate.field.value
        head.headerFields.append(contentsOf: self.refusalFields(self.requestFields))
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(Self.wrapOutboundOut(.body(body)), promise: promise)
        // No other line tells of it: it never became a request.
        self.logger.info(
            "Request refused",
            metadata: [
                "hb.request.id": .string(requestID), "status": .stringConvertible(error.code.status), "code": .string(error.code.rawValue),
                "reason": .string(error.message),
            ])
    }

    /// Whether the answer whose head is about to be written is the last of the connection.
    private var closesAfterHead: Bool {
        guard self.requestsRead > self.requestsAnswered else {
            // The request is not complete. The connection lives on only if Hummingbird will have read the rest in a moment. A client that was
            // not told to send its body may do so or not, so that its body could not be told from the next request.
            guard case .serving = self.phase, !self.isEnding, !self.owesContinue, let facts = self.facts, !facts.isLast else {
                return true
            }
            return facts.bodyBytes.map { $0 - self.bodyBytes > self.limits.drainBytesMax } ?? true
        }
        return self.requestsStarted == self.requestsAnswered + 1 && (self.isEnding || self.facts?.isLast == true)
    }

    /// Whether something that happened after the head of the answer now makes it the last of the connection.
    private var closesAfterEnd: Bool {
        if self.isQuiescing { return self.requestsStarted == self.requestsAnswered }
        guard case .refusing = self.phase else { return false }
        return self.isAnsweredEarly
    }

    /// Writes the end of the last answer. The input stays open for a while, see ``Limits/lingerTimeout``.
    private func finish(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>) {
        self.phase = .closing
        self.lingerBytes = 0
        promise.futureResult.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
            guard context.channel.isActive else { return }
            self.lingerTimer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(self.limits.lingerTimeout)) {
                context.close(promise: nil)
            }
            // Only now: closing the output of a connection whose input has ended would throw away what is not written.
            context.close(mode: .output, promise: nil)
        }
        context.write(data, promise: promise)
        self.flush(context: context)
        context.read()
    }

    /// Keeps others from cutting off an answer that is being taken, and the last answer, right after which Hummingbird closes when the server
    /// stops. The former are closed when the answer is taken, the latter by ``finish(context:data:promise:)`` in good time.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch self.phase {
        case _ where mode == .input && self.isQuiescing:
            // Hummingbird has waited as long as it may for the answers that are still being taken, and gives them up.
            context.close(promise: promise)
        case .closing where mode != .input:
            context.channel.closeFuture.cascade(to: promise)
        case .serving where mode != .input && self.writesWaiting > 0 && self.openAnswer == nil:
            self.heldCloses.append((mode, promise))
        default:
            context.close(mode: mode, promise: promise)
        }
    }

    /// Tells a handler when what it wrote is on its way, and hears from one that it begins to read the body, or to wait for something else.
    public func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        switch event {
        case is AnswerFlow.Drain:
            (self.lastWrite ?? context.eventLoop.makeSucceededVoidFuture()).cascade(to: promise)
        case is RequestBodyWanted:
            self.payContinue(context: context)
            promise?.succeed(())
        case let began as AnswerWait.Began:
            self.beginWait(began.end)
            promise?.succeed(())
        default:
            context.triggerUserOutboundEvent(event, promise: promise)
        }
    }
}

// What the system, and the client, have taken.
extension RequestGuard {
    /// What has been taken of everything that was written.
    func taken(_ context: ChannelHandlerContext) -> TakenBytes {
        let waiting = UInt64(SentBytes.waiting(context.channel))
        return TakenBytes(
            bySystem: self.bytesWritten - min(waiting, self.bytesWritten), byClient: SentBytes.acknowledged(context.channel))
    }

    /// The promise of a write that is watched until the system has taken it.
    func watched(_ promise: EventLoopPromise<Void>?, context: ChannelHandlerContext) -> EventLoopPromise<Void> {
        let promise = promise ?? context.eventLoop.makePromise(of: Void.self)
        self.writesWaiting += 1
        self.lastWrite = promise.futureResult
        promise.futureResult.hop(to: context.eventLoop).assumeIsolated().whenComplete { result in
            if case .failure = result, !self.hasEnded { self.isCut = true }
            self.writesWaiting -= 1
            if self.writesWaiting == 0 { self.noteAllTaken(context: context) }
        }
        return promise
    }

    private func noteAllTaken(context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        let isWholeAnswer = self.openAnswer == nil
        let now = context.eventLoop.now
        if self.progress.isWaiting, let place = self.place { self.connections?.note(place, isTaking: false) }
        // Each piece of a stream has a time of its own, because between them the client has nothing to take.
        self.progress.end(isWholeAnswer: isWholeAnswer || self.isStreaming, at: now)
        guard isWholeAnswer else {
            if self.isStreaming { self.place?.becomesQuiet(after: self.limits.quietDelay) } else { self.place?.becomesBusy() }
            return
        }
        self.activeAt = now
        // What arrives behind an answer has its time from here on: until now Hummingbird may have read none of it.
        if self.arrivingSince != nil { self.arrivingSince = now }
        self.noteTurn()
        if self.clock == nil { self.armClock(context: context) }
        let closes = self.heldCloses
        self.heldCloses = []
        for (mode, promise) in closes { context.close(mode: mode, promise: promise) }
    }
}

/// A way for handlers that send much to go no faster than their client.
public enum AnswerFlow {
    /// Asks the guard to be told when everything written before is taken by the system.
    struct Drain: Sendable {}

    /// Waits until what was written to a connection is on its way, so that what is read next from a disk or a peer lies in memory only once.
    /// Hummingbird's writer alone learns too late that a client takes nothing: by then it has taken megabytes.
    ///
    /// Returns at once on a channel without a ``RequestGuard``, such as those of tests.
    /// - Parameter channel: The connection, from the source of the request's context.
    /// - Throws: What ended the connection.
    public static func drained(_ channel: any Channel) async throws {
        do {
            try await channel.triggerUserOutboundEvent(Drain()).get()
        } catch ChannelError.operationUnsupported {
            return
        }
    }
}

/// Told to the guard when a handler begins to read a body.
struct RequestBodyWanted: Sendable {}
