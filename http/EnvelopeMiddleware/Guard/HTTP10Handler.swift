import NIOCore
import NIOHTTP1

/// Makes of an HTTP/1.0 request one of HTTP/1.1 that means the same, and sees to it that the answer is one that its client can read.
///
/// The codec behind it drops the version, so everything later would take the client for one that keeps its connection, and an old client
/// waits for the connection to close. ``RequestGuard`` puts it in front of the codec.
final class HTTP10Handler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// Whether the request that was read last, behind which none is answered, is one of HTTP/1.0.
    private var isOld = false
    /// Whether the answer that follows is that to the request which was read last.
    var answersLast = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = Self.unwrapInboundIn(data), head.version.minor == 0 else { return context.fireChannelRead(data) }
        // Servers disagree on where such a request ends (RFC 9112, section 6.1). The guard drops what follows.
        if head.headers.contains(name: "Transfer-Encoding") { return context.fireErrorCaught(HTTPParserError.unknown) }
        self.isOld = true
        head.headers.replaceOrAdd(name: "Connection", value: "close")
        head.headers.remove(name: "Expect")
        if !head.headers.contains(name: "Host") { head.headers.add(name: "Host", value: "") }
        context.fireChannelRead(Self.wrapInboundOut(.head(head)))
    }

    /// Has an answer whose length nobody knows end with the connection: such a client does not know of chunks (RFC 9112, section 6.1).
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.isOld, self.answersLast, case .head(var head) = Self.unwrapOutboundIn(data),
            !head.headers.contains(name: "Content-Length")
        else { return context.write(data, promise: promise) }
        head.version = .http1_0
        context.write(Self.wrapOutboundOut(.head(head)), promise: promise)
    }
}
