package import Personas
import PersonasWire
import Synchronization

/// What the links in answers begin with: the operator's setting, or else the address that the server came to listen on.
package final class PublicURL: Sendable {
    private let text: Mutex<String>

    /// Takes the operator's setting, without a slash at its end; empty until `listening(at:)` where there is none.
    package init(_ configured: String? = nil) {
        var text = configured ?? ""
        while text.hasSuffix("/") { text.removeLast() }
        self.text = Mutex(text)
    }

    /// Where this machine's own clients reach a server on a host and port. An address that stands for all of them is no place to link to.
    package static func address(host: String, port: Int) -> String {
        let local = standsForAll(host) ? "127.0.0.1" : host
        return "http://\(local.contains(":") ? "[\(local)]" : local):\(port)"
    }

    /// Whether a host to listen on stands for all addresses of the machine.
    package static func standsForAll(_ host: String) -> Bool { ["0.0.0.0", "::", "*"].contains(host) }

    /// Whether an address is one that links may begin with: with a host that browsers know as such, in ASCII, and a port that there can be.
    package static func isAddress(_ text: String) -> Bool { Origin(ofURL: text) != nil }

    /// Notes the address that the server listens on, for when there is no setting.
    package func listening(at address: String) {
        text.withLock { if $0.isEmpty { $0 = address } }
    }

    /// The beginning of every link, without a slash at its end.
    package var base: String { text.withLock { $0 } }

    /// What stands for the origin of all links in a Content-Security-Policy; nil where that has no way to say it.
    var policySource: String? { Origin(ofURL: base)?.policySource }
}

extension PublicURL {
    /// The body that tells receivers of an event.
    package func webhookBody(of event: Event) -> [UInt8] { Representation(base: base).body(of: event) }

    /// Where the image behind a token is.
    package func mediaURL(_ token: RandomToken) -> String { "\(base)\(MediaRoutes.pathPrefix)\(token.text)" }

    /// Where fal reports, without the token.
    package var falWebhookURL: String { "\(base)\(FalWebhookRoutes.path)" }
}
