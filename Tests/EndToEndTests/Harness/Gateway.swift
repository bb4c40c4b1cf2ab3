import NIOCore
import NIOPosix
import Synchronization

/// Stands between a client and a server and passes on what they say, except where a test has something else in mind for a request.
final class Gateway: Sendable {
    /// What becomes of a request.
    enum Ruling: Sendable {
        /// The server gets it, and the client the server's answer.
        case pass
        /// Nothing passes any more on its connection, as if the network had gone away in the middle.
        case stall
        /// The connection ends, as if the server had died.
        case cut
        /// The client gets these bytes and then the connection ends, as if the server had died in the middle of its answer.
        case half(String)
        /// The client gets these bytes as they come, and then the connection ends.
        case parts(AsyncStream<String>)
        /// The client gets this for an answer, and the server never hears of it.
        case answer(Int, [UInt8])

        /// An answer of JSON.
        static func answer(_ status: Int, json: JSONValue) -> Ruling { .answer(status, json.bytes) }
    }

    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private let serverPort: Int
    private let rule: @Sendable (_ call: String, _ earlier: Int) -> Ruling
    private let seen = Mutex<[String]>([])
    /// Where the client finds it.
    let address: String
    /// The port of that address; 0 for a socket with a path.
    let port: Int

    /// The calls that came, in their order: `media` for an image, otherwise the last part of the path, such as `heartbeat`.
    var calls: [String] { seen.withLock { $0 } }

    private init(serverPort: Int, port: Int, rule: @escaping @Sendable (String, Int) -> Ruling) {
        self.serverPort = serverPort
        self.rule = rule
        self.port = port
        address = "http://127.0.0.1:\(port)"
    }

    /// Stands there while `body` runs.
    /// - Parameters:
    ///   - socketPath: where the client finds it; nil for a TCP port of its own.
    ///   - rule: what becomes of a request, by its call and the number of the same that came before.
    static func run<Value: Sendable>(
        to serverPort: Int, at socketPath: String? = nil, rule: @escaping @Sendable (_ call: String, _ earlier: Int) -> Ruling,
        _ body: @escaping @Sendable (Gateway) async throws -> Value
    ) async throws -> Value {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let target = try socketPath.map { try SocketAddress(unixDomainSocketPath: $0) } ?? SocketAddress(ipAddress: "127.0.0.1", port: 0)
        let channel = try await bootstrap.bind(to: target) { channel in
            channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
        }
        let gateway = Gateway(serverPort: serverPort, port: channel.channel.localAddress?.port ?? 0, rule: rule)
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
                        var requests = WholeRequests()
                        for try await buffer in fromClient {
                            for request in requests.append(buffer) {
                                switch self.ruling(on: request.target) {
                                case .pass: try await toServer.write(request.bytes)
                                case .stall: try await Task.sleep(for: .seconds(300))
                                case .cut: return
                                case .half(let text):
                                    // Not through the writer, which returns before everything is sent.
                                    return try await client.channel.writeAndFlush(ByteBuffer(string: text))
                                case .parts(let parts):
                                    for await part in parts { try await client.channel.writeAndFlush(ByteBuffer(string: part)) }
                                    return
                                case .answer(let status, let body):
                                    let head = "HTTP/1.1 \(status) X\r\nContent-Length: \(body.count)\r\n\r\n"
                                    try await toClient.write(ByteBuffer(bytes: Array(head.utf8) + body))
                                }
                            }
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

    private func ruling(on target: String) -> Ruling {
        let call = target.hasPrefix("/media/") ? "media" : target.split(separator: "/").last.map(String.init) ?? ""
        let earlier = seen.withLock { seen in
            defer { seen.append(call) }
            return seen.count { $0 == call }
        }
        return rule(call, earlier)
    }
}

/// Cuts what a client sends, one request after the other, into its requests.
private struct WholeRequests {
    private var rest: [UInt8] = []

    /// Adds bytes and takes out the requests that are whole now: where each goes, and all its bytes.
    mutating func append(_ buffer: ByteBuffer) -> [(target: String, bytes: ByteBuffer)] {
        rest += Array(buffer.readableBytesView)
        var requests: [(target: String, bytes: ByteBuffer)] = []
        while let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) {
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
            let length = head.firstMatch(of: /(?i)\r\ncontent-length: *([0-9]+)/).flatMap { Int($0.output.1) } ?? 0
            let words = head.split(separator: " ")
            guard rest.count >= end.upperBound + length, words.count > 1 else { break }
            requests.append((String(words[1]), ByteBuffer(bytes: rest[..<(end.upperBound + length)])))
            rest.removeFirst(end.upperBound + length)
        }
        return requests
    }
}
