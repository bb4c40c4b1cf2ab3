import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// A web server on 127.0.0.1 that answers as it is told, rightly or wrongly, and remembers what was asked.
final class FaultyStore: Sendable {
    /// What the server does with a request.
    enum Reply: Sendable {
        /// Sends bytes and keeps the connection open.
        case send(String, body: [UInt8] = [])
        /// Sends bytes and closes.
        case sendAndClose(String, body: [UInt8] = [])
        /// Sends a head, then single bytes for ever.
        case drip(String)
        /// Sends a head, then the same part for ever, as fast as it is taken.
        case endless(String)
        /// Never answers.
        case hang
        /// Breaks the connection off.
        case reset

        /// A whole answer.
        static func answer(_ status: Int, _ headers: [String] = [], body: [UInt8] = []) -> Reply {
            .send(head(status, headers + ["Content-Length: \(body.count)"]), body: body)
        }

        /// A refusal as S3 writes it.
        static func refusal(_ status: Int, _ code: String, _ headers: [String] = []) -> Reply {
            answer(status, headers, body: Array("<?xml version=\"1.0\"?><Error><Code>\(code)</Code></Error>".utf8))
        }

        /// The head of an answer.
        static func head(_ status: Int, _ headers: [String]) -> String {
            "HTTP/1.1 \(status) Status\r\n\(headers.map { "\($0)\r\n" }.joined())\r\n"
        }
    }

    /// A request as it came.
    struct Request: Sendable {
        /// All lines of the head.
        let head: String
        /// How many came before.
        let number: Int

        /// Method and target of the request line.
        var line: String { head.split(separator: " ", maxSplits: 2).prefix(2).joined(separator: " ") }

        /// The value of a header, whose name is written in small letters.
        func value(of header: String) -> String? {
            head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(header):") }.map {
                $0.dropFirst(header.count + 1).drop { $0 == " " }.description
            }
        }
    }

    private struct State {
        var requests: [Request] = []
        var accepted = 0
        var open = 0
        var bytesTaken = 0
    }

    private static let part = [UInt8](repeating: 7, count: 65_536)

    private let channel: any Channel
    private let state: Shared<State>

    /// The port that it listens at.
    var port: Int { channel.localAddress?.port ?? 0 }
    /// The requests so far.
    var requests: [Request] { state.value.requests }
    /// The connections so far.
    var connectionsAccepted: Int { state.value.accepted }
    /// The connections that are open.
    var connectionsOpen: Int { state.value.open }
    /// Bytes of endless bodies that the system has taken, for its own buffers or the other side's.
    var bytesTaken: Int { state.value.bytesTaken }

    private init(channel: any Channel, state: Shared<State>) {
        self.channel = channel
        self.state = state
    }

    /// Runs one for as long as the body takes.
    static func run<Value>(_ reply: @escaping @Sendable (Request) -> Reply, _ body: (FaultyStore) async throws -> Value) async throws
        -> Value
    {
        let state = Shared(State())
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    state.withLock { $0.accepted += 1 }
                    try channel.pipeline.syncOperations.addHandler(Handler(state: state, reply: reply))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(FaultyStore(channel: channel, state: state)))
        } catch {
            result = .failure(error)
        }
        try? await channel.close()
        return try result.get()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let state: Shared<State>
        private let reply: @Sendable (Request) -> Reply
        private var received: [UInt8] = []
        private var drip: RepeatedTask?

        init(state: Shared<State>, reply: @escaping @Sendable (Request) -> Reply) {
            self.state = state
            self.reply = reply
        }

        func channelActive(context: ChannelHandlerContext) { state.withLock { $0.open += 1 } }

        func channelInactive(context: ChannelHandlerContext) {
            state.withLock { $0.open -= 1 }
            drip?.cancel()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += Array(unwrapInboundIn(data).readableBytesView)
            guard let head = wholeHead() else { return }
            let request = state.withLock { state in
                state.requests.append(Request(head: head, number: state.requests.count))
                return state.requests[state.requests.count - 1]
            }
            let channel = context.channel
            switch reply(request) {
            case .hang: break
            case .reset:
                // Without waiting for what was sent to arrive, which the other side sees as a reset.
                (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
                    channel.close(promise: nil)
                }
            case .send(let head, let body): send(head, body, context)
            case .sendAndClose(let head, let body):
                send(head, body, context)
                context.close(promise: nil)
            case .drip(let head):
                send(head, [], context)
                drip = context.eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(5), delay: .milliseconds(5)) { _ in
                    channel.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
                }
            case .endless(let head):
                send(head, [], context)
                writeForEver(ByteBuffer(bytes: FaultyStore.part), context)
            }
        }

        /// The head of a request, once all of it and of its body has come.
        private func wholeHead() -> String? {
            let mark = Array("\r\n\r\n".utf8)
            guard let end = (0..<max(0, received.count - 3)).first(where: { received[$0..<$0 + 4].elementsEqual(mark) }).map({ $0 + 4 })
            else {
                return nil
            }
            let head = String(decoding: received[..<end], as: UTF8.self)
            let length = Request(head: head, number: 0).value(of: "content-length").flatMap { Int($0) } ?? 0
            guard received.count >= end + length else { return nil }
            received = []
            return head
        }

        private func send(_ head: String, _ body: [UInt8], _ context: ChannelHandlerContext) {
            context.write(wrapOutboundOut(ByteBuffer(string: head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: body)), promise: nil)
        }

        private func writeForEver(_ part: ByteBuffer, _ context: ChannelHandlerContext) {
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.writeAndFlush(wrapOutboundOut(part)).whenSuccess {
                let (handler, context) = bound.value
                handler.state.withLock { $0.bytesTaken += part.readableBytes }
                handler.writeForEver(part, context)
            }
        }
    }
}
