import NIOCore
import NIOHTTP1
import NIOPosix
import Personas
import Synchronization

/// A plain HTTP server on this machine, which stands for the receivers of webhooks.
final class LocalReceiver: Sendable {
    /// A message as it came.
    struct Message: Sendable {
        let path: String
        let headers: [String: String]
        let body: String
        /// The event's id, by which receivers know what they have.
        var id: String { headers["webhook-id"] ?? "" }
        /// The event.
        var event: JSONValue { (try? JSONValue(parsing: body.utf8)) ?? .null }
    }

    /// What comes of a message.
    enum Reply: Sendable {
        /// An answer without a body.
        case status(Int)
        /// Nothing at all, while the connection stays open.
        case silence
    }

    private let messages: Mutex<[Message]>
    private let channel: any Channel

    /// The messages so far, in the order in which they came.
    var received: [Message] { messages.withLock { $0 } }

    /// Its address.
    func url(_ path: String) -> String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)\(path)" }

    private init(channel: any Channel, log: Log) {
        self.channel = channel
        messages = Mutex([])
        log.receiver.withLock { $0 = self }
    }

    private final class Log: Sendable {
        let receiver = Mutex<LocalReceiver?>(nil)
    }

    /// Serves while `body` runs.
    static func run<Value>(_ reply: @escaping @Sendable (Message) -> Reply, _ body: (LocalReceiver) async throws -> Value) async throws
        -> Value
    {
        let log = Log()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(
                        Handler { message in
                            log.receiver.withLock { $0 }?.messages.withLock { $0.append(message) }
                            return reply(message)
                        })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let receiver = LocalReceiver(channel: channel, log: log)
        do {
            let value = try await body(receiver)
            try await channel.close()
            return value
        } catch {
            try? await channel.close()
            throw error
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let take: (Message) -> Reply
        private var head: HTTPRequestHead?
        private var body = ""

        init(_ take: @escaping (Message) -> Reply) {
            self.take = take
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body = ""
            case .body(let buffer): body += String(buffer: buffer)
            case .end:
                guard let head else { return }
                let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
                guard case .status(let status) = take(Message(path: head.uri, headers: headers, body: body)) else { return }
                let answer = HTTPResponseHead(
                    version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: ["content-length": "0"])
                context.write(wrapOutboundOut(.head(answer)), promise: nil)
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}
