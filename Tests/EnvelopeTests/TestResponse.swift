import ErrorEnvelope
import HTTPTypes
import HummingbirdTesting
import NIOCore

extension TestResponse {
    /// The body as text.
    var text: String { String(buffer: self.body) }

    /// The body as an envelope.
    var envelope: ErrorEnvelope {
        get throws { try ErrorEnvelope(decoding: [UInt8](buffer: self.body)) }
    }

    /// The id in the header.
    var requestID: String? { HTTPField.Name("X-Request-Id").flatMap { self.headers[$0] } }
}
