import ErrorEnvelopeHummingbird
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Synchronization

/// Small limits, so that tests reach them.
private let limits = {
    var limits = RequestGuard.Limits()
    limits.requestReadTimeout = .seconds(10)
    limits.bodyBytesPerSecondMin = 1_000
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
    /// The limits that the client has met.
    let met = MetLimits()

    init() throws {
        self.reads = ReadCounter()
        self.channel = EmbeddedChannel()
        self.channel.allowRemoteHalfClosure = true
        try self.channel.pipeline.syncOperations.addHandlers([
            self.reads, RequestGuard(limits: limits, logger: LogRecorder().logger, onLimit: self.met.note),
        ])
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
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

    func answer(_ status: HTTPResponse.Status = .ok, _ fields: HTTPFields = [:]) throws {
        try self.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: status, headerFields: fields)))
        try self.channel.writeOutbound(HTTPResponsePart.end(nil))
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
