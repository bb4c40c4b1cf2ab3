import NIOCore
import NIOPosix
import Synchronization

/// Stands between a client and a server and passes on what they say, until the client says a certain text: from then on nothing passes, as
/// if the network had gone away in the middle.
final class StallingGateway: Sendable {
    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private let serverPort: Int
    private let text: String
    private let stalled = Mutex(false)
    /// Where the client finds it.
    let address: String

    /// Whether the text has been said.
    var hasStalled: Bool { stalled.withLock { $0 } }

    private init(serverPort: Int, text: String, port: Int) {
        self.serverPort = serverPort
        self.text = text
        address = "http://127.0.0.1:\(port)"
    }

    /// Passes on while `body` runs.
    static func run<Value: Sendable>(
        to serverPort: Int, stallingAt text: String, _ body: @escaping @Sendable (StallingGateway) async throws -> Value
    ) async throws -> Value {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
            }
        let gateway = StallingGateway(serverPort: serverPort, text: text, port: channel.channel.localAddress?.port ?? 0)
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                try? await gateway.serve(channel)
                return nil
            }
            group.addTask { try await body(gateway) }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    private func serve(_ channel: NIOAsyncChannel<Connection, Never>) async throws {
        try await channel.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    group.addTask { try? await self.pass(connection) }
                }
            }
        }
    }

    private func pass(_ client: Connection) async throws {
        let server = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: serverPort) { channel in
                channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
            }
        try await client.executeThenClose { fromClient, toClient in
            try await server.executeThenClose { fromServer, toServer in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        for try await buffer in fromClient {
                            if String(buffer: buffer).contains(self.text) {
                                self.stalled.withLock { $0 = true }
                                try await Task.sleep(for: .seconds(300))
                            }
                            try await toServer.write(buffer)
                        }
                    }
                    group.addTask {
                        for try await buffer in fromServer { try await toClient.write(buffer) }
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            }
        }
    }
}
