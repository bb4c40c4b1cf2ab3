import HTTPTypes
public import NIOCore

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
        /// The largest request bodies of single paths that take longer ones than ``bodyBytesMax``, in bytes.
        public var bodyBytesMaxByPath: [String: Int] = [:]
        /// How long a connection may be silent while it waits for a request or for the next part of one.
        public var idleTimeout: Duration = .seconds(60)
        /// How long a new connection may say nothing before its first request. Short, because only a connection that says nothing needs it; the
        /// shorter of this and ``idleTimeout`` counts.
        public var firstRequestTimeout: Duration = .seconds(10)
        /// How long a connection for which there is no place is kept open to be told so.
        public var refusedTimeout: Duration = .seconds(2)
        /// How long nothing may move on a connection that sends or takes a body before its place may go to another, where places are short. A
        /// connection between two requests may have to go at once.
        public var quietDelay = TimeAmount.seconds(5)
        /// How long the header and the body of one request may take to arrive, before what ``bodyBytesPerSecondMin`` adds.
        public var requestReadTimeout: Duration = .seconds(30)
        /// The slowest upload that is waited for: each of so many bytes of a body extends ``requestReadTimeout`` by one second. It lets a
        /// phone at the edge of its network deliver a photograph, while one that drips bytes gains nothing.
        public var bodyBytesPerSecondMin = 4_096
        /// How long a client may take no byte of an answer that waits for it. Looked at six times in that time.
        public var writeStallTimeout: Duration = .seconds(30)
        /// The slowest download that is waited for: each of so many bytes that the client has taken extends ``writeStallTimeout`` by one second.
        public var answerBytesPerSecondMin = 8_192
        /// How much of a body that no handler asked for is read to keep a connection alive, in bytes. When an answer comes before its request
        /// has been read to the end, the connection is closed after the answer unless the rest is known to be at most this.
        public var drainBytesMax = 262_144
        /// How long a connection stays open for the client to read an answer that came before the end of its request. Closing at once
        /// would reset the connection, and with it the answer.
        public var lingerTimeout: Duration = .seconds(1)
        /// How much is still taken from the client, and thrown away, during ``lingerTimeout``, in bytes.
        public var lingerBytesMax = 1_048_576

        /// The default limits.
        public init() {}

        /// The largest body of a request, in bytes.
        func bodyBytesMax(of head: HTTPRequest) -> Int {
            guard !self.bodyBytesMaxByPath.isEmpty, let path = head.path?.utf8.prefix(while: { $0 != UInt8(ascii: "?") }) else {
                return self.bodyBytesMax
            }
            return self.bodyBytesMaxByPath.first { path.elementsEqual($0.key.utf8) }?.value ?? self.bodyBytesMax
        }
    }

    /// A limit that a client can meet, for a service that counts that.
    public enum Limit: Sendable {
        /// The header of a request is over one of its limits.
        case headerSize
        /// The body of a request is over ``Limits/bodyBytesMax``, or is said to be by its header.
        case bodySize
        /// A request did not arrive within ``Limits/requestReadTimeout`` and what its body adds.
        case requestTime
        /// An answer was not taken within ``Limits/writeStallTimeout`` and what its bytes add.
        case answerTime
        /// As many connections were open as may be; one that was quiet was closed, or the new one refused.
        case connections
        /// As many connections of one address were open as may be.
        case addressConnections
    }
}
