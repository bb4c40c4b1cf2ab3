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
        requestID: String, method: String, route: String, status: Int, code: ErrorCode?, duration: Duration, caller: Caller?,
        trace: TraceParent?, address: String?, bytesIn: Int, bytesOut: Int?
    ) {
        self.requestID = requestID
        self.method = method
        self.route = route
        self.status = status
        self.code = code
        self.duration = duration
        self.caller = caller
        self.trace = trace
        self.address = address
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
    }
}

/// Where the access log goes.
package protocol AccessLogWriter: Sendable {
    /// Takes what is said of one request. It is called where requests are answered, and must not wait.
    func write(_ entry: AccessLogEntry)
}
