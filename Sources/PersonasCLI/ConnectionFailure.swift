import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix
import NIOSSL

extension CommandFailure {
    /// What a failed connection was about: in the system's words where it has some, and never in those of the libraries, which nobody has asked for.
    static func reason(of error: any Error) -> String {
        switch error {
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case let error as NIOConnectionError:
            return error.connectionErrors.first.map { reason(of: $0.error) } ?? "there is no host \(error.host)"
        case is SocketAddressError, is SocketAddressError.UnknownHost: return "there is no such host"
        case is CancellationError: return tooLong
        case let error as ChannelError: return isTimeout(error) ? tooLong : closed
        case let error as HTTPClientError: return timeouts.contains(error) ? tooLong : error == .remoteConnectionClosed ? closed : broken
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            return "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
                ? "its certificate is signed by nobody who is trusted here" : "no TLS connection could be made; is it a server for https?"
        default: return broken
        }
    }

    private static let tooLong = "it took too long"
    private static let closed = "it closed the connection"
    private static let broken = "it answered something that is not HTTP, or only a part of an answer"
    private static let timeouts: [HTTPClientError] = [
        .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout,
    ]

    private static func isTimeout(_ error: ChannelError) -> Bool {
        if case .connectTimeout = error { true } else { false }
    }
}
