import NIOHTTP1

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
    static let notImage = "is not an image"
    static let compressed = "was sent compressed"
    static let tooManyRedirects = "redirects too often"

    static func status(_ status: HTTPResponseStatus) -> String { "answered with status \(status.code)" }

    /// What stands for an error of the libraries.
    static func of(_ error: any Error) -> String {
        switch ConnectionProblem(error) {
        case .overdue: overdue
        case .refused: refused
        case .noRoute: noRoute
        case .untrusted: untrusted
        case .otherHost: otherHost
        case .handshakeFailed: handshakeFailed
        case .unexplained: unexplained
        }
    }
}
