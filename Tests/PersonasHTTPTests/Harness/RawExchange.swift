import Foundation
import HTTPTypes
import NIOCore
import NIOPosix

/// What a client that writes bytes to a socket got to see.
struct RawExchange: Sendable {
    /// Everything that was received.
    private(set) var bytes: [UInt8] = []
    /// Whether the server closed the connection.
    private(set) var wasClosed = false

    /// Where a server listens.
    enum Address: Sendable {
        case port(Int)
        case socket(String)
    }

    /// The server did not close in time.
    struct DeadlineExceeded: Error {}

    /// Writes to a server and reads until it closes.
    static func run(
        _ address: Address, endsOutput: Bool = false,
        write: @escaping @Sendable (NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws -> Void
    ) async throws -> RawExchange {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).channelOption(.allowRemoteHalfClosure, value: true)
        let wrap: @Sendable (any Channel) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        switch address {
        case .port(let port): channel = try await bootstrap.connect(host: "127.0.0.1", port: port, channelInitializer: wrap)
        case .socket(let path): channel = try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: wrap)
        }
        return try await channel.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: RawExchange?.self) { group in
                group.addTask {
                    // A connection that the server has closed is an outcome to look at, not an error.
                    try? await write(outbound)
                    if endsOutput { outbound.finish() }
                    return nil
                }
                group.addTask {
                    var exchange = RawExchange()
                    do {
                        for try await buffer in inbound { exchange.bytes += buffer.readableBytesView }
                    } catch is IOError {
                        // A reset ends a connection just as well.
                    }
                    exchange.wasClosed = true
                    return exchange
                }
                group.addTask {
                    try await Task.sleep(for: .seconds(20))
                    throw DeadlineExceeded()
                }
                defer { group.cancelAll() }
                while let result = try await group.next() {
                    if let result { return result }
                }
                throw DeadlineExceeded()
            }
        }
    }

    static func run(
        port: Int, write: @escaping @Sendable (NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws -> Void
    ) async throws -> RawExchange {
        try await run(.port(port), write: write)
    }

    /// Writes one text and reads until the server closes.
    static func run(port: Int, sending text: String, endsOutput: Bool = false) async throws -> RawExchange {
        try await run(.port(port), endsOutput: endsOutput) { try await $0.write(ByteBuffer(string: text)) }
    }

    /// The answers, in their order; bodies by `Content-Length`.
    var answers: [Answer] {
        var answers: [Answer] = []
        var rest = String(decoding: bytes, as: UTF8.self)[...]
        while let end = rest.range(of: "\r\n\r\n") {
            let lines = rest[..<end.lowerBound].components(separatedBy: "\r\n")
            guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return answers }
            var fields: HTTPFields = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else { continue }
                fields.append(HTTPField(name: name, value: parts[1].trimmingCharacters(in: .whitespaces)))
            }
            let length = fields[.contentLength].flatMap { Int($0) } ?? 0
            let body = Array(rest[end.upperBound...].utf8.prefix(length))
            answers.append(Answer(status: status, headers: fields, bytes: body))
            rest = String(decoding: rest[end.upperBound...].utf8.dropFirst(length), as: UTF8.self)[...]
        }
        return answers
    }
}
