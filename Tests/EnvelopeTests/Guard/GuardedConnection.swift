import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Synchronization
import TestSupport

@testable import ErrorEnvelopeHummingbird

/// Small limits, so that tests reach them.
let smallLimits = {
    var limits = RequestGuard.Limits()
    limits.firstRequestTimeout = .seconds(100)
    limits.idleTimeout = .seconds(200)
    limits.requestReadTimeout = .seconds(10)
    limits.bodyBytesPerSecondMin = 1_000
    limits.writeStallTimeout = .seconds(30)
    limits.answerBytesPerSecondMin = 1_000
    limits.bodyBytesMax = 100_000
    limits.drainBytesMax = 500
    limits.lingerTimeout = .seconds(1)
    limits.lingerBytesMax = 2_000
    return limits
}()

/// A connection with nothing but the guard on it. Counts what the channel is asked to read.
struct GuardedConnection {
    let channel: EmbeddedChannel
    let reads: ReadCounter
    /// The client's side, which takes answers at once unless told otherwise.
    let taker = AnswerTaker()
    /// The limits that the client has met.
    let met = MetLimits()
    let recorder = LogRecorder()
    /// What the guard said of the requests that it refused: their `Origin`, or that it knows nothing of them.
    let refused = Shared<[String]>([])

    /// - Parameters:
    ///   - connections: All connections of the server.
    ///   - address: Where the client is.
    init(among connections: ConnectionRegistry? = nil, from address: String = "127.0.0.1") throws {
        self.reads = ReadCounter()
        self.channel = EmbeddedChannel()
        self.channel.allowRemoteHalfClosure = true
        // What is not taken lies with the taker, not in the channel.
        try self.channel.pipeline.syncOperations.addHandlers([
            self.reads, self.taker,
            RequestGuard(
                limits: smallLimits, connections: connections,
                refusalFields: { [refused] fields in
                    refused.withLock { $0.append(fields.map { $0[.origin] ?? "none" } ?? "unknown") }
                    return [.vary: "Origin"]
                }, logger: self.recorder.logger, onLimit: self.met.note),
        ])
        self.channel.remoteAddress = try SocketAddress(ipAddress: address, port: 1)
        try self.channel.connect(to: SocketAddress(ipAddress: address, port: 1)).wait()
    }

    func receiveGet(host: String? = "localhost", _ fields: HTTPFields = [:]) throws {
        let head = HTTPRequest(method: .get, scheme: "http", authority: host, path: "/", headerFields: fields)
        try self.channel.writeInbound(HTTPRequestPart.head(head))
        try self.receiveEnd()
    }

    func receivePostHead(_ fields: HTTPFields) throws {
        let head = HTTPRequest(method: .post, scheme: "http", authority: "localhost", path: "/", headerFields: fields)
        try self.channel.writeInbound(HTTPRequestPart.head(head))
    }

    func receiveBody(_ bytes: Int) throws {
        try self.channel.writeInbound(HTTPRequestPart.body(ByteBuffer(repeating: 0x78, count: bytes)))
    }

    func receiveEnd() throws {
        try self.channel.writeInbound(HTTPRequestPart.end(nil))
    }

    /// What a handler does that begins to read the body.
    func wantBody() { self.channel.pipeline.triggerUserOutboundEvent(RequestBodyWanted(), promise: nil) }

    func answer(_ status: HTTPResponse.Status = .ok, _ fields: HTTPFields = [:]) throws {
        try self.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: status, headerFields: fields)))
        try self.channel.writeOutbound(HTTPResponsePart.end(nil))
    }

    /// Answers with a client that takes nothing, which a write that waits for its end would wait for.
    func answerUntaken() {
        self.taker.takes = false
        self.channel.pipeline.write(HTTPResponsePart.head(HTTPResponse(status: .ok)), promise: nil)
        self.channel.pipeline.writeAndFlush(HTTPResponsePart.end(nil), promise: nil)
    }

    /// The statuses that were sent since the last look, with their `Connection` header.
    func sent() throws -> [String] {
        var sent: [String] = []
        while let part = try self.channel.readOutbound(as: HTTPResponsePart.self) {
            guard case .head(let head) = part else { continue }
            sent.append("\(head.status.code)" + (head.headerFields[.connection].map { " \($0)" } ?? ""))
        }
        return sent
    }

    /// How many parts have reached Hummingbird since the last look.
    func passed() throws -> Int {
        var count = 0
        while try self.channel.readInbound(as: HTTPRequestPart.self) != nil { count += 1 }
        return count
    }

    func advance(_ seconds: Int64) { self.channel.embeddedEventLoop.advanceTime(by: .seconds(seconds)) }

    var isOpen: Bool { self.channel.isActive }

    private var place: ConnectionPlace? { try? self.channel.pipeline.syncOperations.handler(type: RequestGuard.self).place }

    /// Whether the connection could be spared for another; nil where there is no registry.
    var isQuiet: Bool? { self.place?.isQuiet }

    /// Lets the time pass after which nothing that moves on the connection is expected any more.
    func makeQuiet() throws { self.place?.becomesQuiet() }
}

/// Takes answers, or does not, like the system's buffer of a client that reads or does not.
final class AnswerTaker: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart
    private var held: [(data: NIOAny, promise: EventLoopPromise<Void>?)] = []
    var takes = true

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.takes else { return self.held.append((data, promise)) }
        context.write(data, promise: promise)
    }

    /// Takes what was held, up to a number of writes.
    func take(_ count: Int = .max, on channel: EmbeddedChannel) throws {
        let context = try channel.pipeline.syncOperations.context(handler: self)
        for (data, promise) in self.held.prefix(count) { context.write(data, promise: promise) }
        self.held.removeFirst(min(count, self.held.count))
        context.flush()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        // As a channel does, which fails what it never wrote before it says that it is closed.
        if mode == .all {
            for (_, promise) in self.held { promise?.fail(ChannelError.ioOnClosedChannel) }
            self.held = []
        }
        context.close(mode: mode, promise: promise)
    }
}

/// Keeps the limits that a client has met, in their order.
final class MetLimits: Sendable {
    private let noted = Mutex<[RequestGuard.Limit]>([])

    var all: [RequestGuard.Limit] { self.noted.withLock { $0 } }

    @Sendable func note(_ limit: RequestGuard.Limit) { self.noted.withLock { $0.append(limit) } }
}

/// Counts what the guard asks the channel to read, and notes when the output is closed.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart
    var count = 0
    var outputIsClosed = false

    func read(context: ChannelHandlerContext) {
        self.count += 1
        context.read()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        self.outputIsClosed = self.outputIsClosed || mode == .output
        if mode == .output {
            promise?.succeed(())
        } else {
            context.close(mode: mode, promise: promise)
        }
    }
}
