import HTTPTypes
import Hummingbird
import NIOCore
import Personas
import PersonasWire

extension Representation {
    /// An answer with one item, tagged with its version.
    func response(_ item: Pikzonality, _ write: (inout JSONWriter) -> Void) -> Response {
        Self.response(headers: [.eTag: Self.entityTag(of: item)], write)
    }

    /// Any JSON answer.
    static func response(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], items: Int = 1, _ write: (inout JSONWriter) -> Void
    ) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(
            status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: json(items: items, write))))
    }
}
