import AsyncHTTPClient
import Crypto
import NIOCore
import NIOHTTP1
import Personas

/// What the store is asked for, before it is signed: a try that follows another is signed anew.
struct S3Request: Sendable {
    /// What it is about, for texts and metrics.
    enum Operation: String, CaseIterable, Sendable {
        case put
        case get
        case delete
        case list
    }

    /// SHA-256 of no bytes at all.
    private static let emptyDigest = hexadecimal(Array(SHA256.hash(data: [UInt8]())))

    let operation: Operation
    private let method: HTTPMethod
    private let name: String?
    private var query: [(name: String, value: String)] = []
    private var headers: [(name: String, value: String)] = []
    private var body: ByteBuffer?
    private var payloadDigest = emptyDigest

    private init(_ operation: Operation, _ method: HTTPMethod, name: String?) {
        self.operation = operation
        self.method = method
        self.name = name
    }

    /// Writes an object, unless it is there.
    static func put(_ bytes: [UInt8], digest: [UInt8], name: String, encryption: S3Location.Encryption?) -> S3Request {
        var request = S3Request(.put, .PUT, name: name)
        request.headers = [("content-type", "application/octet-stream"), ("if-none-match", "*")]
        if let encryption { request.headers.append(("x-amz-server-side-encryption", encryption.rawValue)) }
        request.body = ByteBuffer(bytes: bytes)
        request.payloadDigest = hexadecimal(digest)
        return request
    }

    /// Reads an object, or a range of it, whose end may be beyond that of the object.
    static func get(_ name: String, _ range: Range<Int>?) -> S3Request {
        var request = S3Request(.get, .GET, name: name)
        if let range {
            let last = range.upperBound == .max ? "" : "\(range.upperBound - 1)"
            request.headers = [("range", "bytes=\(range.lowerBound)-\(last)")]
        }
        return request
    }

    /// Removes an object.
    static func delete(_ name: String) -> S3Request { S3Request(.delete, .DELETE, name: name) }

    /// Lists names of objects in their order.
    static func list(prefix: String, count: Int, after token: String?) -> S3Request {
        var request = S3Request(.list, .GET, name: nil)
        request.query = [("list-type", "2"), ("max-keys", "\(count)"), ("prefix", prefix)]
        if let token { request.query.append(("continuation-token", token)) }
        return request
    }

    /// The request as it is sent.
    func signed(for location: S3Location, by credentials: S3Credentials, at moment: Timestamp) -> HTTPClientRequest {
        let (date, path) = (Signature.text(of: moment), location.path(name))
        var headers = headers + [("host", location.host), ("x-amz-content-sha256", payloadDigest), ("x-amz-date", date)]
        if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        let subject = Signature.Subject(
            method: method.rawValue, path: path, query: query, headers: headers, payloadDigest: payloadDigest)
        let signature = Signature(of: subject, by: credentials, region: location.region, at: date)
        var request = HTTPClientRequest(url: location.origin + path + (query.isEmpty ? "" : "?\(Signature.canonical(query))"))
        request.method = method
        request.headers = HTTPHeaders(headers.map { ($0.name, $0.value) })
        request.headers.add(name: "authorization", value: signature.authorization)
        request.headers.add(name: "user-agent", value: "personas")
        if let body { request.body = .bytes(body) }
        return request
    }
}
