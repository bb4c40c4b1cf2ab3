import HTTPTypes
import Hummingbird
import NIOCore
import PersonasWire

/// A JSON answer before it becomes a response: what can be kept under an idempotency key and given again.
struct JSONAnswer: Sendable {
    var status = HTTPResponse.Status.ok
    var location: String?
    var entityTag: String?
    /// The JSON; nil for an answer without a body.
    var body: ByteBuffer?

    /// The answer as a response.
    var response: Response {
        var headers: HTTPFields = [:]
        if body != nil { headers[.contentType] = "application/json" }
        if let location { headers[.location] = location }
        if let entityTag { headers[.eTag] = entityTag }
        return Response(status: status, headers: headers, body: body.map { ResponseBody(byteBuffer: $0) } ?? ResponseBody())
    }
}

extension JSONAnswer {
    /// An answer whose JSON is written on the spot.
    init(status: HTTPResponse.Status = .ok, location: String? = nil, entityTag: String? = nil, _ write: (inout JSONWriter) -> Void) {
        self.init(status: status, location: location, entityTag: entityTag, body: ByteBuffer(bytes: Representation.json(write)))
    }
}
