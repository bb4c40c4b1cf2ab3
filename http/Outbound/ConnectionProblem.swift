import AsyncHTTPClient
import NIOCore
import NIOPosix
import NIOSSL

/// Why an exchange with a host came to nothing, as far as the libraries' errors tell.
enum ConnectionProblem: Sendable, Equatable {
    /// Whatever was waited for did not come in time.
    case overdue
    /// The host did not take the connection.
    case refused
    /// There is no way to the host.
    case noRoute
    /// The certificate of the host is not trusted, or not valid at this time.
    case untrusted
    /// The certificate of the host is for another name.
    case otherHost
    /// No secure connection could be made for another reason.
    case handshakeFailed
    /// All else, such as an answer that is cut off or is none.
    case unexplained

    /// What the library writes of a certificate that it does not take, among other lines of a stack; it has no case for it.
    private static let untrustedSign = "CERTIFICATE_VERIFY_FAILED".utf8

    /// What an error of the libraries stands for.
    init(_ error: any Error) {
        switch error {
        case let error as HTTPClientError where [.connectTimeout, .tlsHandshakeTimeout].contains(error): self = .overdue
        case ChannelError.connectTimeout: self = .overdue
        case let error as NIOConnectionError: self = error.connectionErrors.last.map { Self($0.error) } ?? .unexplained
        case let error as IOError: self.init(error)
        case let error as NIOSSLExtraError where error == .failedToValidateHostname: self = .otherHost
        case NIOSSLError.handshakeFailed(let cause): self = "\(cause)".utf8.contains(Self.untrustedSign) ? .untrusted : .handshakeFailed
        case is NIOSSLError: self = .handshakeFailed
        default: self = .unexplained
        }
    }

    private init(_ error: IOError) {
        switch error.errnoCode {
        case ECONNREFUSED: self = .refused
        case ENETUNREACH, EHOSTUNREACH: self = .noRoute
        case ETIMEDOUT: self = .overdue
        default: self = .unexplained
        }
    }
}
