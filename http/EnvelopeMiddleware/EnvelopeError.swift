public import ErrorEnvelope
public import HTTPTypes
public import Hummingbird
package import NIOCore

/// An error that ``ErrorEnvelopeMiddleware`` turns into an ``ErrorEnvelope`` with the status of its code.
public struct EnvelopeError: Error {
    /// The reason, which also decides the status.
    public var code: ErrorCode
    /// A safe public summary; it repeats the human reason, because some clients never read `details`.
    public var message: String
    /// One entry for each violation.
    public var details: [ErrorDetail]
    /// Headers of the answer beyond those of every envelope, such as `Retry-After` or `Allow`; they win over the latter.
    public var headers: HTTPFields
    /// What led to this error. It goes to the log, never to the client.
    public var cause: (any Error)?

    /// Makes an error that is answered with an envelope.
    /// - Parameters:
    ///   - code: The reason.
    ///   - message: A safe public summary; by default that of the code.
    ///   - details: One entry for each violation.
    ///   - headers: Further headers of the answer.
    ///   - cause: What led to this error, for the log.
    public init(
        _ code: ErrorCode,
        message: String? = nil,
        details: [ErrorDetail] = [],
        headers: HTTPFields = [:],
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message ?? code.defaultMessage
        self.details = details
        self.headers = headers
        self.cause = cause
    }

    /// A ``ErrorCode/validationError`` that lists every violation in `details` and repeats the reasons in its message.
    /// - Parameter violations: What is wrong, at least one entry.
    public static func invalid(_ violations: [ErrorDetail]) -> EnvelopeError {
        let reasons = violations.map(\.message).joined(separator: "; ")
        return EnvelopeError(
            .validationError,
            message: "\(ErrorCode.validationError.defaultMessage): \(reasons)",
            details: violations
        )
    }

    /// The error with a `Retry-After` header.
    /// - Parameter seconds: The pause that the client shall make; rounded up to at least one second.
    public func retryAfter(seconds: Int) -> EnvelopeError {
        var error = self
        error.headers[.retryAfter] = String(max(1, seconds))
        return error
    }
}

/// An error type that knows its envelope, such as the error type of a service's own domain.
public protocol EnvelopeConvertible: Error {
    /// What the client is told.
    var envelopeError: EnvelopeError { get }
}

extension EnvelopeError: EnvelopeConvertible {
    /// The error itself.
    public var envelopeError: EnvelopeError { self }
}

extension EnvelopeError {
    /// What a client is told about any error.
    ///
    /// An ``EnvelopeConvertible`` speaks for itself. Errors of Hummingbird are mapped by their status. The text of everything else is
    /// kept as ``cause`` and the client learns no more than ``ErrorCode/internalError``.
    public init(converting error: any Error) {
        switch error {
        case let error as any EnvelopeConvertible:
            self = error.envelopeError
        case let error as HTTPError:
            self.init(status: error.status.code, publicReason: error.body, headers: error.headers, cause: error)
        case let error as any HTTPResponseError:
            self.init(status: error.status.code, publicReason: nil, headers: [:], cause: error)
        default:
            self.init(.internalError, cause: error)
        }
    }

    private init(status: Int, publicReason: String?, headers: HTTPFields, cause: any Error) {
        let code = ErrorCode(nearestTo: status)
        // Reasons of client errors were written for the client, by Hummingbird's decoder for instance. Those of server errors were not.
        var message = code.defaultMessage
        if let publicReason, code.status < 500 {
            message = code == .validationError ? "\(message): \(publicReason)" : publicReason
        }
        self.init(code, message: message, headers: headers, cause: code.status >= 500 ? cause : nil)
        // Without it a client has to guess how long to wait.
        if code == .tooManyRequests || code.status == 503, self.headers[.retryAfter] == nil {
            self.headers[.retryAfter] = "1"
        }
    }

    /// The answer to a request that failed with this error.
    /// - Parameters:
    ///   - method: The method of the request; the answer to `HEAD` has the headers but no body.
    ///   - requestID: The id of the request.
    public func response(to method: HTTPRequest.Method, requestID: String) -> Response {
        let (head, body) = self.answer(requestID: requestID)
        return Response(
            status: head.status,
            headers: head.headerFields,
            body: method == .head ? ResponseBody() : ResponseBody(byteBuffer: body)
        )
    }

    /// The head and the body of the answer, for the places that have no request.
    package func answer(requestID: String) -> (head: HTTPResponse, body: ByteBuffer) {
        let envelope = ErrorEnvelope(code: self.code, message: self.message, details: self.details, requestID: requestID)
        let body = ByteBuffer(bytes: envelope.encoded())
        var fields: HTTPFields = [
            .contentType: "application/json",
            .contentLength: String(body.readableBytes),
            // A 404 may be cached unless the answer says otherwise, and would hide a resource that is made a moment later.
            .cacheControl: "no-store",
            .xContentTypeOptions: "nosniff",
            .xRequestID: requestID,
        ]
        // RFC 9110, section 11.6.1: who is not known is told how to say who it is. No scheme of that RFC is a key in a header of its own.
        if self.code.status == 401 { fields[.wwwAuthenticate] = "ApiKey" }
        for field in self.headers { fields[field.name] = nil }
        fields.append(contentsOf: self.headers)
        return (HTTPResponse(status: HTTPResponse.Status(code: self.code.status), headerFields: fields), body)
    }
}

extension ErrorCode {
    /// The code that comes closest to a bare status of an error that is not part of the catalogue.
    init(nearestTo status: Int) {
        self =
            switch status {
            case 401: .invalidAPIKey
            case 402: .insufficientCredits
            case 403: .apiAccessNotEnabled
            case 404, 410: .notFound
            case 405: .methodNotAllowed
            case 409: .conflict
            case 412: .preconditionFailed
            case 413: .payloadTooLarge
            case 415: .unsupportedMediaType
            case 416: .rangeNotSatisfiable
            case 429: .tooManyRequests
            case 499: .cancelled
            case 400...498: .validationError
            case 503: .serviceUnavailable
            default: .internalError
            }
    }
}
