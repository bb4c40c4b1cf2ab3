public import HTTPTypes
public import NIOCore
public import NIOHTTP1
import Synchronization

/// Answers requests on the event loop of their connection, those that need no waiting.
public protocol ImmediateResponder: Sendable {
    /// What is to be known of a connection, found out once.
    associatedtype Connection

    /// What is to be known of a connection from an address.
    func connection(from address: SocketAddress?) -> Connection

    /// The answer to a request without a body, or nil where it has to wait for anything; then nothing may have happened, because the request goes
    /// to Hummingbird. It runs on the event loop, so that all connections of the loop wait meanwhile.
    /// - Parameters:
    ///   - head: A request of HTTP/1.1 that nothing of a connection's state hangs on, as ``ImmediateAnswers`` has made sure.
    ///   - connection: Its connection.
    func answer(_ head: HTTPRequestHead, on connection: Connection) -> ImmediateAnswer?

    /// An answer to the same request that waits for something without holding anything but memory, or nil where there is none: then nothing may have
    /// happened. Asked where there is no answer at once.
    func pending(_ head: HTTPRequestHead, on connection: Connection) -> (any PendingAnswer)?

    /// An answer to the same request that comes in pieces, or nil where there is none: then nothing may have happened. Asked where there is neither an
    /// answer at once nor one that is pending.
    func streamed(_ head: HTTPRequestHead, on connection: Connection) -> (any StreamedAnswer)?
}

extension ImmediateResponder {
    /// None.
    public func pending(_ head: HTTPRequestHead, on connection: Connection) -> (any PendingAnswer)? { nil }

    /// None.
    public func streamed(_ head: HTTPRequestHead, on connection: Connection) -> (any StreamedAnswer)? { nil }
}

/// An answer that is there at once.
public struct ImmediateAnswer: Sendable {
    /// Status and header, with the length of the body and the date.
    public var head: HTTPResponse
    /// The body; nil where none is sent, as to HEAD.
    public var body: ByteBuffer?

    /// Puts an answer together.
    public init(head: HTTPResponse, body: ByteBuffer?) {
        self.head = head
        self.body = body
    }
}

/// Gives the answers of an ``ImmediateResponder``, and hands every other request on.
///
/// It stands right behind NIO's decoder: what costs most on the way to Hummingbird and back are the conversion of heads, the switches between
/// tasks and the encoder, and all three lie behind it. The ``RequestGuard`` further in does not see such a request, and is told of it.
///
/// Only a request in which nothing is left to decide is looked at: complete, without a body, GET or HEAD, on a connection that has nothing else to
/// do and goes on afterwards. So an answer never overtakes another, a client that takes nothing gets no further ones, and everything that
/// the guard refuses, or that ends the connection, is Hummingbird's.
final class ImmediateAnswers<Responder: ImmediateResponder>: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    /// Answers of one connection in a row, so that one that sends many requests at once does not keep the loop from the others.
    private static var answersInARowMax: Int { 16 }

    let requestGuard: RequestGuard
    let responder: Responder
    private(set) var connection: Responder.Connection?
    /// A head whose end has not come yet.
    private var held: HTTPRequestHead?
    private(set) var answersInARow = 0
    /// Whether parts were handed on since the last time that all was read.
    private var hasHandedOn = false
    /// Where bytes go out past the encoder.
    private(set) var encoder: ChannelHandlerContext?
    /// The handler's own place; nil outside of a pipeline.
    private var context: ChannelHandlerContext?
    /// The request that waits, if one does.
    private var wait: Wait?
    /// The answer that comes in pieces, if one does.
    var stream: OpenStream?

    /// What is woken. Whoever wakes must not keep the request waiting for whose sake it is kept itself.
    private struct Woken {
        let handler: ImmediateAnswers
        weak var wait: Wait?

        func look() {
            if let wait = self.wait { self.handler.look(wait, isLast: false) }
        }
    }

    /// A request that waits, with what ends that.
    private final class Wait {
        let head: HTTPRequestHead
        let answer: any PendingAnswer
        var clock: Scheduled<Void>?
        /// Whether a look is due already, so that many changes in a row bring about one.
        let isWoken = WakeFlag()

        init(_ head: HTTPRequestHead, _ answer: any PendingAnswer) {
            self.head = head
            self.answer = answer
        }
    }

    init(requestGuard: RequestGuard, responder: Responder) {
        self.requestGuard = requestGuard
        self.responder = responder
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.encoder = try? context.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.forgetWait()
        self.forgetStream()
        (self.encoder, self.context) = (nil, nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.forgetWait()
        self.forgetStream()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The guard learns of it with the answer, and sees to what follows.
        if event is ChannelShouldQuiesceEvent { self.endWait(isLastOfConnection: true) }
        if case ChannelEvent.inputClosed = event { self.endWait(isLastOfConnection: false) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What is no request is refused behind the answer to the one before.
        self.endWait(isLastOfConnection: false)
        context.fireErrorCaught(error)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .head(let head) where self.mayAnswer(head, context: context):
            self.held = head
        case .end where self.held != nil:
            self.end(context: context, data: data)
        default:
            // Whoever sends on while a request waits has it wait in its turn, behind which reading stops in good time.
            if let wait = self.wait { self.handOn(wait.head, context: context) }
            // A stream has no end of its own behind which an answer could have its turn.
            self.endStream(isLastOfConnection: false)
            self.handOn(context: context)
            self.hasHandedOn = true
            context.fireChannelRead(data)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.handOn(context: context)
        if self.answersInARow > 0, let encoder = self.encoder {
            self.answersInARow = 0
            self.requestGuard.flushImmediateAnswers(through: encoder, isAll: !self.hasHandedOn)
            // Handlers that were given nothing need not be told that this was all.
            guard self.hasHandedOn else { return }
        }
        self.hasHandedOn = false
        context.fireChannelReadComplete()
    }

    private func mayAnswer(_ head: HTTPRequestHead, context: ChannelHandlerContext) -> Bool {
        self.held == nil && self.answersInARow < Self.answersInARowMax && head.hasNothingToDecide && context.channel.isWritable
            && self.requestGuard.isFree
    }

    /// Answers the request whose end has come, or hands it on.
    private func end(context: ChannelHandlerContext, data: NIOAny) {
        guard let head = self.held, let encoder = self.encoder, let answer = self.answer(head, context: context) else {
            if let head = self.held, self.beginWait(head, context: context) || self.beginStream(head, context: context) {
                self.held = nil
                return
            }
            self.handOn(context: context)
            context.fireChannelRead(data)
            return
        }
        self.held = nil
        self.answersInARow += 1
        self.requestGuard.noteImmediateAnswer(answer)
        self.write(answer, through: encoder)
    }

    private func write(_ answer: ImmediateAnswer, through encoder: ChannelHandlerContext) {
        var bytes = encoder.channel.allocator.buffer(capacity: answer.bytesMax)
        bytes.write(answer)
        encoder.write(HTTPResponseEncoder.wrapOutboundOut(.byteBuffer(bytes)), promise: nil)
    }

    private func answer(_ head: HTTPRequestHead, context: ChannelHandlerContext) -> ImmediateAnswer? {
        if let connection = self.connection { return self.responder.answer(head, on: connection) }
        let connection = self.responder.connection(from: context.channel.remoteAddress)
        self.connection = connection
        return self.responder.answer(head, on: connection)
    }

    /// Hands on a head that was held.
    private func handOn(context: ChannelHandlerContext) {
        guard let head = self.held else { return }
        self.held = nil
        self.hasHandedOn = true
        context.fireChannelRead(Self.wrapInboundOut(.head(head)))
    }
}

// Requests that wait.
extension ImmediateAnswers {
    /// Has a request wait whose answer is not there yet. False: it is no such request.
    private func beginWait(_ head: HTTPRequestHead, context: ChannelHandlerContext) -> Bool {
        // What was answered before in this read has to be on its way, and a client that sends much at once does not wait here.
        guard self.answersInARow == 0, let connection = self.connection, let answer = self.responder.pending(head, on: connection) else {
            return false
        }
        let wait = Wait(head, answer)
        let eventLoop = context.eventLoop
        let woken = NIOLoopBound(Woken(handler: self, wait: wait), eventLoop: eventLoop)
        let isWoken = wait.isWoken
        let begins = answer.begin { delay in
            guard isWoken.raise() else { return }
            let look: @Sendable () -> Void = { woken.value.look() }
            if delay > .zero { eventLoop.scheduleTask(in: delay, look) } else { eventLoop.execute(look) }
        }
        guard begins else { return false }
        self.wait = wait
        wait.clock = eventLoop.assumeIsolated().scheduleTask(in: answer.timeout) { self.look(wait, isLast: true) }
        self.requestGuard.notePending { [weak self] in self?.endWait(isLastOfConnection: false) }
        // Only now, so that nothing is missed that happens meanwhile.
        self.look(wait, isLast: false)
        return true
    }

    /// Sees whether a request has what it waits for, and answers it.
    /// - Parameter isLast: Whether it is answered as things stand.
    private func look(_ wait: Wait, isLast: Bool, isLastOfConnection: Bool = false) {
        guard self.wait === wait, let context = self.context, let encoder = self.encoder else { return }
        wait.isWoken.lower()
        switch wait.answer.look(isLast: isLast) {
        case .goesOn: return
        case .handOn(let head): self.handOn(head, context: context)
        case .answer(var answer):
            self.forgetWait()
            let isLastOfConnection = self.requestGuard.notePendingAnswer(answer) || isLastOfConnection
            if isLastOfConnection { answer.head.headerFields[.connection] = "close" }
            self.write(answer, through: encoder)
            self.requestGuard.flushPendingAnswer(through: encoder, isLast: isLastOfConnection)
        }
    }

    /// Answers the request that waits, if one does, as things stand, and ends the stream that is open, if one is.
    private func endWait(isLastOfConnection: Bool) {
        if let wait = self.wait { self.look(wait, isLast: true, isLastOfConnection: isLastOfConnection) }
        self.endStream(isLastOfConnection: isLastOfConnection)
    }

    /// Hands a request that has waited on to Hummingbird.
    private func handOn(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        self.forgetWait()
        self.requestGuard.forgetPending()
        context.fireChannelRead(Self.wrapInboundOut(.head(head)))
        context.fireChannelRead(Self.wrapInboundOut(.end(nil)))
        context.fireChannelReadComplete()
    }

    private func forgetWait() {
        self.wait?.clock?.cancel()
        self.wait = nil
    }
}

/// Whether something is to be done already.
final class WakeFlag: Sendable {
    private let flag = Atomic(false)

    /// Raises it. False: it was raised before.
    func raise() -> Bool { !self.flag.exchange(true, ordering: .acquiringAndReleasing) }

    func lower() { self.flag.store(false, ordering: .sequentiallyConsistent) }
}

extension HTTPRequestHead {
    /// Whether the header says nothing that a connection would have to act on, and nothing that is refused.
    fileprivate var hasNothingToDecide: Bool {
        guard self.version == .http1_1, self.method == .GET || self.method == .HEAD else { return false }
        var hosts = 0
        for (name, value) in self.headers {
            // Comparing lengths first keeps this cheap: it runs on every request.
            let name = name.utf8
            switch name.count {
            case 4 where name.isEqual(ignoringCaseOf: "host"):
                hosts += 1
                guard RequestHeadFacts.isHost(value) else { return false }
            case 6 where name.isEqual(ignoringCaseOf: "expect"): return false
            case 7 where name.isEqual(ignoringCaseOf: "upgrade"): return false
            case 10 where name.isEqual(ignoringCaseOf: "connection"):
                guard value.utf8.isEqual(ignoringCaseOf: "keep-alive") else { return false }
            case 14 where name.isEqual(ignoringCaseOf: "content-length"): return false
            case 17 where name.isEqual(ignoringCaseOf: "transfer-encoding"): return false
            default: break
            }
        }
        return hosts == 1
    }
}

extension ImmediateAnswer {
    /// Bytes that the answer seldom exceeds.
    fileprivate var bytesMax: Int { 768 + (self.body?.readableBytes ?? 0) }
}

extension ByteBuffer {
    /// Writes an answer in the form of HTTP/1.1 (RFC 9112, section 2.1), as NIO's encoder does. Names and values of ``HTTPFields`` hold nothing
    /// that could end their line.
    fileprivate mutating func write(_ answer: ImmediateAnswer) {
        self.write(head: answer.head)
        if let body = answer.body { self.writeImmutableBuffer(body) }
    }

    /// Writes status and header.
    /// - Parameter framing: A line of the header that says where the body ends, if the header does not say so itself.
    mutating func write(head: HTTPResponse, framing: StaticString = "") {
        if head.status.code == 200 {
            self.writeStaticString("HTTP/1.1 200 OK\r\n")
        } else {
            // Codes are known by more phrases here than among the types that heads are made of.
            let status = HTTPResponseStatus(statusCode: head.status.code)
            self.writeString("HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n")
        }
        for field in head.headerFields {
            self.writeString(field.name.rawName)
            self.writeStaticString(": ")
            self.writeString(field.value)
            self.writeStaticString("\r\n")
        }
        self.writeStaticString(framing)
        self.writeStaticString("\r\n")
    }
}
