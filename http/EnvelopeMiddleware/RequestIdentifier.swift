public import ErrorEnvelope
import Foundation
public import HTTPTypes
public import Hummingbird
import Synchronization

/// A request context that carries the id of its request, so that handlers can put it into answers.
///
/// ``ErrorEnvelopeMiddleware`` fills it in; ``EnvelopeContext`` is one that is ready to use.
public protocol EnvelopeRequestContext: RequestContext {
    /// The id of the request, as sent in `X-Request-Id`. It has to start as the empty string.
    var requestID: String { get set }

    /// Told of the trace that the request belongs to, if it names one, before the next layer sees the request.
    func noteTrace(_ trace: TraceParent)

    /// Told the code of the error that the request is about to be answered with.
    func noteError(_ code: ErrorCode)

    /// Told the whole error that the request is about to be answered with. By default its code is all that is handed on.
    func noteError(_ error: EnvelopeError)
}

// Optional requirements. A context that keeps what it is told for the layers outside, such as a log of requests, keeps it in an object that its
// copies share, because every layer has a copy of its own.
extension EnvelopeRequestContext {
    /// Keeps nothing.
    public func noteTrace(_ trace: TraceParent) {}

    /// Keeps nothing.
    public func noteError(_ code: ErrorCode) {}

    /// Tells of the code.
    public func noteError(_ error: EnvelopeError) { self.noteError(error.code) }
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

    /// The id of a request: the one that came with it, where that is acceptable, or else a random one.
    /// - Parameter incoming: What a trusted proxy has set; nil where there is none to be trusted.
    package static func make(from incoming: String?) -> String {
        if let incoming, Self.isAcceptable(incoming) { return incoming }
        return Self.random()
    }

    /// A random UUID (RFC 9562, version 4) in lower case.
    public static func random() -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: EntropyPool.portion) { uuid in
            Self.pool.withLock { $0.take(into: uuid) }
            uuid[6] = uuid[6] & 0x0F | 0x40
            uuid[8] = uuid[8] & 0x3F | 0x80
            return String(unsafeUninitializedCapacity: 36) { text in
                var position = 0
                for index in uuid.indices {
                    if index == 4 || index == 6 || index == 8 || index == 10 {
                        text[position] = UInt8(ascii: "-")
                        position += 1
                    }
                    text[position] = Self.hexadecimalDigit(uuid[index] >> 4)
                    text[position + 1] = Self.hexadecimalDigit(uuid[index] & 0x0F)
                    position += 2
                }
                return position
            }
        }
    }

    private static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private static let pool = Mutex(EntropyPool())

    /// Whether an id that came with a request may go into logs and answers: 1 to ``lengthMax`` visible ASCII characters.
    public static func isAcceptable(_ text: String) -> Bool {
        let utf8 = text.utf8
        return !utf8.isEmpty && utf8.count <= Self.lengthMax && utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}

/// Random bytes of the operating system, fetched for sixteen ids at once. A `UUID` of Foundation, and `uuid_generate_random`, which
/// Foundation on Linux replaces by its own, open a device for every single one: a twentieth of the time of a whole request.
private struct EntropyPool {
    /// The bytes of one id.
    static let portion = 16
    private var bytes = [UInt8](repeating: 0, count: 256)
    private var used = 256

    mutating func take(into portion: UnsafeMutableBufferPointer<UInt8>) {
        if self.used == self.bytes.count {
            self.refill()
            self.used = 0
        }
        _ = portion.update(fromContentsOf: self.bytes[self.used..<self.used + Self.portion])
        self.used += Self.portion
    }

    private mutating func refill() {
        // 256 is the most that getentropy gives at once. It fails on kernels before 3.17 only.
        if self.bytes.withUnsafeMutableBytes({ getentropy($0.baseAddress, $0.count) }) != 0 {
            var generator = SystemRandomNumberGenerator()
            for index in self.bytes.indices { self.bytes[index] = UInt8.random(in: .min ... .max, using: &generator) }
        }
    }
}
