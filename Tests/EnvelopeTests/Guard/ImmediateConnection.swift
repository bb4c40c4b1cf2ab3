import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import TestSupport

@testable import ErrorEnvelopeHummingbird

/// A connection with NIO's codec, the guard, and a responder that answers some requests at once. A test plays the client with bytes, and
/// Hummingbird with parts.
struct ImmediateConnection {
    let channel = EmbeddedChannel()
    let client = Client()
    let responder = FastResponder()
    /// The limits that the client has met.
    let met = MetLimits()
    let recorder = LogRecorder()

    /// - Parameter connections: All connections of the server.
    init(among connections: ConnectionRegistry? = nil) throws {
        self.channel.allowRemoteHalfClosure = true
        let pipeline = self.channel.pipeline.syncOperations
        try pipeline.addHandler(self.client)
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false)
        try pipeline.addHandlers([
            HTTP1ToHTTPServerCodec(secure: false),
            RequestGuard(
                limits: smallLimits, connections: connections, responder: self.responder, logger: self.recorder.logger,
                onLimit: self.met.note),
        ])
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        self.channel.remoteAddress = address
        try self.channel.connect(to: address).wait()
    }

    static func get(_ target: String, method: String = "GET", _ fields: String = "") -> String {
        "\(method) \(target) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
    }

    /// Receives bytes, all in one read.
    func receive(_ text: String) throws { try self.channel.writeInbound(ByteBuffer(string: text)) }

    /// What has reached Hummingbird since the last look: targets of requests, sizes of parts of bodies, and ends.
    func passed() throws -> [String] {
        var passed: [String] = []
        while let part = try self.channel.readInbound(as: HTTPRequestPart.self) {
            switch part {
            case .head(let head): passed.append(head.path ?? "")
            case .body(let buffer): passed.append("\(buffer.readableBytes) bytes")
            case .end: passed.append("end")
            }
        }
        return passed
    }

    /// Answers as Hummingbird does.
    func answer(_ body: String, _ fields: HTTPFields = [:]) {
        var fields = fields
        fields[.contentLength] = String(body.utf8.count)
        self.channel.pipeline.write(HTTPResponsePart.head(HTTPResponse(status: .ok, headerFields: fields)), promise: nil)
        self.channel.pipeline.write(HTTPResponsePart.body(ByteBuffer(string: body)), promise: nil)
        self.channel.pipeline.writeAndFlush(HTTPResponsePart.end(nil), promise: nil)
    }

    /// What was sent since the last look.
    func sentText() throws -> String {
        var text = ""
        while let bytes = try self.channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }

    /// The answers that were sent since the last look: status, `close` where the connection ends with it, and body.
    func sent() throws -> [String] {
        var reader = RawAnswerReader()
        var rest = Array(try self.sentText().utf8)[...]
        var sent: [String] = []
        while let answer = try reader.read(rest) {
            rest = []
            let close = answer.header("connection").map { "\($0) " } ?? ""
            sent.append("\(answer.status) \(close)\(String(decoding: answer.body, as: UTF8.self))")
        }
        return sent
    }

    func advance(_ seconds: Int64) { self.channel.embeddedEventLoop.advanceTime(by: .seconds(seconds)) }

    var isOpen: Bool { self.channel.isActive }

    var requestGuard: RequestGuard {
        get throws { try self.channel.pipeline.syncOperations.handler(type: RequestGuard.self) }
    }

    /// Answers what begins with `/fast` with its own target, and remembers what it was asked.
    struct FastResponder: ImmediateResponder {
        let asked = Shared<[String]>([])
        /// The requests that wait, or have waited, in their order.
        let pending = Shared<[TestWait]>([])
        /// The addresses of connections that it was told of.
        let addresses = Shared<[SocketAddress?]>([])

        func connection(from address: SocketAddress?) { self.addresses.withLock { $0.append(address) } }

        func answer(_ head: HTTPRequestHead, on connection: Void) -> ImmediateAnswer? {
            self.asked.withLock { $0.append(head.uri) }
            guard head.uri.hasPrefix("/fast") else { return nil }
            let fields: HTTPFields = [.contentLength: String(head.uri.utf8.count), .xRequestID: "id of \(head.uri)"]
            return ImmediateAnswer(
                head: HTTPResponse(status: .ok, headerFields: fields), body: head.method == .HEAD ? nil : ByteBuffer(string: head.uri))
        }

        func pending(_ head: HTTPRequestHead, on connection: Void) -> (any PendingAnswer)? {
            guard head.uri.hasPrefix("/wait") else { return nil }
            let wait = TestWait(target: head.uri)
            self.pending.withLock { $0.append(wait) }
            return TestPending(wait)
        }
    }

    /// A request that waits until a test says otherwise.
    final class TestWait: Sendable {
        /// What the next look sees; before it says so, that nothing has happened.
        enum Outcome: Sendable {
            case answer, handOn
        }

        let target: String
        let outcome = Shared<Outcome?>(nil)
        /// The looks so far, and whether each was the last.
        let looks = Shared<[Bool]>([])
        let wake = Shared<(@Sendable (TimeAmount) -> Void)?>(nil)
        /// Whether nothing keeps the request waiting any more.
        let hasEnded = Shared(false)

        init(target: String) { self.target = target }
    }

    /// What the connection has in its hands of a request that waits.
    final class TestPending: PendingAnswer {
        let wait: TestWait
        let timeout = TimeAmount.seconds(300)

        init(_ wait: TestWait) { self.wait = wait }

        deinit { self.wait.hasEnded.withLock { $0 = true } }

        func begin(_ wake: @escaping @Sendable (TimeAmount) -> Void) -> Bool {
            guard !self.wait.target.hasSuffix("/refused") else { return false }
            self.wait.wake.withLock { $0 = wake }
            return true
        }

        func look(isLast: Bool) -> PendingLook {
            self.wait.looks.withLock { $0.append(isLast) }
            switch self.wait.outcome.value {
            case nil where !isLast: return .goesOn
            case .handOn:
                return .handOn(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/handed", headers: ["Host": "a"]))
            default:
                let fields: HTTPFields = [.contentLength: String(self.wait.target.utf8.count)]
                return .answer(
                    ImmediateAnswer(head: HTTPResponse(status: .ok, headerFields: fields), body: ByteBuffer(string: self.wait.target)))
            }
        }
    }

    /// Takes what is sent, or does not, like the system's buffer of a client that reads or does not; or is gone, which sending shows.
    final class Client: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private var held: [EventLoopPromise<Void>] = []
        var takes = true
        var isGone = false

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            // It stays in the channel without a flush, which is where the guard looks for it.
            if let promise { self.held.append(promise) }
            context.write(data, promise: nil)
        }

        func flush(context: ChannelHandlerContext) {
            if self.isGone {
                context.pipeline.close(promise: nil)
            } else if self.takes {
                self.take(context)
            }
        }

        /// Takes what was not taken.
        func take(on channel: EmbeddedChannel) throws {
            self.takes = true
            self.take(try channel.pipeline.syncOperations.context(handler: self))
        }

        private func take(_ context: ChannelHandlerContext) {
            context.flush()
            let held = self.held
            self.held = []
            for promise in held { promise.succeed(()) }
        }

        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            guard mode == .all else {
                promise?.succeed(())
                return
            }
            // As a channel does, which fails what it never wrote before it says that it is closed.
            let held = self.held
            self.held = []
            for promise in held { promise.fail(ChannelError.ioOnClosedChannel) }
            context.close(mode: mode, promise: promise)
        }
    }
}
