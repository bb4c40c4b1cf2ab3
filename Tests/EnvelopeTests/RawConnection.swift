import Foundation
import NIOCore
import NIOPosix
import Testing

/// What a client that speaks TCP only got to see.
struct RawExchange: Sendable {
    /// Everything that was received.
    var text = ""
    /// Whether the server closed the connection, rather than the client having seen enough.
    var wasClosed = false
    /// How long it took until then.
    var duration = Duration.zero

    /// The status lines of the answers, in order, without the version.
    var statusLines: [String] {
        self.text.components(separatedBy: "HTTP/1.1 ").dropFirst().map { String($0.prefix { !$0.isNewline }) }
    }

    /// The body of the last answer.
    var body: String {
        self.text.ranges(of: "\r\n\r\n").last.map { String(self.text[$0.upperBound...]) } ?? ""
    }
}

/// The sending side of a connection.
struct RawSender: Sendable {
    fileprivate let channel: any Channel

    /// Returns when the operating system has taken the bytes.
    func send(_ text: String) async throws {
        try await self.send(ByteBuffer(string: text))
    }

    /// Returns when the operating system has taken the bytes.
    func send(_ bytes: ByteBuffer) async throws {
        try await self.channel.writeAndFlush(bytes)
    }

    /// Closes the sending side only.
    func finish() async throws {
        try await self.channel.close(mode: .output)
    }
}

/// The other end did not do what was awaited in time.
struct DeadlineExceeded: Error {
    var received: String
}

/// Sends bytes to a server on this machine and reads what comes back.
/// - Parameters:
///   - port: Where the server listens.
///   - readsAnswer: Whether anything is read at all before `write` has returned.
///   - pause: How long the client rests after each piece that it reads.
///   - isComplete: When the client has seen enough; by default not before the server closes.
///   - write: Sends the request, in whatever pieces. It is cancelled when the connection ends.
func rawExchange(
    port: Int,
    readsAnswer: Bool = true,
    pause: Duration = .zero,
    until isComplete: @escaping @Sendable (String) -> Bool = { _ in false },
    write: @escaping @Sendable (RawSender) async throws -> Void
) async throws -> RawExchange {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelOption(.autoRead, value: readsAnswer)
        .channelOption(.allowRemoteHalfClosure, value: true)
        .connect(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                    wrappingChannelSynchronously: channel,
                    configuration: NIOAsyncChannel.Configuration(isOutboundHalfClosureEnabled: true)
                )
            }
        }
    let clock = ContinuousClock()
    let start = clock.now
    return try await channel.executeThenClose { inbound, _ in
        try await withThrowingTaskGroup(of: RawExchange?.self) { group in
            group.addTask {
                // A connection that the server has closed is an outcome to look at, not an error.
                try? await write(RawSender(channel: channel.channel))
                if !readsAnswer { try? await channel.channel.closeFuture.get() }
                return readsAnswer ? nil : RawExchange(wasClosed: true, duration: clock.now - start)
            }
            group.addTask {
                guard readsAnswer else { return nil }
                var exchange = RawExchange()
                do {
                    for try await buffer in inbound {
                        exchange.text += String(buffer: buffer)
                        if isComplete(exchange.text) {
                            exchange.duration = clock.now - start
                            return exchange
                        }
                        if pause > .zero { try await Task.sleep(for: pause) }
                    }
                } catch is IOError {
                    // A reset ends a connection just as well.
                }
                exchange.wasClosed = true
                exchange.duration = clock.now - start
                return exchange
            }
            group.addTask {
                try await Task.sleep(for: .seconds(20))
                channel.channel.close(promise: nil)
                throw DeadlineExceeded(received: "nothing decisive within 20 s")
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw DeadlineExceeded(received: "")
        }
    }
}

/// Sends one text and reads until the server closes, or until the client has seen enough.
func rawExchange(
    port: Int,
    sending text: String,
    until isComplete: @escaping @Sendable (String) -> Bool = { _ in false }
) async throws -> RawExchange {
    try await rawExchange(port: port, until: isComplete) { try await $0.send(text) }
}
