public import ErrorEnvelope
public import HTTPTypes
public import Logging
public import NIOCore
import NIOHTTP1
public import NIOHTTPTypes

/// Protects one connection, and answers what no handler gets to see. It sits between the HTTP codec and Hummingbird; see
/// ``HummingbirdCore/HTTPServerBuilder/guardedHTTP1(limits:connections:immediate:refusalFields:logger:onRefusal:onLimit:)``, which puts it there.
///
/// It adds what Hummingbird 2.28 lacks:
/// - a deadline for the first request, one for silence between requests, and one for the arrival of one whole request, header and body, which
///   dripped bytes do not extend;
/// - a deadline for a client that does not take its answer, told by what its side has acknowledged; a client that takes bytes gets all of them,
///   whatever else wants to close the connection;
/// - for handlers that send much, a way to wait until what they have written is on its way (``AnswerFlow``);
/// - a lingering close after an answer that came before the end of its request: the client gets to read its 413, and an endless upload
///   stops. Such an answer says `Connection: close`;
/// - `100 Continue` for clients that wait for it, once a handler wants the body;
/// - an ``ErrorEnvelope/ErrorEnvelope`` in place of the empty 400 for requests that are no HTTP, have too large a header, or have not
///   exactly one `Host` header, and a 503 where there is no place for the connection (``ConnectionRegistry``);
/// - `Connection: close` on the last answer before the server stops, on every answer while it drains (``ConnectionRegistry/drain()``) behind which no
///   other is due, and after every request of HTTP/1.0.
///
/// Requests may be pipelined: all accounting is by number of request, because a later request may be half read while an earlier one is
/// answered. On requests that arrive whole and answers that are taken at once it costs one pass over the header and one timer for the
/// whole connection.
public final class RequestGuard: ChannelDuplexHandler, RemovableChannelHandler {
    /// Parts of requests come from the codec.
    public typealias InboundIn = HTTPRequestPart
    /// Parts of requests go on to Hummingbird.
    public typealias InboundOut = HTTPRequestPart
    /// Parts of answers come from Hummingbird.
    public typealias OutboundIn = HTTPResponsePart
    /// Parts of answers go on to the codec.
    public typealias OutboundOut = HTTPResponsePart

    enum Phase {
        /// Requests go in, answers come out.
        case serving
        /// A request has been refused; its answer is awaited from Hummingbird, behind those of earlier requests.
        case refusing(RequestRefusal)
        /// The last answer is being written, or lingers.
        case closing
    }

    let limits: Limits
    let logger: Logger
    let onLimit: @Sendable (Limit) -> Void
    let connections: ConnectionRegistry?
    var place: ConnectionPlace?
    var phase = Phase.serving

    // Heads seen, ends seen and ends of answers written. A request is being read while the first two differ.
    var requestsStarted = 0
    var requestsRead = 0
    var requestsAnswered = 0
    /// What the header of the request that was started last says.
    var facts: RequestHeadFacts?
    /// The header of the request that is being read; nil between requests.
    var requestFields: HTTPFields?
    var bodyBytes = 0
    /// The largest body that the request may have which was started last.
    var bodyBytesMax = 0
    var owesContinue = false
    var isQuiescing = false
    var closesAfterAnswer = false
    var lingerBytes = 0

    /// The header of the answer that is under way; `nil` between answers.
    var openAnswer: HTTPFields?
    /// The header of the answer that was begun last, whose bytes may still wait.
    var lastAnswer: HTTPFields?
    /// Writes that the system has not taken yet, as far as they are watched.
    var writesWaiting = 0
    /// Whether a write failed because the connection was closed before.
    var isCut = false
    /// Whether the connection is closed, and that was told.
    var hasEnded = false
    /// Whether the client sends no more.
    var hasClientEnded = false
    /// Has the request that waits for something else than its client answered as things stand; `nil` where none does.
    var endWait: (() -> Void)?
    /// Whether the connection was spared while a request waited, so that it ends with its answer.
    var isSpared = false
    /// When the write that was watched last is taken by the system.
    var lastWrite: EventLoopFuture<Void>?
    /// Bytes of bodies that were written so far.
    var bytesWritten: UInt64 = 0
    var progress: AnswerProgress
    /// What others wanted to close while an answer was being taken.
    var heldCloses: [(mode: CloseMode, promise: EventLoopPromise<Void>?)] = []

    var sawPartSinceReadComplete = false
    /// Since when the request that is incomplete has been arriving; `nil` between requests.
    var arrivingSince: NIODeadline?
    /// When something arrived last, or the last answer was taken.
    var activeAt = NIODeadline.uptimeNanoseconds(0)
    /// When the clock looks next, and what looks then.
    var clock: (due: NIODeadline, task: Scheduled<Void>)?
    var lingerTimer: Scheduled<Void>?
    /// The guard's place in the pipeline; nil outside of one.
    var context: ChannelHandlerContext?
    /// Told which answer is that to the last request, where that may be one of HTTP/1.0.
    var http10: HTTP10Handler?
    /// Answers what needs no waiting, where there is anything.
    let responder: (any ImmediateResponder)?
    /// What refusals say beyond what every envelope says.
    let refusalFields: @Sendable (HTTPFields?) -> HTTPFields
    /// Told of every refusal that the guard itself answers with.
    let onRefusal: @Sendable (ErrorCode) -> Void

    /// Makes the guard of one connection.
    /// - Parameters:
    ///   - limits: Every limit on the connection and on one request.
    ///   - connections: All connections of the server, where their number is bounded.
    ///   - responder: Answers requests that need no waiting, on the event loop.
    ///   - refusalFields: What answers that no handler gives say beyond what every envelope says. It is given the header of the request, or nil
    ///     where that did not come as far.
    ///   - logger: Where refused requests and closed connections are logged.
    ///   - onRefusal: Told of the code of every answer that no handler gave, for metrics. It must not block.
    ///   - onLimit: Told of every limit that a client has met, for metrics. It must not block.
    public init(
        limits: Limits = Limits(), connections: ConnectionRegistry? = nil, responder: (any ImmediateResponder)? = nil,
        refusalFields: @escaping @Sendable (HTTPFields?) -> HTTPFields = { _ in [:] }, logger: Logger,
        onRefusal: @escaping @Sendable (ErrorCode) -> Void = { _ in }, onLimit: @escaping @Sendable (Limit) -> Void = { _ in }
    ) {
        self.limits = limits
        self.connections = connections
        self.responder = responder
        self.refusalFields = refusalFields
        self.logger = logger
        self.onRefusal = onRefusal
        self.onLimit = onLimit
        self.progress = AnswerProgress(
            stallTimeout: TimeAmount(limits.writeStallTimeout), bytesPerSecondMin: limits.answerBytesPerSecondMin)
    }

    var isReading: Bool { self.requestsStarted > self.requestsRead }

    /// Whether the connection ends once everything is answered that has come, because the server stops or is about to.
    var isEnding: Bool { self.isQuiescing || self.connections?.isDraining == true }

    /// Whether there is an answer already to a request that is still being read.
    var isAnsweredEarly: Bool { self.requestsAnswered > self.requestsRead }

    /// Whether the request that is being read has its answer, or the beginning of it, and the connection lives on behind that. What is left of the
    /// request is bounded then by ``Limits/drainBytesMax``; a second answer to it would be taken for that to the next.
    var isOnlyDrained: Bool {
        let isBegun = self.openAnswer != nil && self.requestsAnswered == self.requestsRead
        return self.isAnsweredEarly || (isBegun && !self.closesAfterAnswer)
    }

    /// Whether a request was the last of its connection and has been read.
    var isDone: Bool { self.facts?.isLast == true && !self.isReading }
}

// Requests on their way in.
extension RequestGuard {
    /// Passes on, counts and checks one part of a request.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.sawPartSinceReadComplete = true
        let part = Self.unwrapInboundIn(data)
        guard case .serving = self.phase, !self.isDone, self.heldCloses.isEmpty else {
            self.countLingering(part)
            return
        }
        switch part {
        case .head(let head):
            guard self.admit(head, context: context) else { return }
        case .body(let buffer):
            self.bodyBytes += buffer.readableBytes
            self.owesContinue = false
            guard self.bodyBytes <= self.bodyBytesMax || self.isOnlyDrained else {
                // One that was announced was told of with the header, because handlers often refuse it before it comes.
                if self.facts?.bodyBytes == nil { self.onLimit(.bodySize) }
                return self.refuse(.bodyTooLarge, context: context)
            }
        case .end:
            self.requestsRead += 1
            self.requestFields = nil
            self.arrivingSince = nil
            self.noteTurn()
        }
        context.fireChannelRead(data)
    }

    /// Counts what comes and is thrown away; of a header, which costs more than its bytes, about as much as the least has.
    private func countLingering(_ part: HTTPRequestPart) {
        switch part {
        case .head: self.lingerBytes += 256
        case .body(let buffer): self.lingerBytes += buffer.readableBytes
        case .end: break
        }
    }

    /// Looks at the header of a request. False: it was refused.
    private func admit(_ head: HTTPRequest, context: ChannelHandlerContext) -> Bool {
        var facts = RequestHeadFacts(head)
        self.requestFields = head.headerFields
        if let refusal = self.place?.refusal {
            guard self.connections?.serves(head.path) == true else {
                self.refuse(refusal, context: context)
                return false
            }
            facts.isLast = true
        }
        if let refusal = facts.refusal {
            self.refuse(refusal, context: context)
            return false
        }
        self.bodyBytesMax = facts.bodyBytes == 0 ? self.limits.bodyBytesMax : self.limits.bodyBytesMax(of: head)
        if let announced = facts.bodyBytes, announced > self.bodyBytesMax { self.onLimit(.bodySize) }
        if self.isStreaming { self.endWaiting() }
        self.requestsStarted += 1
        self.place?.becomesBusy()
        self.facts = facts
        self.bodyBytes = 0
        self.owesContinue = facts.expectsContinue && (facts.bodyBytes ?? 1) > 0 && (facts.bodyBytes ?? 0) <= self.bodyBytesMax
        return true
    }

    /// Starts the clock of a request that has begun to arrive but is not complete.
    public func channelReadComplete(context: ChannelHandlerContext) {
        self.activeAt = context.eventLoop.now
        switch self.phase {
        case .serving:
            // Bytes that made no part belong to a header that is not complete.
            let isArriving = (self.isReading || !self.sawPartSinceReadComplete) && !self.isDone
            if isArriving {
                if self.arrivingSince == nil { self.arrivingSince = self.activeAt }
                if self.isReading { self.noteTurn() }
                self.armClock(context: context)
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

    /// Says to the others whether a handler works for the connection, or whether it could be spared.
    func noteTurn() {
        // What lingers only lets its client read on.
        if case .closing = self.phase {
            self.place?.becomesQuiet()
        } else if self.isClientsTurn {
            let isAnswered = self.requestsAnswered >= self.requestsStarted
            self.place?.becomesQuiet(after: isAnswered ? .zero : self.limits.quietDelay)
        } else {
            self.place?.becomesBusy()
        }
    }

    /// Notes a failure of the parser, so that its answer can be written in full.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case ByteToMessageDecoderError.dataReceivedInErrorState(_, let buffer)? = error as? ByteToMessageDecoderError {
            self.lingerBytes += buffer.readableBytes
            return
        }
        guard let error = error as? HTTPParserError else { return context.fireErrorCaught(error) }
        guard case .serving = self.phase, !self.isDone else { return }
        if self.isAnsweredEarly {
            // The request has its answer already and what is left of it makes no sense.
            self.close(context: context, mode: .all, promise: nil)
        } else {
            self.refuse(RequestRefusal(error), context: context)
        }
    }

    /// Lets Hummingbird's connection loop see a parser error: it answers earlier requests first and then writes an empty 400, which
    /// ``write(context:data:promise:)`` replaces.
    private func refuse(_ refusal: RequestRefusal, context: ChannelHandlerContext) {
        if let limit = refusal.limit { self.onLimit(limit) }
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

    /// Tells a client that waits for it to send its body, when a handler begins to read that. Interim answers have their turn: the handler of a
    /// pipelined request does not run before earlier ones are answered.
    func payContinue(context: ChannelHandlerContext) {
        guard case .serving = self.phase, self.owesContinue, self.isReading, self.requestsAnswered == self.requestsStarted - 1 else {
            return
        }
        self.owesContinue = false
        context.writeAndFlush(Self.wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }
}
