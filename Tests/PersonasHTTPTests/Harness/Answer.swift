import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import TestSupport
import Testing

/// What came back for one request.
struct Answer: Sendable {
    let status: Int
    let headers: HTTPFields
    let bytes: [UInt8]

    static var uuid: Regex<Substring> { /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    var requestID: String { headers[.requestID] ?? "" }

    var envelope: ErrorEnvelope {
        get throws { try ErrorEnvelope(decoding: bytes) }
    }

    func header(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }

    /// The body with everything that differs from run to run replaced by what it is: `<request>` for the id of this request, `<id 1>` for
    /// the first other id, `<token 1>` for the first media token, `<time>` for every time.
    var shape: String {
        var text = requestID.isEmpty ? self.text : self.text.replacing(requestID, with: "<request>")
        text = Self.numbering(text, Self.uuid, as: "id")
        text = Self.numbering(text, /[0-9a-f]{32}/, as: "token")
        return text.replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, with: "<time>")
    }

    private static func numbering(_ text: String, _ pattern: Regex<Substring>, as word: String) -> String {
        var seen: [String] = []
        return text.replacing(pattern) { match in
            let found = String(match.0)
            if !seen.contains(found) { seen.append(found) }
            return "<\(word) \((seen.firstIndex(of: found) ?? 0) + 1)>"
        }
    }

    /// Compares status and whole body.
    func expect(_ status: Int, _ shape: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(self.status == status, "\(text)", sourceLocation: sourceLocation)
        #expect(self.shape == shape, sourceLocation: sourceLocation)
    }

    /// Compares the whole envelope of a failure; `details` as it stands in the JSON, between the brackets.
    func expect(
        _ status: Int, _ code: ErrorCode, _ message: String, details: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let details = details.map { #","details":[\#($0)]"# } ?? ""
        expect(
            status, #"{"error":{"code":"\#(code.rawValue)","message":"\#(message)"\#(details)},"request_id":"<request>"}"#,
            sourceLocation: sourceLocation)
    }

    /// Compares a `VALIDATION_ERROR` with its violations, each a field and what is said of it.
    func expectViolations(_ violations: [(field: String, message: String)], sourceLocation: SourceLocation = #_sourceLocation) {
        expect(
            400, .validationError, "The request is invalid: " + violations.map(\.message).joined(separator: "; "),
            details: violations.map { #"{"field":"\#($0.field)","message":"\#($0.message)"}"# }.joined(separator: ","),
            sourceLocation: sourceLocation)
    }

    /// One member of the body as text; nil where it is absent, null or no string.
    func string(_ member: String) -> String? { object?[member] as? String }

    /// The body as an object.
    var object: [String: Any]? { (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any] }

    /// The items of a list.
    var items: [[String: Any]] { object?["data"] as? [[String: Any]] ?? [] }

    /// The names of a list's items.
    var names: [String] { items.compactMap { $0["name"] as? String } }
}

extension Answer {
    /// Holds an answer to the rules of every answer, whatever was asked: a request id, no redirect, headers against misuse, JSON wherever
    /// there is a body, an envelope that repeats the request id for every failure, and no failure of the server unless the test makes one.
    func check(_ method: HTTPRequest.Method, isFailureExpected: Bool, sourceLocation: SourceLocation) {
        #expect(isFailureExpected || status < 500, "\(text)", sourceLocation: sourceLocation)
        #expect(!(300..<400).contains(status) || status == 304, sourceLocation: sourceLocation)
        #expect(headers[values: .requestID].count == 1, sourceLocation: sourceLocation)
        #expect(headers[.xContentTypeOptions] == "nosniff", sourceLocation: sourceLocation)
        #expect(headers[.contentSecurityPolicy]?.contains("default-src 'none'") == true, sourceLocation: sourceLocation)
        #expect(headers[.cacheControl] != nil, sourceLocation: sourceLocation)
        #expect(headers[.server] == nil, sourceLocation: sourceLocation)
        // Events have two forms.
        #expect(["Origin", "Accept, Origin"].contains(headers[.vary]), sourceLocation: sourceLocation)
        #expect(headers[.wwwAuthenticate] == (status == 401 ? "ApiKey" : nil), sourceLocation: sourceLocation)
        checkExposure(sourceLocation: sourceLocation)
        if method == .head || status == 204 || status == 304 {
            #expect(bytes.isEmpty, sourceLocation: sourceLocation)
            return
        }
        #expect(!bytes.isEmpty, sourceLocation: sourceLocation)
        if let length = headers[.contentLength] { #expect(length == String(bytes.count), sourceLocation: sourceLocation) }
        if status < 400, let type = headers[.contentType], type.hasPrefix("image/") || Self.otherTypes.contains(type) { return }
        #expect(headers[.contentType] == "application/json", sourceLocation: sourceLocation)
        #expect(object != nil, "\(text)", sourceLocation: sourceLocation)
        if status >= 400 { checkFailure(sourceLocation: sourceLocation) }
    }

    /// What pages need not read: what browsers act upon themselves, or let every page read.
    private static let unexposed: Set<String> = [
        "access-control-allow-headers", "access-control-allow-methods", "access-control-allow-origin", "access-control-expose-headers",
        "access-control-max-age", "cache-control", "connection", "content-length", "content-security-policy", "content-type",
        "cross-origin-resource-policy", "date", "transfer-encoding", "vary", "x-content-type-options",
    ]

    /// Makes sure that a page which may read the answer can read every field of its header that is meant for it.
    private func checkExposure(sourceLocation: SourceLocation) {
        guard let exposed = headers[.accessControlExposeHeaders] else { return }
        let names = exposed.split(separator: ", ").map { $0.lowercased() }
        for field in headers where !Self.unexposed.contains(field.name.canonicalName) {
            #expect(names.contains(field.name.canonicalName), sourceLocation: sourceLocation)
        }
    }

    /// The media type of `GET /metrics`.
    static let metricsType = "text/plain; version=0.0.4; charset=utf-8"

    /// The media types that answers have beside images and JSON.
    private static let otherTypes: Set<String> = [
        metricsType, "application/jsonl", "application/x-tar", "application/yaml", "text/css; charset=utf-8", "text/html; charset=utf-8",
        "text/javascript; charset=utf-8",
    ]

    private func checkFailure(sourceLocation: SourceLocation) {
        guard let envelope = try? self.envelope else {
            Issue.record("no envelope: \(text)", sourceLocation: sourceLocation)
            return
        }
        #expect(envelope.encoded() == bytes, sourceLocation: sourceLocation)
        #expect(envelope.requestID == requestID, sourceLocation: sourceLocation)
        #expect(envelope.error.code?.status == status, sourceLocation: sourceLocation)
        #expect(headers[.cacheControl] == "no-store", sourceLocation: sourceLocation)
        // A known client derives meaning from words.
        let message = envelope.error.message.lowercased()
        for (words, codes) in Self.meaningfulWords where envelope.error.code.map(codes.contains) != true {
            for word in words { #expect(!message.contains(word), "\(text)", sourceLocation: sourceLocation) }
        }
        #expect(!(message.contains("persona ") && message.contains("style ")), sourceLocation: sourceLocation)
        // Other clients read nothing but the message.
        for detail in envelope.error.details { #expect(envelope.error.message.contains(detail.message), sourceLocation: sourceLocation) }
    }

    private static var meaningfulWords: [(words: [String], codes: Set<ErrorCode>)] {
        [
            (["credit", "insufficient", "balance", "payment"], [.insufficientCredits, .smartBalancePaymentFailed]),
            (["training", "not ready", "still processing"], [.cannotDeleteProcessing]),
            (["busy", "overloaded", "rate limit"], [.tooManyRequests, .serviceUnderMaintenance, .serviceUnavailable]),
        ]
    }
}

extension RawExchange {
    /// The answers, in their order, as far as they are whole.
    var answers: [Answer] {
        var reader = RawAnswerReader()
        var answers: [Answer] = []
        var rest = bytes[...]
        while let answer = try? reader.read(rest) {
            var fields: HTTPFields = [:]
            for line in answer.headerLines {
                let parts = line.split(separator: ":", maxSplits: 1)
                guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else { continue }
                fields.append(HTTPField(name: name, value: parts[1].trimmingCharacters(in: .whitespaces)))
            }
            answers.append(Answer(status: answer.status, headers: fields, bytes: answer.body))
            rest = []
        }
        return answers
    }
}
