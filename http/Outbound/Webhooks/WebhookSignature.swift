import Crypto
import Foundation
package import Personas

/// How receivers know that a message is from this service (Standard Webhooks 1.0.0, `v1`).
package enum WebhookSignature {
    /// The value of `webhook-signature`: one signature for each secret, in their order. A receiver takes the message if any of them is right.
    /// - Parameters:
    ///   - id: the value of `webhook-id`.
    ///   - timestamp: the value of `webhook-timestamp`, in seconds since 1970.
    ///   - body: the bytes that are sent.
    package static func header(id: String, timestamp: Int64, body: [UInt8], secrets: [WebhookSecret]) -> String {
        let message = Array("\(id).\(timestamp).".utf8) + body
        return secrets.map { secret in
            let code = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: secret.bytes))
            return "v1,\(Data(code).base64EncodedString())"
        }.joined(separator: " ")
    }
}
