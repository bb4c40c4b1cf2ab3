public import HummingbirdCore
public import Logging
import NIOCore

extension RequestGuard {
    /// Every limit on a connection and on one request, with defaults for a service behind a reverse proxy.
    public struct Limits: Sendable {
        /// The largest header field, name and value together, and the largest request target, in bytes.
        public var headerFieldBytesMax = 8_192
        /// The largest header of a request, all fields and the request target together, in bytes.
        public var headerListBytesMax = 16_384
        /// The most header fields of a request, trailers included.
        public var headerFieldsMax = 64
        /// The largest request body that any route takes, in bytes. Routes have lower limits of their own; this one ends a request which
        /// no route stops.
        public var bodyBytesMax = 67_108_864
        /// How long a connection may be silent while it waits for a request or for the next part of one.
        public var idleTimeout: Duration = .seconds(15)
        /// How long the header and the body of one request may take to arrive, before what ``bodyBytesPerSecondMin`` adds.
        public var requestReadTimeout: Duration = .seconds(30)
        /// The slowest upload that is waited for: each of so many bytes of a body extends ``requestReadTimeout`` by one second. It lets a
        /// home connection deliver 40 MB, while one that drips bytes gains nothing.
        public var bodyBytesPerSecondMin = 65_536
        /// How long a client may take no byte of an answer that waits for it. Looked at twice in that time, so that the connection is
        /// closed after at most one and a half times as long.
        public var writeStallTimeout: Duration = .seconds(30)
        /// How much of a body that nobody asked for is read to keep a connection alive, in bytes. When an answer comes before its request
        /// has been read to the end, the connection is closed after the answer unless the rest is known to be at most this.
        public var drainBytesMax = 262_144
        /// How long a connection stays open for the client to read an answer that came before the end of its request. Closing at once
        /// would reset the connection, and with it the answer.
        public var lingerTimeout: Duration = .seconds(1)
        /// How much is still taken from the client, and thrown away, during ``lingerTimeout``, in bytes.
        public var lingerBytesMax = 1_048_576

        /// The default limits.
        public init() {}
    }

    /// A limit that a client can meet, for those who count that.
    public enum Limit: Sendable {
        /// The header of a request is over one of its limits.
        case headerSize
        /// The body of a request is over ``Limits/bodyBytesMax``, or is said to be by its header.
        case bodySize
        /// A request did not arrive within ``Limits/requestReadTimeout`` and what its body adds.
        case requestTime
        /// An answer was not taken within ``Limits/writeStallTimeout``.
        case answerTime
    }
}

extension HTTPServerBuilder {
    /// An HTTP/1.1 server whose connections are watched by a ``RequestGuard``, with Hummingbird's own limits set from the same place.
    /// - Parameters:
    ///   - limits: Every limit on a connection and on one request.
    ///   - logger: Where refused requests and closed connections are logged.
    ///   - onLimit: Told of every limit that a client has met, for metrics. It must not block.
    public static func guardedHTTP1(
        limits: RequestGuard.Limits = RequestGuard.Limits(), logger: Logger,
        onLimit: @escaping @Sendable (RequestGuard.Limit) -> Void = { _ in }
    ) -> HTTPServerBuilder {
        .http1(
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [RequestGuard(limits: limits, logger: logger, onLimit: onLimit)],
                idleTimeout: TimeAmount(limits.idleTimeout),
                httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
                    maxHeaderFieldSize: limits.headerFieldBytesMax,
                    maxHeaderListSize: limits.headerListBytesMax,
                    maxHeaderFieldCount: limits.headerFieldsMax
                )
            )
        )
    }
}
