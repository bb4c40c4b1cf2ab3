import NIOCore
import NIOPosix
import Personas
import Synchronization

/// A plain HTTP server on this machine, which stands for the hosts that images are fetched from.
final class LocalImageServer: Sendable {
    /// What it does with a request.
    enum Reply: Sendable {
        /// An answer with a body and its type.
        case content([UInt8], type: String = "image/png", status: Int = 200)
        /// An image whose length is not announced: it ends with the connection.
        case unannounced([UInt8])
        /// Somewhere else.
        case redirect(String)
        /// An image that comes a byte a second.
        case dripping([UInt8])
        /// An image, once a signal was given.
        case held(until: WakeSignal, [UInt8])
        /// Nothing at all, while the connection stays open.
        case silence
    }

    private struct Record {
        var connections = 0
        var paths: [String] = []
    }

    private let record = Mutex(Record())
    private let replies: @Sendable (String) -> Reply
    private let port: Int

    /// Connections that were made to it.
    var connections: Int { record.withLock { $0.connections } }
    /// Paths that were asked for, with their queries.
    var paths: [String] { record.withLock { $0.paths } }

    /// Its address under a name for this machine.
    func url(_ path: String, scheme: String = "http", host: String = "127.0.0.1") -> String { "\(scheme)://\(host):\(port)\(path)" }

    private init(port: Int, replies: @escaping @Sendable (String) -> Reply) {
        self.port = port
        self.replies = replies
    }

    /// Serves while `body` runs.
    /// - Parameter replies: what to do with a path.
    static func run<Value: Sendable>(
        _ replies: @escaping @Sendable (String) -> Reply, _ body: @escaping @Sendable (LocalImageServer) async throws -> Value
    ) async throws -> Value {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        let server = LocalImageServer(port: channel.channel.localAddress?.port ?? 0, replies: replies)
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                try? await server.serve(channel)
                return nil
            }
            group.addTask { try await body(server) }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    private func serve(_ channel: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>) async throws {
        try await channel.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    record.withLock { $0.connections += 1 }
                    // A client that goes away early is no fault of this server.
                    group.addTask { try? await self.answer(connection) }
                }
            }
        }
    }

    private func answer(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async throws {
        try await connection.executeThenClose { inbound, _ in
            var head = ""
            for try await buffer in inbound {
                head += String(buffer: buffer)
                if head.contains("\r\n\r\n") { break }
            }
            let words = head.prefix { $0 != "\r\n" }.split(separator: " ")
            guard words.count > 1 else { return }
            let path = String(words[1])
            record.withLock { $0.paths.append(path) }
            // Not through the writer, which returns before everything is sent, and the end of this closes the connection.
            func write(_ buffer: ByteBuffer) async throws { try await connection.channel.writeAndFlush(buffer) }
            switch replies(path) {
            case .content(let bytes, let type, let status):
                try await write(Self.head(status, "Content-Type: \(type)", length: bytes.count))
                try await write(ByteBuffer(bytes: bytes))
            case .unannounced(let bytes):
                try await write(ByteBuffer(string: "HTTP/1.1 200 X\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n"))
                try await write(ByteBuffer(bytes: bytes))
            case .redirect(let location):
                try await write(Self.head(302, "Location: \(location)", length: 0))
            case .dripping(let bytes):
                try await write(Self.head(200, "Content-Type: image/png", length: bytes.count))
                for byte in bytes {
                    try await write(ByteBuffer(bytes: [byte]))
                    try await Task.sleep(for: .seconds(1))
                }
            case .held(let signal, let bytes):
                await signal.wait(after: 0, atMost: .seconds(300))
                try await write(Self.head(200, "Content-Type: image/png", length: bytes.count))
                try await write(ByteBuffer(bytes: bytes))
            case .silence:
                try await Task.sleep(for: .seconds(300))
            }
        }
    }

    private static func head(_ status: Int, _ field: String, length: Int) -> ByteBuffer {
        ByteBuffer(string: "HTTP/1.1 \(status) X\r\n\(field)\r\nContent-Length: \(length)\r\nConnection: close\r\n\r\n")
    }
}
