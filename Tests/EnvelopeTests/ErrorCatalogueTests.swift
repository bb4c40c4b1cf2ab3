import ErrorEnvelope
import Foundation
import Testing

@Suite("The catalogue of error codes")
struct ErrorCatalogueTests {
    /// The catalogue as it was published: code by code, with the status that clients rely on.
    static let expected: [(status: Int, code: String)] = [
        (400, "VALIDATION_ERROR"),
        (400, "INVALID_PERSONA"),
        (400, "INVALID_STYLE"),
        (400, "INVALID_AMOUNT"),
        (400, "INVALID_IMAGE"),
        (400, "CONTENT_POLICY"),
        (400, "CANNOT_DELETE_PROCESSING"),
        (400, "SUPPORT_IMAGE_NOT_SUPPORTED"),
        (400, "MISSING_IMAGE_URL"),
        (400, "MISSING_TARGET_IMAGE"),
        (400, "MISSING_FACE_REFERENCE"),
        (401, "MISSING_API_KEY"),
        (401, "INVALID_API_KEY_FORMAT"),
        (401, "INVALID_API_KEY"),
        (401, "API_KEY_INACTIVE"),
        (401, "API_KEY_DELETED"),
        (402, "INSUFFICIENT_CREDITS"),
        (402, "SMART_BALANCE_PAYMENT_FAILED"),
        (403, "API_ACCESS_NOT_ENABLED"),
        (403, "ACCOUNT_SUSPENDED"),
        (403, "QUOTA_EXCEEDED"),
        (404, "NOT_FOUND"),
        (404, "API_USER_NOT_FOUND"),
        (405, "METHOD_NOT_ALLOWED"),
        (409, "NAME_RESERVED"),
        (409, "NAME_ALREADY_EXISTS"),
        (409, "CONFLICT"),
        (409, "IDEMPOTENCY_KEY_IN_USE"),
        (412, "PRECONDITION_FAILED"),
        (413, "IMAGE_TOO_LARGE"),
        (413, "PAYLOAD_TOO_LARGE"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (416, "RANGE_NOT_SATISFIABLE"),
        (422, "GENERATION_REJECTED"),
        (422, "IDEMPOTENCY_KEY_REUSED"),
        (429, "TOO_MANY_REQUESTS"),
        (499, "CANCELLED"),
        (500, "INTERNAL_ERROR"),
        (500, "GENERATION_FAILED"),
        (500, "CONFIGURATION_ERROR"),
        (500, "CONFIG_ERROR"),
        (500, "DOWNLOAD_FAILED"),
        (500, "UPLOAD_FAILED"),
        (500, "DELETE_FAILED"),
        (500, "FAL_ERROR"),
        (500, "INVALID_MODEL"),
        (500, "OUTPAINT_FAILED"),
        (500, "TITLE_GENERATION_ERROR"),
        (500, "PARSE_ERROR"),
        (503, "SERVICE_UNDER_MAINTENANCE"),
        (503, "SERVICE_UNAVAILABLE"),
        (504, "GENERATION_TIMEOUT"),
        (504, "FAL_TIMEOUT"),
        (504, "SCORING_TIMEOUT"),
        (504, "TITLE_TIMEOUT"),
    ]
    @Test("is complete, and every code has the published status")
    func matchesPublishedTable() {
        #expect(ErrorCode.allCases.map(\.rawValue).sorted() == Self.expected.map(\.code).sorted())
        for (status, code) in Self.expected {
            #expect(ErrorCode(rawValue: code)?.status == status, "\(code)")
        }
    }

    @Test("is known by its texts alone, to the byte")
    func texts() throws {
        for code in ErrorCode.allCases { #expect(ErrorCode(rawValue: code.rawValue) == code) }
        for text in ["", "NOT_FOUND ", "not_found", "NEW_CODE", "INVALID_API_\u{212A}EY"] { #expect(ErrorCode(rawValue: text) == nil) }
        let json = Data(#"["NOT_FOUND","CANCELLED"]"#.utf8)
        let codes = try JSONDecoder().decode([ErrorCode].self, from: json)
        #expect(codes == [.notFound, .cancelled])
        #expect(try JSONEncoder().encode(codes) == json)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([ErrorCode].self, from: Data(#"["NEW_CODE"]"#.utf8)) }
    }

    @Test("has a message and a summary for every code", arguments: ErrorCode.allCases)
    func isDescribed(code: ErrorCode) {
        #expect(!code.defaultMessage.isEmpty)
        #expect(!code.defaultMessage.hasSuffix("."))
        #expect(code.summary.hasSuffix("."))
    }

    @Test("uses words with a meaning only where they mean it", arguments: ErrorCode.allCases)
    func wordsMatter(code: ErrorCode) {
        let message = code.defaultMessage.lowercased()
        for word in ["credit", "insufficient", "balance", "payment"] where code.status != 402 {
            #expect(!message.contains(word))
        }
        for word in ["training", "not ready", "still processing"] where code != .cannotDeleteProcessing {
            #expect(!message.contains(word))
        }
        for word in ["busy", "overloaded", "rate limit"] where !code.isRetryable {
            #expect(!message.contains(word))
        }
        #expect(!(message.contains("persona") && message.contains("style")))
    }

    @Test("says in its message what makes some clients act")
    func wordsThatClientsLookFor() {
        #expect(ErrorCode.cannotDeleteProcessing.defaultMessage.contains("still processing"))
        #expect(ErrorCode.insufficientCredits.defaultMessage.lowercased().contains("insufficient credits"))
        #expect(ErrorCode.tooManyRequests.defaultMessage.contains("rate limit"))
    }

    @Test("knows what is worth another try")
    func retryable() {
        #expect(ErrorCode.tooManyRequests.isRetryable)
        #expect(ErrorCode.serviceUnderMaintenance.isRetryable)
        #expect(ErrorCode.serviceUnavailable.isRetryable)
        #expect(!ErrorCode.rangeNotSatisfiable.isRetryable)
        #expect(ErrorCode.idempotencyKeyInUse.isRetryable)
        #expect(!ErrorCode.validationError.isRetryable)
        #expect(!ErrorCode.invalidAPIKey.isRetryable)
        #expect(!ErrorCode.configurationError.isRetryable)
    }
}
