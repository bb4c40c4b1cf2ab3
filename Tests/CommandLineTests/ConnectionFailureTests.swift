import AsyncHTTPClient
import Foundation
import NIOCore
import NIOSSL
import Personas
import Testing

@testable import PersonasCLI

@Suite("Words for connections that failed")
struct ConnectionFailureTests {
    @Test("tell what to look for, and nothing of the libraries")
    func reasons() {
        struct Strange: Error {}
        for (error, words) in [
            (IOError(errnoCode: ECONNREFUSED, reason: "connect"), "Connection refused"), (CancellationError(), "it took too long"),
            (ChannelError.connectTimeout(.seconds(1)), "it took too long"), (ChannelError.eof, "it closed the connection"),
            (HTTPClientError.deadlineExceeded, "it took too long"), (HTTPClientError.remoteConnectionClosed, "it closed the connection"),
            (HTTPClientError.invalidProxyResponse, "is not HTTP"), (SocketAddressError.unsupported, "there is no such host"),
            (NIOSSLError.handshakeFailed(.unknownError([])), "no TLS connection could be made"), (Strange(), "is not HTTP"),
        ] as [(any Error, String)] {
            let reason = CommandFailure.reason(of: error)
            #expect(reason.contains(words), "\(error)")
            #expect(!reason.contains("Error") && !reason.contains("NIO"))
        }
    }
}
