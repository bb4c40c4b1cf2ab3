import HTTPTypes
import Logging
public import NIOCore
import NIOHTTP1

// One clock for the whole connection. It is not set anew for what happens: it looks when it fires, and is set for the next moment at which
// there may be something to see.
extension RequestGuard {
    /// Sees to it that the clock fires when there may be something to see.
    func armClock(context: ChannelHandlerContext) {
        guard let due = self.nextLook(at: context.eventLoop.now) else { return }
        if let clock = self.clock {
            guard due < clock.due else { return }
            clock.task.cancel()
        }
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) {
            self.clock = nil
            self.look(context: context)
        }
        self.clock = (due, task)
    }

    /// When the next deadline is over; `nil` while the server alone has something to do.
    private func nextLook(at now: NIODeadline) -> NIODeadline? {
        [self.arrivalDeadline, self.idleDeadline, self.progress.isWaiting ? now + self.progress.lookInterval : nil].compactMap { $0 }.min()
    }

    /// Whether nothing can go on before the client sends something: answers that are still to come to earlier requests must not be cut off.
    var isClientsTurn: Bool {
        guard case .serving = self.phase, !self.progress.isWaiting else { return false }
        return self.requestsAnswered >= (self.isReading ? self.requestsStarted - 1 : self.requestsStarted)
    }

    /// When the request that arrives has to be complete.
    private var arrivalDeadline: NIODeadline? {
        guard self.isClientsTurn, let since = self.arrivingSince else { return nil }
        var allowed = TimeAmount(self.limits.requestReadTimeout)
        if self.isReading {
            let seconds = Double(self.bodyBytes) / Double(max(1, self.limits.bodyBytesPerSecondMin))
            allowed = allowed + .nanoseconds(Int64(seconds * 1e9))
        }
        return since + allowed
    }

    /// When it has been silent for too long: nothing arrives although it is the client's turn.
    private var idleDeadline: NIODeadline? {
        guard self.isClientsTurn else { return nil }
        var timeout = self.limits.idleTimeout
        if self.requestsStarted == 0 { timeout = min(timeout, self.limits.firstRequestTimeout) }
        if self.place?.refusal != nil { timeout = min(timeout, self.limits.refusedTimeout) }
        return self.activeAt + TimeAmount(timeout)
    }

    private func look(context: ChannelHandlerContext) {
        let now = context.eventLoop.now
        if self.progress.isWaiting {
            if self.progress.isTooSlow(self.taken(context), at: now) {
                self.onLimit(.answerTime)
                return self.cut("answer was not taken in time", context: context)
            }
            self.place?.becomesQuiet(after: self.progress.movedAt + self.limits.quietDelay - now)
        }
        if let deadline = self.arrivalDeadline, deadline <= now {
            self.onLimit(.requestTime)
            return self.cut("request did not arrive in time", context: context)
        }
        if let deadline = self.idleDeadline, deadline <= now {
            self.logger.trace("Connection closed", metadata: ["reason": "idle"])
            return context.close(promise: nil)
        }
        self.armClock(context: context)
    }

    private func cut(_ reason: String, context: ChannelHandlerContext) {
        self.logger.info("Connection closed", metadata: ["reason": .string(reason)])
        context.close(promise: nil)
    }

    /// Gives the place of a quiet connection to another.
    func spare(context: ChannelHandlerContext) {
        guard let place = self.place, context.channel.isActive else { return }
        // A client that takes its answer was last looked at some seconds ago.
        let moves = self.progress.isWaiting && self.progress.hasMoved(self.taken(context), at: context.eventLoop.now)
        guard place.isQuiet, !moves else {
            if moves { place.becomesQuiet(after: self.limits.quietDelay) }
            self.connections?.keep(place)
            return
        }
        self.onLimit(.connections)
        if self.endWait != nil {
            // Whoever waits is no less polite than a connection between two requests, and is not cut off: it ends with an answer.
            self.isSpared = true
            self.endWaiting()
            return
        }
        self.logger.debug("Connection closed", metadata: ["reason": "its place was needed"])
        context.close(promise: nil)
    }
}

// The life of the connection.
extension RequestGuard {
    /// Puts what has to stand before the codec there, and starts to watch a connection that is open already.
    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let pipeline = context.pipeline.syncOperations
        if let decoder = try? pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self) {
            do {
                let http10 = HTTP10Handler()
                self.http10 = http10
                try pipeline.addHandler(http10, position: .after(decoder))
                if let responder = self.responder {
                    try self.addImmediateAnswers(of: responder, after: http10, pipeline)
                }
            } catch {
                context.fireErrorCaught(error)
            }
        }
        if context.channel.isActive { self.begin(context: context) }
    }

    /// Starts to watch the connection.
    public func channelActive(context: ChannelHandlerContext) {
        self.begin(context: context)
        context.fireChannelActive()
    }

    private func begin(context: ChannelHandlerContext) {
        SentBytes.bound(context.channel)
        self.activeAt = context.eventLoop.now
        if let connections = self.connections {
            let eventLoop = context.eventLoop
            let connection = NIOLoopBound((requestGuard: self, context: context), eventLoop: eventLoop)
            self.place = connections.open(from: context.channel.remoteAddress) {
                eventLoop.execute { connection.value.requestGuard.spare(context: connection.value.context) }
            }
        }
        self.armClock(context: context)
    }

    /// Notes that the server stops, or that the client sends no more.
    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            self.isQuiescing = true
            self.endWaiting()
        case ChannelEvent.inputClosed:
            // Whether the client is gone, or has only said its last, shows when it is answered.
            self.hasClientEnded = true
            self.endWaiting()
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Stops all clocks, and says which answer did not get through.
    public func channelInactive(context: ChannelHandlerContext) {
        self.end()
        context.fireChannelInactive()
    }

    /// Stops all clocks.
    public func handlerRemoved(context: ChannelHandlerContext) {
        self.end()
        self.context = nil
    }

    private func end() {
        // A stream is cut off by nobody but its client, who comes back for the rest.
        let isAnswerCut = self.openAnswer != nil && !self.isStreaming || self.isCut
        if !self.hasEnded {
            self.connections?.noteCutOff(max(self.requestsStarted - self.requestsAnswered, isAnswerCut ? 1 : 0))
        }
        self.hasEnded = true
        if isAnswerCut {
            let requestID = self.lastAnswer?[.xRequestID] ?? ""
            self.logger.info("Answer cut off", metadata: ["hb.request.id": .string(requestID)])
        }
        (self.openAnswer, self.isCut) = (nil, false)
        self.endWaiting()
        if let place = self.place { self.connections?.close(place) }
        self.place = nil
        self.clock?.task.cancel()
        self.lingerTimer?.cancel()
        (self.clock, self.lingerTimer) = (nil, nil)
        let promises = self.heldCloses.compactMap(\.promise)
        self.heldCloses = []
        for promise in promises { promise.succeed(()) }
    }
}
