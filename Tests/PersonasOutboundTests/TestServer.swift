import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// A web server on a loopback address that answers as it is told, rightly or wrongly, and remembers what was asked.
final class TestServer: Sendable {
    /// What the server does with a request.
    enum Reply: Sendable {
        /// Sends bytes and keeps the connection open.
        case send(String)
        /// Sends a head and a body.
        case sendBody(head: String, body: [UInt8])
        /// Sends bytes and closes.
        case sendAndClose(String)
        /// Sends a head, then single bytes for ever.
        case drip(String)
        /// Sends a head, then the same part for ever, as fast as it is taken, and never reads again.
        case endless(head: String, part: [UInt8])
        /// Never answers.
        case hang
        /// Breaks the connection off.
        case reset
    }

    /// A request as it came.
    struct Request: Sendable {
        /// The name in the TLS handshake; nil without TLS or name.
        let serverName: String?
        /// All lines of the head.
        let head: String
        /// What follows the head, as long as it says.
        let body: [UInt8]

        /// The target of the request line.
        var target: String { head.split(separator: " ", maxSplits: 2).dropFirst().first.map(String.init) ?? "" }
        /// The values of a header, whatever the case of its name.
        func values(of header: String) -> [String] {
            head.split(separator: "\r\n").filter { $0.lowercased().hasPrefix("\(header):") }.map {
                $0.dropFirst(header.count + 1).drop { $0 == " " }.description
            }
        }
    }

    private struct Log {
        var requests: [Request] = []
        var accepted = 0
        var open = 0
    }

    private let channel: any Channel
    private let log: LogBox

    private final class LogBox: Sendable {
        let state = Mutex(Log())
    }

    /// The port that the server listens at.
    var port: Int { channel.localAddress?.port ?? 0 }
    /// The requests so far.
    var requests: [Request] { log.state.withLock { $0.requests } }
    /// The connections accepted so far.
    var connectionsAccepted: Int { log.state.withLock { $0.accepted } }
    /// The connections that are open.
    var connectionsOpen: Int { log.state.withLock { $0.open } }

    private init(channel: any Channel, log: LogBox) {
        self.channel = channel
        self.log = log
    }

    /// Whether the machine has an address, so that a server can listen there.
    static func canListen(at host: String) -> Bool {
        let bound = try? ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: host, port: 0).wait()
        return (try? bound?.close().wait()) != nil
    }

    /// Runs a server for as long as the body takes.
    /// - Parameter greeting: what it says to whoever connects, before it is asked anything.
    static func run<Value>(
        host: String = "127.0.0.1", port: Int = 0, tls: Bool = true, tlsVersionMax: TLSVersion? = nil, greeting: String? = nil,
        reply: @escaping @Sendable (Request) -> Reply, _ body: (TestServer) async throws -> Value
    ) async throws -> Value {
        var context: NIOSSLContext?
        if tls {
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: [.certificate(try NIOSSLCertificate(bytes: Array(TestCertificates.server.utf8), format: .pem))],
                privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(TestCertificates.serverKey.utf8), format: .pem))
            )
            configuration.minimumTLSVersion = .tlsv1
            configuration.maximumTLSVersion = tlsVersionMax
            context = try NIOSSLContext(configuration: configuration)
        }
        let log = LogBox()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [context] channel in
                channel.eventLoop.makeCompletedFuture {
                    log.state.withLock { $0.accepted += 1 }
                    let handler = Handler(log: log, greeting: greeting, reply: reply)
                    if let context {
                        let name = NIOLoopBound(handler, eventLoop: channel.eventLoop)
                        let sni = SNIHandler { result in
                            if case .hostname(let hostname) = result { name.value.serverName = hostname }
                            return channel.eventLoop.makeSucceededVoidFuture()
                        }
                        try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(sni))
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: host, port: port).get()
        let server = TestServer(channel: channel, log: log)
        do {
            let value = try await body(server)
            try await channel.close()
            return value
        } catch {
            try? await channel.close()
            throw error
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let log: LogBox
        private let greeting: String?
        private let reply: @Sendable (Request) -> Reply
        private var received: [UInt8] = []
        private var drip: RepeatedTask?
        var serverName: String?

        init(log: LogBox, greeting: String?, reply: @escaping @Sendable (Request) -> Reply) {
            self.log = log
            self.greeting = greeting
            self.reply = reply
        }

        func channelActive(context: ChannelHandlerContext) {
            log.state.withLock { $0.open += 1 }
            if let greeting { context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: greeting)), promise: nil) }
            context.fireChannelActive()
        }

        func channelInactive(context: ChannelHandlerContext) {
            log.state.withLock { $0.open -= 1 }
            drip?.cancel()
            context.fireChannelInactive()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += Array(unwrapInboundIn(data).readableBytesView)
            guard let request = received.firstRequest(serverName: serverName) else { return }
            received = []
            log.state.withLock { $0.requests.append(request) }
            let channel = context.channel
            switch reply(request) {
            case .hang:
                break
            case .reset:
                // Without waiting for what was sent to arrive, which the other side sees as a reset.
                (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
                    channel.close(promise: nil)
                }
            case .send(let text):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            case .sendBody(let head, let body):
                context.write(wrapOutboundOut(ByteBuffer(string: head)), promise: nil)
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: body)), promise: nil)
            case .sendAndClose(let text):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
                context.close(promise: nil)
            case .drip(let head):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head)), promise: nil)
                drip = context.eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(5), delay: .milliseconds(5)) { _ in
                    channel.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
                }
            case .endless(let head, let part):
                context.channel.setOption(.autoRead, value: false).whenComplete { _ in }
                context.write(wrapOutboundOut(ByteBuffer(string: head)), promise: nil)
                writeForEver(ByteBuffer(bytes: part), context: context)
            }
        }

        private func writeForEver(_ part: ByteBuffer, context: ChannelHandlerContext) {
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.writeAndFlush(wrapOutboundOut(part)).whenSuccess {
                let (handler, context) = bound.value
                handler.writeForEver(part, context: context)
            }
        }
    }
}

extension [UInt8] {
    /// The request that these bytes are, once all of it has come.
    fileprivate func firstRequest(serverName: String?) -> TestServer.Request? {
        let mark = Array("\r\n\r\n".utf8)
        guard let end = (0..<Swift.max(0, count - 3)).first(where: { self[$0..<$0 + 4].elementsEqual(mark) }).map({ $0 + 4 }) else {
            return nil
        }
        let head = TestServer.Request(serverName: serverName, head: String(decoding: self[..<end], as: UTF8.self), body: [])
        let length = head.values(of: "content-length").first.flatMap { Int($0) } ?? 0
        guard count >= end + length else { return nil }
        return TestServer.Request(serverName: serverName, head: head.head, body: Array(self[end..<end + length]))
    }
}
