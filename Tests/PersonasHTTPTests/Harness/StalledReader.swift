import NIOCore
import NIOPosix

/// A client that asks for something, sees the answer begin, and then reads nothing more.
final class StalledReader: Sendable {
    private let channel: any Channel

    /// Returns when the answer has begun.
    init(port: Int, path: String) async throws {
        let began = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.socketOption(.so_rcvbuf), value: 4_096)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in channel.pipeline.addHandler(FirstRead(began: began)) }
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n"))
        try await began.futureResult.get()
    }

    /// Closes the connection, what was not read notwithstanding.
    func close() async throws { try await channel.close() }

    private final class FirstRead: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let began: EventLoopPromise<Void>

        init(began: EventLoopPromise<Void>) {
            self.began = began
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            try? context.channel.syncOptions?.setOption(.autoRead, value: false)
            began.succeed()
        }

        func channelInactive(context: ChannelHandlerContext) {
            began.fail(ChannelError.eof)
        }
    }
}
