import Foundation

/// What an endpoint and the service sign and check deliveries with (Standard Webhooks, `v1`).
package struct WebhookSecret: Sendable, Equatable {
    /// Bytes of a secret that the service makes.
    package static let bytesCount = 32
    /// Bytes of a secret that somebody else makes, as Standard Webhooks has them.
    package static let bytesGiven = 24...64
    private static let prefix = "whsec_"

    /// The key itself.
    package let bytes: [UInt8]

    /// Takes a key as it is stored.
    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Reads what `text` wrote; nil for any other text.
    package init?(_ text: String) {
        guard text.utf8.starts(with: Self.prefix.utf8),
            let data = Data(base64Encoded: String(decoding: text.utf8.dropFirst(Self.prefix.utf8.count), as: UTF8.self))
        else { return nil }
        bytes = Array(data)
    }

    /// A secret that nobody knows yet.
    package static func random() -> WebhookSecret {
        var generator = SystemRandomNumberGenerator()
        return WebhookSecret(bytes: (0..<bytesCount).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    /// As its owner is shown it once, and as libraries take it.
    package var text: String { Self.prefix + Data(bytes).base64EncodedString() }
}

extension WebhookSecret: CustomStringConvertible {
    /// Nothing of the secret, so that none gets into a log.
    package var description: String { "\(Self.prefix)…" }
}
