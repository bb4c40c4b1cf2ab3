/// The one JSON shape of every failure: `{"error":{"code":"…","message":"…","details":[…]},"request_id":"…"}`.
///
/// Servers build it from an ``ErrorCode`` and send ``encoded()``; clients read it with ``init(decoding:bytesMax:)``, which survives
/// codes and members that did not exist when the client was compiled.
public struct ErrorEnvelope: Sendable, Equatable, Codable {
    /// What went wrong.
    public var error: ErrorBody
    /// The id of the failed request, as in the header `X-Request-Id`; empty when a decoded envelope carries none.
    public var requestID: String

    /// Makes the envelope of a failure.
    /// - Parameters:
    ///   - code: The reason.
    ///   - message: A safe public summary; by default that of the code.
    ///   - details: One entry for each violation; left out of the JSON when empty.
    ///   - requestID: The id of the failed request.
    public init(code: ErrorCode, message: String? = nil, details: [ErrorDetail] = [], requestID: String) {
        self.error = ErrorBody(code: code, message: message, details: details)
        self.requestID = requestID
    }

    private enum CodingKeys: String, CodingKey {
        case error
        case requestID = "request_id"
    }

    /// Decodes an envelope, tolerating a missing `request_id` and unknown members.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.error = try container.decode(ErrorBody.self, forKey: .error)
        self.requestID = try container.decodeIfPresent(String.self, forKey: .requestID) ?? ""
    }

    /// Encodes the members that ``encoded()`` writes; use that one where the bytes matter.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.error, forKey: .error)
        try container.encode(self.requestID, forKey: .requestID)
    }
}

/// The member `error` of an ``ErrorEnvelope``.
public struct ErrorBody: Sendable, Equatable, Codable {
    /// The code as it is on the wire, kept even when this version of the library does not know it.
    public var codeText: String
    /// A safe public summary, made for people.
    public var message: String
    /// One entry for each violation; empty where the failure concerns no single field.
    public var details: [ErrorDetail]

    /// The code, or `nil` when this version of the library does not know ``codeText``.
    public var code: ErrorCode? { ErrorCode(rawValue: self.codeText) }

    /// Makes the body of a failure.
    /// - Parameters:
    ///   - code: The reason.
    ///   - message: A safe public summary; by default that of the code.
    ///   - details: One entry for each violation.
    public init(code: ErrorCode, message: String? = nil, details: [ErrorDetail] = []) {
        self.codeText = code.rawValue
        self.message = message ?? code.defaultMessage
        self.details = details
    }

    private enum CodingKeys: String, CodingKey {
        case code, message, details
    }

    /// Decodes a body whose code may be unknown and whose `details` may be missing or `null`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.codeText = try container.decode(String.self, forKey: .code)
        self.message = try container.decode(String.self, forKey: .message)
        self.details = try container.decodeIfPresent([ErrorDetail].self, forKey: .details) ?? []
    }

    /// Encodes the body; `details` is left out when empty.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.codeText, forKey: .code)
        try container.encode(self.message, forKey: .message)
        if !self.details.isEmpty { try container.encode(self.details, forKey: .details) }
    }
}

/// One violation within an ``ErrorBody``.
///
/// Members may be added to it in later versions, never removed.
public struct ErrorDetail: Sendable, Equatable, Hashable, Codable {
    /// The bare name of the top-level member, query parameter or header that is at fault; `body` for a body that is no JSON.
    public var field: String
    /// What is wrong with it, made for people.
    public var message: String
    /// The id of the resource in the way; with ``ErrorCode/nameAlreadyExists`` that of the item which has the name.
    public var id: String?
    /// The place of what is at fault among several of the same field, from 0; with ``ErrorCode/invalidImage`` and
    /// ``ErrorCode/imageTooLarge`` that of the image.
    public var index: Int?
    /// The code of this violation as it is on the wire, where each has one of its own, kept even when this version of the library does not
    /// know it. That of the first is the code of the whole error.
    public var codeText: String?
    /// How much there may be of what ``field`` names; with ``ErrorCode/quotaExceeded``.
    public var limit: Int?
    /// How much there is of it; with ``ErrorCode/quotaExceeded``.
    public var used: Int?

    /// The code of this violation, or `nil` when it has none, or one that this version of the library does not know.
    public var code: ErrorCode? { self.codeText.flatMap { ErrorCode(rawValue: $0) } }

    /// Makes one violation.
    /// - Parameters:
    ///   - field: The bare name of what is at fault.
    ///   - message: What is wrong with it.
    ///   - id: The id of the resource in the way, if there is one.
    ///   - index: The place among several of the same field, from 0.
    ///   - code: The code of this violation, where each has one of its own.
    ///   - limit: How much there may be, where a limit is in the way.
    ///   - used: How much there is, where a limit is in the way.
    public init(
        field: String, message: String, id: String? = nil, index: Int? = nil, code: ErrorCode? = nil, limit: Int? = nil, used: Int? = nil
    ) {
        self.field = field
        self.message = message
        self.id = id
        self.index = index
        self.codeText = code?.rawValue
        self.limit = limit
        self.used = used
    }

    private enum CodingKeys: String, CodingKey {
        case field, message, id, index
        case codeText = "code"
        case limit, used
    }
}
