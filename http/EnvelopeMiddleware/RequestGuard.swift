import Foundation
import HTTPTypes
public import Logging
public import NIOCore
import NIOHTTP1
public import NIOHTTPTypes

/// Protects one connection, and answers what no handler gets to see. It sits between the HTTP codec and Hummingbird; see
/// ``HummingbirdCore/HTTPServerBuilder/guardedHTTP1(limits:logger:onLimit:)``, which puts it there.
///
/// It adds what Hummingbird 2.28 lacks:
/// - a deadline for the arrival of one whole request, header and body, which dripped bytes do not extend;
/// - a deadline for a client that does not take its answer;
/// - a lingering close after an answer that came before the end of its request: the client gets to read its 413, and an endless upload
///   stops. Such an answer says `Connection: close`;
/// - `100 Continue` for clients that wait for it;
/// - an ``ErrorEnvelope/ErrorEnvelope`` in place of the empty 400 for requests that are no HTTP, have too large a header, or have not
///   exactly one `Host` header;
/// - `Connection: close` on the last answer before the server stops, and after every request of HTTP/1.0.
///
/// Requests may be pipelined: all accounting is by number of request, because a later request may be half read while an earlier one is
/// answered. On requests that arrive whole and answers that are taken at once it costs one pass over the header and no timer.
public final class RequestGuard: ChannelDuplexHandler, RemovableChannelHandler {
    /// Parts of requests come from the codec.
    public typealias InboundIn = HTTPRequestPart
    /// Parts of requests go on to Hummingbird.
    public typealias InboundOut = HTTPRequestPart
    /// Parts of answers come from Hummingbird.
    public typealias OutboundIn = HTTPResponsePart
    /// Parts of answers go on to the codec.
    public typealias OutboundOut = HTTPResponsePart

    private enum Phase {
        /// Requests go in, answers come out.
        case serving
        /// A request has been refused; its answer is awaited from Hummingbird, behind those of earlier requests.
        case refusing(RequestRefusal)
        /// The last answer is being written, or lingers.
        case closing
    }

    private let limits: Limits
    private let logger: Logger
    private let onLimit: @Sendable (Limit) -> Void
    private var phase = Phase.serving

    // Heads seen, ends seen and ends of answers written. A request is being read while the first two differ.
    private var requestsStarted = 0
    private var requestsRead = 0
    private var requestsAnswered = 0
    /// What the header of the request that was started last says.
    private var facts: RequestHeadFacts?
    private var bodyBytes = 0
    private var owesContinue = false
    private var isQuiescing = false
    private var closesAfterAnswer = false
    private var lingerBytes = 0

    private var sawPartSinceReadComplete = false
    /// Since when the request that is incomplete has been arriving; `nil` between requests.
    private var arrivingSince: NIODeadline?
    private var arrivalTimer: Scheduled<Void>?
    /// Since when bytes of answers have been waiting without any being taken; `nil` while none wait.
    private var stalledSince: NIODeadline?
    private var waitingBytes = 0
    private var stallTimer: Scheduled<Void>?
    private var lingerTimer: Scheduled<Void>?

    /// Makes the guard of one connection.
    /// - Parameters:
    ///   - limits: Every limit on the connection and on one request.
    ///   - logger: Where refused requests and closed connections are logged.
    ///   - onLimit: Told of every limit that a client has met, for metrics. It must not block.
    public init(limits: Limits = Limits(), logger: Logger, onLimit: @escaping @Sendable (Limit) -> Void = { _ in }) {
        self.limits = limits
        self.logger = logger
        self.onLimit = onLimit
    }

    private var isReading: Bool { self.requestsStarted > self.requestsRead }

    /// Whether a request was the last of its connection and has been read.
    private var isDone: Bool { self.facts?.isLast == true && !self.isReading }
}

// Requests on their way in.
extension RequestGuard {
    /// Passes on, counts and checks one part of a request.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.sawPartSinceReadComplete = true
        let part = Self.unwrapInboundIn(data)
        guard case .serving = self.phase, !self.isDone else {
            if case .body(let buffer) = part { self.lingerBytes += buffer.readableBytes }
            return
        }
        switch part {
        case .head(let head):
            let facts = RequestHeadFacts(head)
            guard facts.hasValidHost else { return self.refuse(.host, context: context) }
            if let announced = facts.bodyBytes, announced > self.limits.bodyBytesMax { self.onLimit(.bodySize) }
            self.requestsStarted += 1
            self.facts = facts
            self.bodyBytes = 0
            self.owesContinue = facts.expectsContinue && (facts.bodyBytes ?? 0) <= self.limits.bodyBytesMax
            self.payContinue(context: context)
        case .body(let buffer):
            self.bodyBytes += buffer.readableBytes
            self.owesContinue = false
            guard self.bodyBytes <= self.limits.bodyBytesMax else {
                // One that was announced was told of with the header, because handlers often refuse it before it comes.
                if self.facts?.bodyBytes == nil { self.onLimit(.bodySize) }
                return self.refuse(.bodyTooLarge, context: context)
            }
        case .end:
            self.requestsRead += 1
            self.arrivingSince = nil
        }
        context.fireChannelRead(data)
    }

    /// Starts the clock of a request that has begun to arrive but is not complete.
    public func channelReadComplete(context: ChannelHandlerContext) {
        switch self.phase {
        case .serving:
            // Bytes that made no part belong to a header that is not complete.
            let isArriving = (self.isReading || !self.sawPartSinceReadComplete) && !self.isDone
            if isArriving {
                if self.arrivingSince == nil { self.arrivingSince = context.eventLoop.now }
                self.armArrivalTimer(in: TimeAmount(self.limits.requestReadTimeout), context: context)
            } else {
                self.arrivingSince = nil
            }
        case .refusing:
            break
        case .closing:
            // Hummingbird no longer asks for more, but only reading on lets the client finish and see its answer.
            self.read(context: context)
        }
        self.sawPartSinceReadComplete = false
        context.fireChannelReadComplete()
    }

    /// Notes a failure of the parser, so that its answer can be written in full.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case ByteToMessageDecoderError.dataReceivedInErrorState(_, let buffer)? = error as? ByteToMessageDecoderError {
            self.lingerBytes += buffer.readableBytes
            return
        }
        guard let error = error as? HTTPParserError else { return context.fireErrorCaught(error) }
        guard case .serving = self.phase, !self.isDone else { return }
        if self.requestsAnswered > self.requestsRead {
            // The request has its answer already and what is left of it makes no sense.
            context.close(promise: nil)
        } else {
            self.refuse(RequestRefusal(error), context: context)
        }
    }

    /// Lets Hummingbird's connection loop see a parser error: it answers earlier requests first and then writes an empty 400, which
    /// ``write(context:data:promise:)`` replaces.
    private func refuse(_ refusal: RequestRefusal, context: ChannelHandlerContext) {
        if case .headerTooLarge = refusal { self.onLimit(.headerSize) }
        self.phase = .refusing(refusal)
        self.arrivingSince = nil
        context.fireErrorCaught(HTTPParserError.unknown)
    }

    /// Stops reading where nothing that may come is of use.
    public func read(context: ChannelHandlerContext) {
        switch self.phase {
        case .serving: if self.isDone { return }
        case .refusing: return
        case .closing: if self.lingerBytes > self.limits.lingerBytesMax { return }
        }
        context.read()
    }

    private func payContinue(context: ChannelHandlerContext) {
        // An interim answer of a pipelined request has its turn after the final answers of earlier ones.
        guard self.owesContinue, self.isReading, self.requestsAnswered == self.requestsStarted - 1 else { return }
        self.owesContinue = false
        context.writeAndFlush(Self.wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }
}

// Answers on their way out.
extension RequestGuard {
    /// Passes on one part of an answer, and closes the connection where it was the last.
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .closing = self.phase {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        self.noteProgress(context: context)
        switch Self.unwrapOutboundIn(data) {
        case .head(let head):
            self.writeHead(head, context: context, data: data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            self.requestsAnswered += 1
            if self.closesAfterAnswer || self.closesAfterEnd {
                self.finish(context: context, data: data, promise: promise)
            } else {
                context.write(data, promise: promise)
                self.payContinue(context: context)
            }
        }
        self.noteWaiting(context: context)
    }

    private func writeHead(_ head: HTTPResponse, context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard head.status.kind != .informational else { return context.write(data, promise: promise) }
        if case .refusing(let refusal) = self.phase, head.isParserAnswer {
            self.closesAfterAnswer = true
            return self.writeRefusal(refusal, context: context, promise: promise)
        }
        guard self.closesAfterHead else { return context.write(data, promise: promise) }
        self.closesAfterAnswer = true
        var head = head
        head.headerFields[.connection] = "close"
        context.write(Self.wrapOutboundOut(.head(head)), promise: promise)
    }

    private func writeRefusal(_ refusal: RequestRefusal, context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        let requestID = RequestIdentifier.random()
        var (head, body) = refusal.envelopeError.answer(requestID: requestID)
        head.headerFields[.connection] = "close"
        head.headerFields[.date] = Date.now.httpDate
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(Self.wrapOutboundOut(.body(body)), promise: promise)
        self.logger.info("Request refused", metadata: ["hb.request.id": .string(requestID), "reason": .string(refusal.rawValue)])
    }

    /// Whether the answer whose head is about to be written is the last of the connection.
    private var closesAfterHead: Bool {
        guard self.requestsRead > self.requestsAnswered else {
            // The request is not complete. The connection lives on only if Hummingbird will have read the rest in a moment.
            guard case .serving = self.phase, !self.isQuiescing, let facts = self.facts, !facts.isLast else { return true }
            return facts.bodyBytes.map { $0 - self.bodyBytes > self.limits.drainBytesMax } ?? true
        }
        return self.requestsStarted == self.requestsAnswered + 1 && (self.isQuiescing || self.facts?.isLast == true)
    }

    /// Whether something that happened after the head of the answer now makes it the last of the connection.
    private var closesAfterEnd: Bool {
        if self.isQuiescing { return self.requestsStarted == self.requestsAnswered }
        guard case .refusing = self.phase else { return false }
        return self.requestsRead < self.requestsAnswered
    }

    /// Writes the end of the last answer. The input stays open for a while, see ``Limits/lingerTimeout``.
    private func finish(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        self.phase = .closing
        self.lingerBytes = 0
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        written.futureResult.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
            guard context.channel.isActive else { return }
            self.lingerTimer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(self.limits.lingerTimeout)) {
                context.close(promise: nil)
            }
            // Only now: closing the output of a connection whose input has ended would throw away what is not written.
            context.close(mode: .output, promise: nil)
        }
        context.writeAndFlush(data, promise: written)
        context.read()
    }

    /// Keeps others from cutting off the last answer: Hummingbird closes right after writing it when the server stops.
    /// ``finish(context:data:promise:)`` closes in good time.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if case .closing = self.phase, mode != .input {
            context.channel.closeFuture.cascade(to: promise)
        } else {
            context.close(mode: mode, promise: promise)
        }
    }
}

// Clocks. None is started for a request that arrives whole, and one is never restarted for a part: it looks again when it fires.
extension RequestGuard {
    private func armArrivalTimer(in time: TimeAmount, context: ChannelHandlerContext) {
        guard self.arrivalTimer == nil else { return }
        self.arrivalTimer = context.eventLoop.assumeIsolated().scheduleTask(in: time) { self.checkArrival(context: context) }
    }

    private func checkArrival(context: ChannelHandlerContext) {
        self.arrivalTimer = nil
        guard case .serving = self.phase, let since = self.arrivingSince else { return }
        var allowed = TimeAmount(self.limits.requestReadTimeout)
        // Answers that are still to come to earlier requests must not be cut off.
        let earlier = self.isReading ? self.requestsStarted - 1 : self.requestsStarted
        if self.requestsAnswered < earlier { return self.armArrivalTimer(in: allowed, context: context) }
        if self.isReading {
            let seconds = Double(self.bodyBytes) / Double(max(1, self.limits.bodyBytesPerSecondMin))
            allowed = allowed + .nanoseconds(Int64(seconds * 1e9))
        }
        let elapsed = context.eventLoop.now - since
        if elapsed < allowed { return self.armArrivalTimer(in: allowed - elapsed, context: context) }
        self.onLimit(.requestTime)
        self.logger.info("Connection closed", metadata: ["reason": "request did not arrive in time"])
        context.close(promise: nil)
    }

    private func scheduleStallCheck(context: ChannelHandlerContext) {
        guard self.stallTimer == nil else { return }
        let interval = TimeAmount(self.limits.writeStallTimeout / 2)
        self.stallTimer = context.eventLoop.assumeIsolated().scheduleTask(in: interval) { self.checkStall(context: context) }
    }

    private func checkStall(context: ChannelHandlerContext) {
        self.stallTimer = nil
        let now = context.eventLoop.now
        let waiting = Self.waitingBytes(of: context.channel)
        if waiting == 0 {
            self.stalledSince = nil
        } else if let since = self.stalledSince, waiting >= self.waitingBytes {
            guard now - since < TimeAmount(self.limits.writeStallTimeout) else {
                self.onLimit(.answerTime)
                self.logger.info("Connection closed", metadata: ["reason": "answer was not taken in time"])
                return context.close(promise: nil)
            }
        } else {
            self.stalledSince = now
        }
        self.waitingBytes = waiting
        self.scheduleStallCheck(context: context)
    }

    // While bytes wait, what is written must not be taken for bytes that the client did not take, nor hide those that it did.
    private func noteProgress(context: ChannelHandlerContext) {
        guard self.stalledSince != nil, Self.waitingBytes(of: context.channel) < self.waitingBytes else { return }
        self.stalledSince = context.eventLoop.now
    }

    private func noteWaiting(context: ChannelHandlerContext) {
        guard self.stalledSince != nil else { return }
        self.waitingBytes = Self.waitingBytes(of: context.channel)
    }

    private static func waitingBytes(of channel: any Channel) -> Int {
        (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}

// The life of the connection.
extension RequestGuard {
    /// Puts what has to stand before the codec there, and starts to watch a connection that is open already.
    public func handlerAdded(context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        if let decoder = try? pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self) {
            do {
                try pipeline.addHandler(OldVersionTranslator(), position: .after(decoder))
            } catch {
                context.fireErrorCaught(error)
            }
        }
        if context.channel.isActive { self.scheduleStallCheck(context: context) }
    }

    /// Starts to watch the connection.
    public func channelActive(context: ChannelHandlerContext) {
        self.scheduleStallCheck(context: context)
        context.fireChannelActive()
    }

    /// Notes that the server stops.
    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { self.isQuiescing = true }
        context.fireUserInboundEventTriggered(event)
    }

    /// Stops all clocks.
    public func channelInactive(context: ChannelHandlerContext) {
        self.stopClocks()
        context.fireChannelInactive()
    }

    /// Stops all clocks.
    public func handlerRemoved(context: ChannelHandlerContext) {
        self.stopClocks()
    }

    private func stopClocks() {
        for timer in [self.arrivalTimer, self.stallTimer, self.lingerTimer] { timer?.cancel() }
        (self.arrivalTimer, self.stallTimer, self.lingerTimer) = (nil, nil, nil)
    }
}
