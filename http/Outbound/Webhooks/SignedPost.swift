import AsyncHTTPClient
import NIOHTTP1
import Personas

/// A POST that its receiver can check and tell from others (Standard Webhooks 1.0.0).
enum SignedPost {
    /// - Parameters:
    ///   - id: the value of `webhook-id`, the same each time the same is told.
    ///   - url: not looked at where the request goes to a URL that is named beside it.
    ///   - at: when it is sent.
    static func request(
        id: Identifier, url: String, body: [UInt8], secrets: [WebhookSecret], at: Timestamp
    ) -> HTTPClientRequest {
        let (id, seconds) = (id.text, at.milliseconds / 1_000)
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers = [
            "content-type": "application/json",
            "user-agent": "personas",
            "webhook-id": id,
            "webhook-timestamp": "\(seconds)",
            "webhook-signature": WebhookSignature.header(id: id, timestamp: seconds, body: body, secrets: secrets),
        ]
        request.body = .bytes(body)
        return request
    }
}

extension DeliveryError {
    /// The word for what an exchange with a host came to nothing by.
    init(_ error: any Error) {
        switch error {
        case HostProblem.forbiddenAddress, HostProblem.forbiddenName: self = .forbiddenAddress
        case is HostProblem: self = .dns
        default:
            switch ConnectionProblem(error) {
            case .overdue: self = .timeout
            case .refused, .noRoute: self = .refused
            case .untrusted, .otherHost, .handshakeFailed: self = .tls
            case .unexplained: self = .reset
            }
        }
    }
}
