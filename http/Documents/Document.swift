import Crypto
import HTTPTypes
import Hummingbird
import NIOCore
import Personas
import PersonasWire

/// What is the same for everybody who asks, until another version of the service runs: made once, and given as often as it is asked for.
struct Document: Sendable {
    private let bytes: ByteBuffer
    private var tag: EntityTag
    private var headers: HTTPFields

    /// - Parameters:
    ///   - name: tells the type by its ending.
    ///   - headers: what answers say beside type and tag.
    init(_ name: String, _ bytes: ByteBuffer, headers: HTTPFields) {
        self.bytes = bytes
        tag = Self.tag(SHA256.hash(data: bytes.readableBytesView))
        self.headers = [.contentType: Self.type(of: name), .eTag: tag.text] + headers
    }

    /// The same with a policy, and with a tag that changes with it: from a 304, not every browser takes the policy over.
    func with(policy: String) -> Document {
        var document = self
        document.tag = Self.tag(SHA256.hash(data: tag.opaque + Array(policy.utf8)))
        document.headers[.eTag] = document.tag.text
        document.headers[.contentSecurityPolicy] = policy
        return document
    }

    /// The answer to a GET: the bytes, unless the client has them.
    func answer(to request: Request) -> Response {
        if tag.isKnown(by: request.headers[.ifNoneMatch]) { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: bytes))
    }

    private static func tag(_ digest: SHA256.Digest) -> EntityTag { EntityTag(strong: hexadecimal(Array(digest.prefix(16)))) }

    /// The media type of a file.
    private static func type(of name: String) -> String {
        switch name.utf8.split(separator: UInt8(ascii: ".")).last.map({ String($0) }) {
        case "css": "text/css; charset=utf-8"
        case "html": "text/html; charset=utf-8"
        case "ico": "image/vnd.microsoft.icon"
        case "js": "text/javascript; charset=utf-8"
        case "json": "application/json"
        case "svg": "image/svg+xml"
        case "yaml": "application/yaml"
        default: "application/octet-stream"
        }
    }
}
