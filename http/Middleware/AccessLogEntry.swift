package import ErrorEnvelope
package import ErrorEnvelopeHummingbird
package import Personas

/// What the access log says of one request. Never a query, a header or a body: signed URLs, keys and faces are in there.
package struct AccessLogEntry: Sendable {
    /// The id of the request.
    package var requestID: String
    /// The method, as it was sent.
    package var method: String
    /// The template of the route that was found.
    package var route: String
    /// The HTTP status of the answer.
    package var status: Int
    /// The code of the answer, where that is an error envelope.
    package var code: ErrorCode?
    /// Why the request was refused, in the words that its client is told, where it was; see `EnvelopeError.loggedReason`.
    package var reason: String?
    /// The time from the head of the request to that of its answer.
    package var duration: Duration
    /// Who called, once that is known.
    package var caller: Caller?
    /// The trace that the request belongs to, where it names one.
    package var trace: TraceParent?
    /// The address of the client without its port; nil where the connection has none.
    package var address: String?
    /// Bytes of the request's body that were read.
    package var bytesIn: Int
    /// Bytes of the answer's body as its head announces them; nil where it announces none.
    package var bytesOut: Int?

    package init(
        requestID: String, method: String, route: String, status: Int, code: ErrorCode?, reason: String? = nil, duration: Duration,
        caller: Caller?, trace: TraceParent?, address: String?, bytesIn: Int, bytesOut: Int?
    ) {
        self.requestID = requestID
        self.method = method
        self.route = route
        self.status = status
        self.code = code
        self.reason = reason
        self.duration = duration
        self.caller = caller
        self.trace = trace
        self.address = address
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
    }
}

extension EnvelopeError {
    /// Bytes of a reason in the log at most: enough for three images and a field or two.
    package static let loggedReasonBytesMax = 512

    /// The words of the error as the access log has them: those that the client is told, which name each field that is at fault with what is wrong with it
    /// and quote nothing of what was sent; cut where they are very many.
    var loggedReason: String {
        let bytes = message.utf8
        guard bytes.count > Self.loggedReasonBytesMax else { return message }
        var end = bytes.index(bytes.startIndex, offsetBy: Self.loggedReasonBytesMax)
        while end.samePosition(in: message.unicodeScalars) == nil { end = bytes.index(before: end) }
        return String(message.unicodeScalars[..<end]) + "…"
    }
}

/// Where the access log goes.
package protocol AccessLogWriter: Sendable {
    /// Takes what is said of one request. It is called where requests are answered, and must not wait.
    func write(_ entry: AccessLogEntry)
}
