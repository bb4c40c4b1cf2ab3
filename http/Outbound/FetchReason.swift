import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// What clients are told; complete sentences begin with the name of the image.
///
/// What went wrong with a connection is told apart only for addresses that are allowed, because no other is ever connected to. So none of these
/// texts says anything about the operator's network, unless the operator lets downloads in there.
enum FetchReason {
    /// One text for all that is wrong with an address before anything is looked up: that it is not public, its port, its name, and what a redirect
    /// leads to.
    static let forbiddenAddress = "cannot be fetched from that address"
    /// One text for names that do not exist and those that lead inside, or it could be asked which names the operator's network knows.
    static let forbiddenName = "cannot be fetched from that address: the host is unknown, or is not a public one"
    static let malformedURL = "is not a URL that can be fetched"
    /// No name server has answered, which says nothing about the name.
    static let lookupFailed = "could not be fetched: the name of the host could not be looked up"
    static let refused = "could not be fetched: the host refused the connection"
    static let noRoute = "could not be fetched: the host cannot be reached"
    static let untrusted = "could not be fetched: the certificate of the host is not trusted, or not valid at this time"
    static let otherHost = "could not be fetched: the certificate of the host is for another name"
    static let handshakeFailed = "could not be fetched: no secure connection (TLS) could be made with the host"
    /// Whatever was waited for when the time was over.
    static let overdue = "could not be fetched in time"
    /// What has no text of its own, such as an answer that is cut off.
    static let unexplained = "could not be fetched"
    /// What the library writes of a certificate that it does not take, among other lines of a stack; it has no case for it.
    private static let untrustedSign = "CERTIFICATE_VERIFY_FAILED".utf8
    static let notImage = "is not an image"
    static let compressed = "was sent compressed"
    static let tooManyRedirects = "redirects too often"

    static func status(_ status: HTTPResponseStatus) -> String { "answered with status \(status.code)" }

    /// What stands for an error of the libraries.
    static func of(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError where [.connectTimeout, .tlsHandshakeTimeout].contains(error): overdue
        case ChannelError.connectTimeout: overdue
        case let error as NIOConnectionError: error.connectionErrors.last.map { of($0.error) } ?? unexplained
        case let error as IOError: text(of: error)
        case let error as NIOSSLExtraError where error == .failedToValidateHostname: otherHost
        case NIOSSLError.handshakeFailed(let cause):
            "\(cause)".utf8.contains(untrustedSign) ? untrusted : handshakeFailed
        case is NIOSSLError: handshakeFailed
        default: unexplained
        }
    }

    private static func text(of error: IOError) -> String {
        switch error.errnoCode {
        case ECONNREFUSED: refused
        case ENETUNREACH, EHOSTUNREACH: noRoute
        case ETIMEDOUT: overdue
        default: unexplained
        }
    }
}
