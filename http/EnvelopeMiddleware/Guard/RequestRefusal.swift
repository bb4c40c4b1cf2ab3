import ErrorEnvelope
import HTTPTypes
import NIOHTTP1
import NIOHTTPTypes

/// Why a ``RequestGuard`` refuses a request that no handler has to see.
enum RequestRefusal {
    /// The bytes are no HTTP/1.1 request.
    case malformed
    /// The request ended, with the connection, before it was complete.
    case incomplete
    /// The header is over one of its limits.
    case headerTooLarge
    /// There is no header `Host`, more than one, or one that names no host (RFC 9112, section 3.2).
    case host
    /// The target holds bytes that no URI may (RFC 3986, section 2), in its path, where they would be compared with those of routes.
    case target
    /// The body is encoded in a way that is not decoded here (RFC 9112, section 6.1), so that its bytes would be taken for others.
    case transferCoding
    /// The header says of a length what no number can.
    case contentLength
    /// The options of the connection are no tokens (RFC 9110, section 7.6.1).
    case connectionOptions
    /// The body is over the limit of the whole service.
    case bodyTooLarge
    /// As many connections are open as may be.
    case connections
    /// As many connections of the client's address are open as may be.
    case addressConnections

    /// The refusal that an error of NIO's parser stands for.
    init(_ error: HTTPParserError) {
        switch error {
        case .headerOverflow: self = .headerTooLarge
        case .invalidEOFState: self = .incomplete
        default: self = .malformed
        }
    }

    /// What the client is told.
    var envelopeError: EnvelopeError {
        switch self {
        case .malformed: .invalidRequest("it is not well-formed HTTP/1.1")
        case .incomplete: .invalidRequest("it ended before it was complete")
        case .headerTooLarge: .invalidRequest("its header is too large")
        case .host: .invalidRequest("exactly one well-formed Host header is required")
        case .target: .invalidRequest("its path may hold only ASCII characters, others percent-encoded")
        case .transferCoding: .invalidRequest("chunked is the only transfer coding that is taken")
        case .contentLength: .invalidRequest("its Content-Length is no length")
        case .connectionOptions: .invalidRequest("its Connection header holds what is no option")
        case .bodyTooLarge: EnvelopeError(.payloadTooLarge)
        case .connections:
            EnvelopeError(.serviceUnavailable, message: "Too many connections are open; try again later").retryAfter(seconds: 1)
        case .addressConnections:
            EnvelopeError(.tooManyRequests, message: "Too many connections of this address are open; try again when one has ended")
                .retryAfter(seconds: 1)
        }
    }

    /// The limit that the client has met, if it was one.
    var limit: RequestGuard.Limit? {
        switch self {
        case .headerTooLarge: .headerSize
        case .connections: .connections
        case .addressConnections: .addressConnections
        case .malformed, .incomplete, .host, .target, .transferCoding, .contentLength, .connectionOptions, .bodyTooLarge: nil
        }
    }
}

extension EnvelopeError {
    fileprivate static func invalidRequest(_ reason: String) -> EnvelopeError {
        .invalid([ErrorDetail(field: "request", message: reason)])
    }
}

/// What a ``RequestGuard`` has to know of the header of a request, gathered in one pass over its fields.
struct RequestHeadFacts {
    /// The length of the body in bytes; 0 without a body and `nil` when it is not known in advance.
    var bodyBytes: Int? = 0
    /// Whether the client waits for `100 Continue` before it sends the body.
    var expectsContinue = false
    /// Whether no further request can follow on this connection: the client said so, or it asks for another protocol, after which NIO's
    /// parser, which offers none, would only buffer what follows.
    var isLast = false
    /// Why the request is refused; `nil` where nothing of the header is wrong.
    var refusal: RequestRefusal?

    init(_ head: HTTPRequest) {
        // The first Host is not among the fields, NIO moves it to the authority.
        if !(head.authority.map(Self.isHost) ?? false) { self.refusal = .host }
        if !Self.hasPlainPath(head) { self.refusal = .target }
        self.isLast = head.method == .connect
        for field in head.headerFields {
            // Comparing lengths first keeps this cheap: it runs on every request.
            switch field.name.canonicalName.utf8.count {
            case 4 where field.name.canonicalName.utf8.isEqual(to: "host"): self.refusal = .host
            case 6 where field.name == .expect: self.expectsContinue = field.value.utf8.isEqual(ignoringCaseOf: "100-continue")
            case 7 where field.name == .upgrade: self.isLast = true
            case 10 where field.name == .connection:
                // Hummingbird compares it as a text, and no option is made of anything else.
                if !field.value.utf8.allSatisfy({ $0 < 0x80 }) { self.refusal = .connectionOptions }
                self.isLast = self.isLast || Self.isClose(field.value)
            case 14 where field.name == .contentLength:
                self.bodyBytes = Int(field.value)
                if self.bodyBytes == nil { self.refusal = .contentLength }
            case 17 where field.name == .transferEncoding:
                self.bodyBytes = nil
                if !field.value.utf8.isEqual(ignoringCaseOf: "chunked") { self.refusal = .transferCoding }
            default: break
            }
        }
    }

    private static func isClose(_ connection: String) -> Bool {
        connection.utf8.split(separator: UInt8(ascii: ",")).contains { $0.withoutOuterBlanks.isEqual(ignoringCaseOf: "close") }
    }

    /// Whether the path is made of ASCII alone: comparing other texts with the routes could take Swift time quadratic in their length.
    private static func hasPlainPath(_ head: HTTPRequest) -> Bool {
        head.path?.utf8.prefix { $0 != UInt8(ascii: "?") }.allSatisfy { $0 < 0x80 } ?? true
    }

    /// Whether a value can be a host and a port: none of the characters that RFC 3986 keeps out of them. An empty one is allowed.
    static func isHost(_ authority: String) -> Bool {
        authority.utf8.allSatisfy { byte in
            switch byte {
            case ...0x20, 0x7F...: false
            case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "\\"): false
            case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "^"), UInt8(ascii: "`"): false
            case UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: ","): false
            default: true
            }
        }
    }
}

extension HTTPResponse {
    /// Whether this is the bare 400 that Hummingbird writes when NIO's parser has failed, and nothing that a handler made.
    var isParserAnswer: Bool {
        self.status == .badRequest && self.headerFields.count == 2
            && self.headerFields[.contentLength] == "0" && self.headerFields[.connection] == "close"
    }
}
