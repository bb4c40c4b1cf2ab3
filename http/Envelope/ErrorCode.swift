/// The machine-readable reason of a failure: every code that this service and its sibling services (thumbnails, titles, scoring) send.
///
/// What there is to know of a code stands in the catalogue below, in one place: the text on the wire, the status, the message, whether to
/// try again, and the documentation, which is ``summary``. Codes are added but never renamed or removed, because clients branch on them; a
/// client therefore has to expect a code it does not know, see ``ErrorBody/codeText``.
public enum ErrorCode: CaseIterable, Hashable, Sendable {
    /// What the request says is wrong, or cannot be done with that item.
    case validationError, invalidPersona, invalidStyle, invalidAmount, invalidImage, contentPolicy, cannotDeleteProcessing
    /// What a sibling service needs is not in the request, or not meant for it.
    case supportImageNotSupported, missingImageURL, missingTargetImage, missingFaceReference
    /// The caller is not known.
    case missingAPIKey, invalidAPIKeyFormat, invalidAPIKey, apiKeyInactive, apiKeyDeleted
    /// The caller cannot pay.
    case insufficientCredits, smartBalancePaymentFailed
    /// The caller is known and may not do this, or no more of it.
    case apiAccessNotEnabled, accountSuspended, quotaExceeded
    /// What the request is about is not there.
    case notFound, apiUserNotFound, methodNotAllowed
    /// Something that is there stands in the way.
    case nameReserved, nameAlreadyExists, conflict, idempotencyKeyInUse, preconditionFailed
    /// The request is well-formed, and too large or of the wrong kind.
    case imageTooLarge, payloadTooLarge, unsupportedMediaType, rangeNotSatisfiable
    /// The request is understood, and refused for what it asks for.
    case generationRejected, idempotencyKeyReused
    /// The client is to come back later.
    case tooManyRequests
    /// The work was cancelled.
    case cancelled
    /// The service failed, or the trainer behind it.
    case internalError, generationFailed, configurationError, configError, downloadFailed, uploadFailed, deleteFailed, falError
    /// A sibling service failed.
    case invalidModel, outpaintFailed, titleGenerationError, parseError
    /// The service cannot work at the moment.
    case serviceUnderMaintenance, serviceUnavailable
    /// Work that others do was not done in time.
    case generationTimeout, falTimeout, scoringTimeout, titleTimeout
}

extension ErrorCode {
    /// The HTTP status that always goes with this code.
    ///
    /// Most codes answer a request with it. A few, such as ``cancelled``, only ever appear as the `error.code` of an item.
    public var status: Int { entry.status }

    /// A safe public summary, used where the thrower gives no better message.
    ///
    /// A known client derives meaning from words: *credit, insufficient, balance, payment* appear only with status 402, *training, not
    /// ready, still processing* only in ``cannotDeleteProcessing``, *busy, overloaded, rate limit* only in retryable codes, and a message
    /// about a persona does not say "style" nor the reverse.
    public var defaultMessage: String { entry.message }

    /// One sentence for developers on when the code is sent: the documentation of the code, for readers and at run time.
    public var summary: String { entry.summary }

    /// Whether the same request, sent again unchanged after a pause, may succeed without anything being changed for it.
    ///
    /// `Retry-After`, where it is sent, says how long the pause has to be.
    public var isRetryable: Bool { entry.isRetryable }
}

extension ErrorCode: RawRepresentable, Codable {
    /// The text on the wire.
    public var rawValue: String { entry.text }

    /// The code of a text, or `nil` when this version of the library does not know it.
    public init?(rawValue: String) {
        // By bytes: Swift takes "INVALID_API_\u{212A}EY" for the text of a code.
        guard let code = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(rawValue.utf8) }) else { return nil }
        self = code
    }
}

extension ErrorCode {
    /// All that there is to know of a code.
    private struct Entry {
        let text: String
        let status: Int
        let isRetryable: Bool
        let message: String
        let summary: String

        init(_ text: String, status: Int, isRetryable: Bool, message: String, summary: String) {
            self.text = text
            self.status = status
            self.isRetryable = isRetryable
            self.message = message
            self.summary = summary
        }
    }

    /// The catalogue.
    private var entry: Entry {
        switch self {
        case .validationError:
            Entry(
                "VALIDATION_ERROR", status: 400, isRetryable: false, message: "The request is invalid",
                summary: "A body, query or header breaks a rule; `details` lists every violation.")
        case .invalidPersona:
            Entry(
                "INVALID_PERSONA", status: 400, isRetryable: false, message: "The persona id is not a UUID",
                summary: "The id in the path of a persona is not a UUID.")
        case .invalidStyle:
            Entry(
                "INVALID_STYLE", status: 400, isRetryable: false, message: "The style id is not a UUID",
                summary: "The id in the path of a style is not a UUID.")
        case .invalidAmount:
            Entry(
                "INVALID_AMOUNT", status: 400, isRetryable: false, message: "The amount must be a positive integer",
                summary: "A grant or a price is not a positive integer.")
        case .invalidImage:
            Entry(
                "INVALID_IMAGE", status: 400, isRetryable: false, message: "An image could not be read",
                summary: "The bytes are no complete JPEG, PNG, WebP or GIF, the base64 is broken, or the URL gives no image.")
        case .contentPolicy:
            Entry(
                "CONTENT_POLICY", status: 400, isRetryable: false, message: "The request breaks the content policy",
                summary: "A name or an instruction contains a blocked term.")
        case .cannotDeleteProcessing:
            Entry(
                "CANNOT_DELETE_PROCESSING", status: 400, isRetryable: true, message: "This item is still processing",
                summary: "A deletion was asked for while the job of the item runs.")
        case .supportImageNotSupported:
            Entry(
                "SUPPORT_IMAGE_NOT_SUPPORTED", status: 400, isRetryable: false, message: "A support image is not supported here",
                summary: "The chosen generation takes no support image.")
        case .missingImageURL:
            Entry(
                "MISSING_IMAGE_URL", status: 400, isRetryable: false, message: "An image URL is required",
                summary: "A thumbnail was asked for without the URL of its image.")
        case .missingTargetImage:
            Entry(
                "MISSING_TARGET_IMAGE", status: 400, isRetryable: false, message: "A target image is required",
                summary: "A face swap was asked for without the image to change.")
        case .missingFaceReference:
            Entry(
                "MISSING_FACE_REFERENCE", status: 400, isRetryable: false, message: "A face reference is required",
                summary: "A face swap was asked for without the face to put in.")
        case .missingAPIKey:
            Entry(
                "MISSING_API_KEY", status: 401, isRetryable: false, message: "An API key is required in the header X-Api-Key",
                summary: "The request carries no `X-Api-Key`.")
        case .invalidAPIKeyFormat:
            Entry(
                "INVALID_API_KEY_FORMAT", status: 401, isRetryable: false, message: "The API key must start with pkz_",
                summary: "The API key does not start with `pkz_`.")
        case .invalidAPIKey:
            Entry(
                "INVALID_API_KEY", status: 401, isRetryable: false, message: "The API key is not valid",
                summary: "The API key is unknown.")
        case .apiKeyInactive:
            Entry(
                "API_KEY_INACTIVE", status: 401, isRetryable: false, message: "The API key is disabled",
                summary: "The API key is disabled or has expired, or the secret has that a rotation replaced.")
        case .apiKeyDeleted:
            Entry(
                "API_KEY_DELETED", status: 401, isRetryable: false, message: "The API key has been deleted",
                summary: "The API key has been deleted.")
        case .insufficientCredits:
            Entry(
                "INSUFFICIENT_CREDITS", status: 402, isRetryable: false, message: "Insufficient credits for this request",
                summary: "The balance of the account does not cover the request.")
        case .smartBalancePaymentFailed:
            Entry(
                "SMART_BALANCE_PAYMENT_FAILED", status: 402, isRetryable: false,
                message: "The automatic top-up is paused because its payment failed",
                summary: "The automatic top-up of the balance is paused because its payment failed.")
        case .apiAccessNotEnabled:
            Entry(
                "API_ACCESS_NOT_ENABLED", status: 403, isRetryable: false, message: "This key has no access to this call",
                summary: "The account has no API access, or the key lacks the scope that the call needs.")
        case .accountSuspended:
            Entry(
                "ACCOUNT_SUSPENDED", status: 403, isRetryable: false, message: "The account is suspended",
                summary: "The account is suspended.")
        case .quotaExceeded:
            Entry(
                "QUOTA_EXCEEDED", status: 403, isRetryable: false, message: "The quota of the account is used up",
                summary: "The items or bytes that the account may have are used up.")
        case .notFound:
            Entry(
                "NOT_FOUND", status: 404, isRetryable: false, message: "Not found",
                summary: "There is no such resource in this account, or no such route.")
        case .apiUserNotFound:
            Entry(
                "API_USER_NOT_FOUND", status: 404, isRetryable: false, message: "The account of this API key was not found",
                summary: "The account record of the key is missing.")
        case .methodNotAllowed:
            Entry(
                "METHOD_NOT_ALLOWED", status: 405, isRetryable: false, message: "This method is not allowed here",
                summary: "The path is known, but not with this method; `Allow` lists those it takes.")
        case .nameReserved:
            Entry(
                "NAME_RESERVED", status: 409, isRetryable: false, message: "This name is reserved",
                summary: "The name is on the list of reserved names.")
        case .nameAlreadyExists:
            Entry(
                "NAME_ALREADY_EXISTS", status: 409, isRetryable: false, message: "This name already exists",
                summary: "The account has an item of the same kind and name; `details` carries its id.")
        case .conflict:
            Entry(
                "CONFLICT", status: 409, isRetryable: false, message: "The current state does not allow this action",
                summary: "A lease token is stale, or the state of the resource forbids the action.")
        case .idempotencyKeyInUse:
            Entry(
                "IDEMPOTENCY_KEY_IN_USE", status: 409, isRetryable: true,
                message: "The first request with this Idempotency-Key is still running",
                summary: "The first request with the same `Idempotency-Key` is still running.")
        case .preconditionFailed:
            Entry(
                "PRECONDITION_FAILED", status: 412, isRetryable: false, message: "The resource has changed: If-Match does not match",
                summary: "`If-Match` does not match the current `ETag`, or `If-None-Match` does.")
        case .imageTooLarge:
            Entry(
                "IMAGE_TOO_LARGE", status: 413, isRetryable: false, message: "An image is larger than 10 MB",
                summary: "An image is larger than 10 MiB (10,485,760 bytes, decoded).")
        case .payloadTooLarge:
            Entry(
                "PAYLOAD_TOO_LARGE", status: 413, isRetryable: false, message: "The request body is too large",
                summary: "The request body is over its limit.")
        case .unsupportedMediaType:
            Entry(
                "UNSUPPORTED_MEDIA_TYPE", status: 415, isRetryable: false,
                message: "The request body must be JSON, with Content-Type: application/json",
                summary: "The request body is declared neither as JSON nor, where a call takes forms, as multipart/form-data.")
        case .rangeNotSatisfiable:
            Entry(
                "RANGE_NOT_SATISFIABLE", status: 416, isRetryable: false, message: "The image ends before the range asked for",
                summary: "A `Range` begins beyond the end of the image; `Content-Range` says how long it is.")
        case .generationRejected:
            Entry(
                "GENERATION_REJECTED", status: 422, isRetryable: false, message: "The input was rejected",
                summary: "The trainer refused the input.")
        case .idempotencyKeyReused:
            Entry(
                "IDEMPOTENCY_KEY_REUSED", status: 422, isRetryable: false, message: "This Idempotency-Key was used for another request",
                summary: "The same `Idempotency-Key` came with another request before.")
        case .tooManyRequests:
            Entry(
                "TOO_MANY_REQUESTS", status: 429, isRetryable: true, message: "Too many requests: the rate limit is reached",
                summary: "A rate limit is reached or a share used up; `Retry-After` says when to come back.")
        case .cancelled:
            Entry(
                "CANCELLED", status: 499, isRetryable: false, message: "The work was cancelled",
                summary: "The work on the item was cancelled.")
        case .internalError:
            Entry(
                "INTERNAL_ERROR", status: 500, isRetryable: true, message: "An unexpected error occurred",
                summary: "Anything unexpected; the reason is in the log under the request id.")
        case .generationFailed:
            Entry(
                "GENERATION_FAILED", status: 500, isRetryable: true, message: "The generation failed",
                summary: "The trainer failed.")
        case .configurationError:
            Entry(
                "CONFIGURATION_ERROR", status: 500, isRetryable: false, message: "The service is not configured correctly",
                summary: "A setting is missing or invalid.")
        case .configError:
            Entry(
                "CONFIG_ERROR", status: 500, isRetryable: false, message: "The webhook settings are incomplete",
                summary: "The webhook settings of fal are incomplete.")
        case .downloadFailed:
            Entry(
                "DOWNLOAD_FAILED", status: 500, isRetryable: true, message: "A result could not be downloaded",
                summary: "A result of the trainer could not be fetched.")
        case .uploadFailed:
            Entry(
                "UPLOAD_FAILED", status: 500, isRetryable: true, message: "An image could not be stored",
                summary: "Media could not be stored: the disk is full or the object store is down.")
        case .deleteFailed:
            Entry(
                "DELETE_FAILED", status: 500, isRetryable: true, message: "An image could not be removed",
                summary: "Media could not be removed; the removal is kept for another try.")
        case .falError:
            Entry(
                "FAL_ERROR", status: 500, isRetryable: true, message: "The generation provider reported an error",
                summary: "fal reported an error.")
        case .invalidModel:
            Entry(
                "INVALID_MODEL", status: 500, isRetryable: false, message: "The model is not valid",
                summary: "The generation names a model that does not exist.")
        case .outpaintFailed:
            Entry(
                "OUTPAINT_FAILED", status: 500, isRetryable: true, message: "The outpainting failed",
                summary: "An image could not be extended beyond its borders.")
        case .titleGenerationError:
            Entry(
                "TITLE_GENERATION_ERROR", status: 500, isRetryable: true, message: "The title could not be generated",
                summary: "A title could not be generated.")
        case .parseError:
            Entry(
                "PARSE_ERROR", status: 500, isRetryable: true, message: "A result could not be understood",
                summary: "The answer of a model could not be parsed.")
        case .serviceUnderMaintenance:
            Entry(
                "SERVICE_UNDER_MAINTENANCE", status: 503, isRetryable: true, message: "The service is under maintenance",
                summary: "Maintenance is on; `Retry-After` says when to come back.")
        case .serviceUnavailable:
            Entry(
                "SERVICE_UNAVAILABLE", status: 503, isRetryable: true,
                message: "The service cannot take this request at the moment; nothing was changed",
                summary:
                    "The store is locked or full, or something that all share is used up; nothing was done, and `Retry-After` says when to come back."
            )
        case .generationTimeout:
            Entry(
                "GENERATION_TIMEOUT", status: 504, isRetryable: true, message: "The generation ran out of time",
                summary: "The job ran out of attempts or time.")
        case .falTimeout:
            Entry(
                "FAL_TIMEOUT", status: 504, isRetryable: true, message: "The generation provider did not finish in time",
                summary: "fal did not finish in time.")
        case .scoringTimeout:
            Entry(
                "SCORING_TIMEOUT", status: 504, isRetryable: true, message: "The scoring ran out of time",
                summary: "A score was not ready in time.")
        case .titleTimeout:
            Entry(
                "TITLE_TIMEOUT", status: 504, isRetryable: true, message: "The title generation ran out of time",
                summary: "A title was not ready in time.")
        }
    }
}
