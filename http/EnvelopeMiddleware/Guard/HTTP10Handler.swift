import NIOCore
import NIOHTTP1

/// Makes of an HTTP/1.0 request one of HTTP/1.1 that means the same.
///
/// The codec behind it drops the version, so everything later would take the client for one that keeps its connection, and an old client
/// waits for the connection to close. ``RequestGuard`` puts it in front of the codec.
final class HTTP10Handler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = Self.unwrapInboundIn(data), head.version.minor == 0 else { return context.fireChannelRead(data) }
        // Servers disagree on where such a request ends (RFC 9112, section 6.1). The guard drops what follows.
        if head.headers.contains(name: "Transfer-Encoding") { return context.fireErrorCaught(HTTPParserError.unknown) }
        head.headers.replaceOrAdd(name: "Connection", value: "close")
        head.headers.remove(name: "Expect")
        if !head.headers.contains(name: "Host") { head.headers.add(name: "Host", value: "") }
        context.fireChannelRead(Self.wrapInboundOut(.head(head)))
    }
}
