public import ErrorEnvelope
import Foundation
public import HTTPTypes
public import HummingbirdCore
public import Logging
public import NIOCore

extension HTTPServerBuilder {
    /// An HTTP/1.1 server whose connections are watched by a ``RequestGuard``, with Hummingbird's own limits set from the same place.
    /// - Parameters:
    ///   - limits: Every limit on a connection and on one request.
    ///   - connections: All connections of the server, where their number is bounded. A service that bounds it also hands Hummingbird a
    ///     ``BoundedConnections`` and the listening channel a ``AcceptPause``.
    ///   - immediate: Answers requests that need no waiting on the event loop; everything else is Hummingbird's.
    ///   - refusalFields: What answers that no handler gives say beyond what every envelope says. It is given the header of the request, or nil
    ///     where that did not come as far.
    ///   - logger: Where refused requests and closed connections are logged.
    ///   - onRefusal: Told of the code of every answer that no handler gave, for metrics. It must not block.
    ///   - onLimit: Told of every limit that a client has met, for metrics. It must not block.
    public static func guardedHTTP1(
        limits: RequestGuard.Limits = RequestGuard.Limits(), connections: ConnectionRegistry? = nil,
        immediate: (any ImmediateResponder)? = nil, refusalFields: @escaping @Sendable (HTTPFields?) -> HTTPFields = { _ in [:] },
        logger: Logger, onRefusal: @escaping @Sendable (ErrorCode) -> Void = { _ in },
        onLimit: @escaping @Sendable (RequestGuard.Limit) -> Void = { _ in }
    ) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in
            let channel = HTTP1Channel(
                responder: { request, writer, channel in
                    try await responder(request.askingForItsBody(on: channel), writer, channel)
                },
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [
                        RequestGuard(
                            limits: limits, connections: connections, responder: immediate, refusalFields: refusalFields, logger: logger,
                            onRefusal: onRefusal, onLimit: onLimit)
                    ],
                    httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
                        maxHeaderFieldSize: limits.headerFieldBytesMax,
                        maxHeaderListSize: limits.headerListBytesMax,
                        maxHeaderFieldCount: limits.headerFieldsMax
                    )
                )
            )
            return TaskedChannel(inner: channel)
        }
    }
}

extension Request {
    /// The request with a body that tells the guard when it is wanted, if the client waits for that.
    fileprivate func askingForItsBody(on channel: any Channel) -> Request {
        guard self.headers[.expect] != nil else { return self }
        var request = self
        request.body = RequestBody(asyncSequence: WantedBody(body: self.body, channel: channel))
        return request
    }
}

/// A body whose client waits for `100 Continue` until a handler begins to read it: after the key was looked at, above all.
private struct WantedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let body: RequestBody
    let channel: any Channel

    struct AsyncIterator: AsyncIteratorProtocol {
        var iterator: RequestBody.AsyncIterator
        var channel: (any Channel)?

        mutating func next() async throws -> ByteBuffer? {
            if let channel = self.channel {
                self.channel = nil
                channel.triggerUserOutboundEvent(RequestBodyWanted(), promise: nil)
            }
            return try await self.iterator.next()
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(iterator: self.body.makeAsyncIterator(), channel: self.channel)
    }
}

/// Takes connections as long as a ``ConnectionRegistry`` has places, or room to say that it has none; others wait in the queue of the system.
public struct BoundedConnections: AvailableConnectionsDelegate {
    private let registry: ConnectionRegistry
    private let onChange: @Sendable (Int) -> Void
    private var count = 0

    /// - Parameters:
    ///   - registry: The registry of the same server's guards.
    ///   - onChange: Told how many connections are open. It must not block.
    public init(registry: ConnectionRegistry, onChange: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.registry = registry
        self.onChange = onChange
    }

    /// A connection was taken.
    public mutating func connectionOpened() {
        self.count += 1
        self.onChange(self.count)
    }

    /// A connection is closed.
    public mutating func connectionClosed() {
        self.count -= 1
        self.onChange(self.count)
    }

    /// Asked before a few connections are taken; after a no, not again before one has closed, so that one is made to.
    public func isAcceptingNewConnections() -> Bool {
        if self.count < self.registry.limits.connectionsMax + self.registry.limits.refusedMax { return true }
        self.registry.spareOne()
        return false
    }
}

/// Stops taking connections for a moment when the process may have no further descriptor, or the system has no memory for one.
///
/// It belongs at the front of the listening channel, see ``add(to:onShortage:)``. NIO's own handler for this only delays reads that are
/// asked for, while the socket stays registered, is ready again at once, and keeps its event loop spinning.
public final class AcceptPause: ChannelDuplexHandler {
    /// Connections, which are passed on.
    public typealias InboundIn = any Channel
    /// Nothing is written to a listening channel.
    public typealias OutboundIn = Never

    private static let pause = TimeAmount.milliseconds(100)

    private let onShortage: @Sendable (IOError) -> Void
    private var isPausing = false

    init(onShortage: @escaping @Sendable (IOError) -> Void) {
        self.onShortage = onShortage
    }

    /// Has a listening channel pause for shortages.
    /// - Parameter onShortage: Told of every pause, ten times a second at most.
    public static func add(to channel: any Channel, onShortage: @escaping @Sendable (IOError) -> Void) async throws {
        try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.addHandler(AcceptPause(onShortage: onShortage), position: .first)
        }.get()
    }

    /// Takes no connection during a pause, after which it goes on by itself.
    public func read(context: ChannelHandlerContext) {
        if !self.isPausing { context.read() }
    }

    /// Pauses for an error that ends by itself when others close something.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else { return context.fireErrorCaught(error) }
        switch error.errnoCode {
        case ECONNABORTED:
            // A client went away before its connection was taken: no reason to take no more.
            return
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            guard !self.isPausing else { return }
            self.isPausing = true
            self.onShortage(error)
            let channel = context.channel
            // What keeps the socket registered is that reads are wanted, not that any is done.
            try? channel.syncOptions?.setOption(.autoRead, value: false)
            channel.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
                self.isPausing = false
                try? channel.syncOptions?.setOption(.autoRead, value: true)
            }
        default:
            context.fireErrorCaught(error)
        }
    }
}
