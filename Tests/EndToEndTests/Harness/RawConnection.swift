import NIOCore
import NIOPosix
import Synchronization

/// What a client that speaks TCP only got to see.
struct RawExchange: Sendable {
    /// Everything that was received.
    var text = ""
    /// Whether the server closed the connection, rather than the client having seen enough.
    var wasClosed = false

    /// The statuses of the answers, in their order.
    var statuses: [Int] { text.matches(of: /HTTP\/1\.1 ([0-9]{3})\ /).compactMap { Int($0.output.1) } }

    /// The body of the last answer.
    var body: String { text.ranges(of: "\r\n\r\n").last.map { String(text[$0.upperBound...]) } ?? "" }
}

/// The client's end of a connection, for sending a request in whatever pieces.
struct RawWriter: Sendable {
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    fileprivate let received: RawText

    /// Sends a text.
    func write(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    /// Sends bytes.
    func write(_ bytes: ByteBuffer) async throws { try await outbound.write(bytes) }

    /// Waits until the server has sent a text.
    func awaitAnswer(_ text: String) async throws {
        try await eventually("an answer with \(text)", detail: { received.text }) { received.text.contains(text) }
    }
}

/// What was received so far.
private final class RawText: Sendable {
    private let content = Mutex("")
    var text: String { content.withLock { $0 } }
    func append(_ text: String) -> String {
        content.withLock {
            $0 += text
            return $0
        }
    }
}

/// Sends bytes to a server on this machine and reads what comes back.
/// - Parameters:
///   - isComplete: when the client has seen enough; by default not before the server closes.
///   - write: sends the request. It is cancelled when the connection ends.
func rawExchange(
    port: Int, within limit: Duration = timeout, until isComplete: @escaping @Sendable (String) -> Bool = { _ in false },
    write: @escaping @Sendable (RawWriter) async throws -> Void
) async throws -> RawExchange {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connect(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
    return try await bounded("the raw exchange", within: limit) {
        try await channel.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: RawExchange?.self) { group in
                let received = RawText()
                group.addTask {
                    do {
                        try await write(RawWriter(outbound: outbound, received: received))
                    } catch let problem as Overdue {
                        throw problem
                    } catch {
                        // A connection that the server has closed is an outcome to look at, not an error.
                    }
                    return nil
                }
                group.addTask {
                    var exchange = RawExchange()
                    do {
                        for try await buffer in inbound {
                            exchange.text = received.append(String(buffer: buffer))
                            if isComplete(exchange.text) { return exchange }
                        }
                    } catch is IOError {
                        // A reset ends a connection just as well.
                    }
                    exchange.wasClosed = true
                    return exchange
                }
                defer { group.cancelAll() }
                while let result = try await group.next() {
                    if let result { return result }
                }
                return RawExchange()
            }
        }
    }
}

/// Whether anybody takes connections on a port of this machine.
func isListening(port: Int) async -> Bool {
    let channel = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port).get()
    try? await channel?.close()
    return channel != nil
}
