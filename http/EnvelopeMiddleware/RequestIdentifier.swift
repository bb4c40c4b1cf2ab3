import CUUID
public import HTTPTypes
public import Hummingbird

/// A request context that carries the id of its request, so that handlers can put it into answers.
///
/// ``ErrorEnvelopeMiddleware`` fills it in; ``EnvelopeContext`` is one that is ready to use.
public protocol EnvelopeRequestContext: RequestContext {
    /// The id of the request, as sent in `X-Request-Id`. It has to start as the empty string.
    var requestID: String { get set }
}

/// The context of a service that needs nothing beyond the request id.
public struct EnvelopeContext: EnvelopeRequestContext {
    /// What Hummingbird itself keeps about a request.
    public var coreContext: CoreRequestContextStorage
    /// The id of the request, as sent in `X-Request-Id`.
    public var requestID: String

    /// Makes the context of a new request.
    public init(source: ApplicationRequestContextSource) {
        self.coreContext = CoreRequestContextStorage(source: source)
        self.requestID = ""
    }
}

extension HTTPField.Name {
    /// `X-Request-Id`: the id of a request, on every answer.
    public static let xRequestID: HTTPField.Name = {
        guard let name = HTTPField.Name("X-Request-Id") else { preconditionFailure("X-Request-Id is a well-formed header name") }
        return name
    }()
}

/// How ids of requests are made and checked.
public enum RequestIdentifier {
    /// The longest id that is taken over from a trusted proxy, in bytes.
    public static let lengthMax = 128

    /// A random UUID (RFC 9562 version 4) in lower case.
    public static func random() -> String {
        let textLength = 36
        return String(unsafeUninitializedCapacity: textLength + 1) { text in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { uuid in
                uuid_generate_random(uuid.baseAddress)
                text.withMemoryRebound(to: CChar.self) { uuid_unparse_lower(uuid.baseAddress, $0.baseAddress) }
            }
            return textLength
        }
    }

    /// Whether an id that came with a request may go into logs and answers: 1 to ``lengthMax`` visible ASCII characters.
    public static func isAcceptable(_ text: String) -> Bool {
        let utf8 = text.utf8
        return !utf8.isEmpty && utf8.count <= Self.lengthMax && utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
