import HTTPTypes
import Hummingbird
import NIOCore
import Personas

/// An answer as it is kept under an idempotency key: lines with a name and a value each, an empty line, the body.
///
/// What one version has written the next has to read for a day; a migration of the database writes the form as well. Names that are not known
/// are passed over, so that a later version may add some.
struct AnswerRecord: Equatable {
    /// The id of the request that was answered so.
    let requestID: String
    /// The HTTP status.
    let status: Int
    /// The header `Location`, if the answer had one.
    var location: String?
    /// The header `ETag`, if the answer had one.
    var entityTag: String?
    /// The header `X-Credits-Remaining`, if the answer had one.
    var creditsRemaining: String?
    /// The JSON; empty where the answer had none.
    let body: [UInt8]

    private enum Name {
        static let status = "status"
        static let requestID = "request-id"
        static let location = "location"
        static let entityTag = "etag"
        static let creditsRemaining = "x-credits-remaining"
    }

    /// The record of an answer to a request.
    init(_ answer: JSONAnswer, requestID: String) {
        self.init(
            requestID: requestID, status: answer.status.code, location: answer.headers[.location], entityTag: answer.headers[.eTag],
            creditsRemaining: answer.headers[.creditsRemaining], body: answer.body.map { Array(buffer: $0) } ?? [])
    }

    init(
        requestID: String, status: Int, location: String? = nil, entityTag: String? = nil, creditsRemaining: String? = nil, body: [UInt8]
    ) {
        self.requestID = requestID
        self.status = status
        self.location = location
        self.entityTag = entityTag
        self.creditsRemaining = creditsRemaining
        self.body = body
    }

    /// Whether an answer of this status ends its request for good, rather than asking the client to try again or to mend something.
    static func isFinal(status: Int) -> Bool {
        switch status {
        case 400, 401, 402, 403, 412, 429, 500...: false
        default: true
        }
    }

    /// The record as it is kept. No value has an end of line in it, because all but the status were headers.
    var bytes: [UInt8] {
        var head = "\(Name.status): \(status)\n\(Name.requestID): \(requestID)\n"
        if let location { head += "\(Name.location): \(location)\n" }
        if let entityTag { head += "\(Name.entityTag): \(entityTag)\n" }
        if let creditsRemaining { head += "\(Name.creditsRemaining): \(creditsRemaining)\n" }
        return Array(head.utf8) + [UInt8(ascii: "\n")] + body
    }

    /// Reads a record as it is kept.
    /// - Throws: `unexpected` for what is none.
    init(_ bytes: [UInt8]) throws(Failure) {
        var values: [String: String] = [:]
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")), end > rest.startIndex {
            let line = rest[..<end]
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), line[colon...].starts(with: ": ".utf8) else { break }
            values[String(decoding: line[..<colon], as: UTF8.self)] = String(decoding: line[colon...].dropFirst(2), as: UTF8.self)
            rest = rest[end...].dropFirst()
        }
        guard rest.first == UInt8(ascii: "\n"), let status = values[Name.status].flatMap({ Int($0) }),
            let requestID = values[Name.requestID]
        else { throw .unexpected("A record under an idempotency key cannot be read") }
        self.init(
            requestID: requestID, status: status, location: values[Name.location], entityTag: values[Name.entityTag],
            creditsRemaining: values[Name.creditsRemaining], body: Array(rest.dropFirst()))
    }

    /// The answer, to be given again.
    var answer: JSONAnswer {
        var headers: HTTPFields = [:]
        if let location { headers[.location] = location }
        if let entityTag { headers[.eTag] = entityTag }
        if let creditsRemaining { headers[.creditsRemaining] = creditsRemaining }
        return JSONAnswer(
            status: HTTPResponse.Status(code: status), after: headers, body: body.isEmpty ? nil : ByteBuffer(bytes: body))
    }
}
