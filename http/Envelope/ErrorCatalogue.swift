extension ErrorCode {
    /// The HTTP status that always goes with this code.
    ///
    /// Most codes answer a request with it. A few, such as ``cancelled``, only ever appear as the `error.code` of an item.
    public var status: Int {
        switch self {
        case .validationError, .invalidPersona, .invalidStyle, .invalidAmount, .invalidImage, .contentPolicy,
            .cannotDeleteProcessing, .supportImageNotSupported, .missingImageURL, .missingTargetImage, .missingFaceReference:
            400
        case .missingAPIKey, .invalidAPIKeyFormat, .invalidAPIKey, .apiKeyInactive, .apiKeyDeleted:
            401
        case .insufficientCredits, .smartBalancePaymentFailed:
            402
        case .apiAccessNotEnabled, .accountSuspended, .quotaExceeded:
            403
        case .notFound, .apiUserNotFound:
            404
        case .methodNotAllowed:
            405
        case .nameReserved, .nameAlreadyExists, .conflict, .idempotencyKeyInUse:
            409
        case .preconditionFailed:
            412
        case .imageTooLarge, .payloadTooLarge:
            413
        case .unsupportedMediaType:
            415
        case .rangeNotSatisfiable:
            416
        case .generationRejected, .idempotencyKeyReused:
            422
        case .tooManyRequests:
            429
        case .cancelled:
            499
        case .internalError, .generationFailed, .configurationError, .configError, .downloadFailed, .uploadFailed, .deleteFailed,
            .falError, .invalidModel, .outpaintFailed, .titleGenerationError, .parseError:
            500
        case .serviceUnderMaintenance, .serviceUnavailable:
            503
        case .generationTimeout, .falTimeout, .scoringTimeout, .titleTimeout:
            504
        }
    }

    /// A safe public summary, used where the thrower gives no better message.
    ///
    /// A known client derives meaning from words: *credit, insufficient, balance, payment* appear only with status 402, *training, not
    /// ready, still processing* only in ``cannotDeleteProcessing``, *busy, overloaded, rate limit* only in retryable codes, and a message
    /// about a persona does not say "style" nor the reverse.
    public var defaultMessage: String {
        switch self {
        case .validationError: "The request is invalid"
        case .invalidPersona: "The persona id is not a UUID"
        case .invalidStyle: "The style id is not a UUID"
        case .invalidAmount: "The amount must be a positive integer"
        case .invalidImage: "An image could not be read"
        case .contentPolicy: "The request breaks the content policy"
        case .cannotDeleteProcessing: "This item is still processing"
        case .supportImageNotSupported: "A support image is not supported here"
        case .missingImageURL: "An image URL is required"
        case .missingTargetImage: "A target image is required"
        case .missingFaceReference: "A face reference is required"
        case .missingAPIKey: "An API key is required in the header X-Api-Key"
        case .invalidAPIKeyFormat: "The API key must start with pkz_"
        case .invalidAPIKey: "The API key is not valid"
        case .apiKeyInactive: "The API key is disabled"
        case .apiKeyDeleted: "The API key has been deleted"
        case .insufficientCredits: "Insufficient credits for this request"
        case .smartBalancePaymentFailed: "The automatic top-up is paused because its payment failed"
        case .apiAccessNotEnabled: "This key has no access to this call"
        case .accountSuspended: "The account is suspended"
        case .quotaExceeded: "The quota of the account is used up"
        case .notFound: "Not found"
        case .apiUserNotFound: "The account of this API key was not found"
        case .methodNotAllowed: "This method is not allowed here"
        case .nameReserved: "This name is reserved"
        case .nameAlreadyExists: "This name already exists"
        case .conflict: "The current state does not allow this action"
        case .idempotencyKeyInUse: "The first request with this Idempotency-Key is still running"
        case .preconditionFailed: "The resource has changed: If-Match does not match"
        case .imageTooLarge: "An image is larger than 10 MB"
        case .payloadTooLarge: "The request body is too large"
        case .unsupportedMediaType: "The request body must be JSON, with Content-Type: application/json"
        case .rangeNotSatisfiable: "The image ends before the range asked for"
        case .generationRejected: "The input was rejected"
        case .idempotencyKeyReused: "This Idempotency-Key was used for another request"
        case .tooManyRequests: "Too many requests: the rate limit is reached"
        case .cancelled: "The work was cancelled"
        case .internalError: "An unexpected error occurred"
        case .generationFailed: "The generation failed"
        case .configurationError: "The service is not configured correctly"
        case .configError: "The webhook settings are incomplete"
        case .downloadFailed: "A result could not be downloaded"
        case .uploadFailed: "An image could not be stored"
        case .deleteFailed: "An image could not be removed"
        case .falError: "The generation provider reported an error"
        case .invalidModel: "The model is not valid"
        case .outpaintFailed: "The outpainting failed"
        case .titleGenerationError: "The title could not be generated"
        case .parseError: "A result could not be understood"
        case .serviceUnderMaintenance: "The service is under maintenance"
        case .serviceUnavailable: "The service cannot take this request at the moment; nothing was changed"
        case .generationTimeout: "The generation ran out of time"
        case .falTimeout: "The generation provider did not finish in time"
        case .scoringTimeout: "The scoring ran out of time"
        case .titleTimeout: "The title generation ran out of time"
        }
    }

    /// One sentence for developers on when the code is sent; the catalogue's documentation at run time.
    public var summary: String {
        switch self {
        case .validationError: "A body, query or header breaks a rule; `details` lists every violation."
        case .invalidPersona: "The id in the path of a persona is not a UUID."
        case .invalidStyle: "The id in the path of a style is not a UUID."
        case .invalidAmount: "A grant or a price is not a positive integer."
        case .invalidImage: "The bytes are no complete JPEG, PNG, WebP or GIF, the base64 is broken, or the URL gives no image."
        case .contentPolicy: "A name or an instruction contains a blocked term."
        case .cannotDeleteProcessing: "A deletion was asked for while the job of the item runs."
        case .supportImageNotSupported: "The chosen generation takes no support image."
        case .missingImageURL: "A thumbnail was asked for without the URL of its image."
        case .missingTargetImage: "A face swap was asked for without the image to change."
        case .missingFaceReference: "A face swap was asked for without the face to put in."
        case .missingAPIKey: "The request carries no `X-Api-Key`."
        case .invalidAPIKeyFormat: "The API key does not start with `pkz_`."
        case .invalidAPIKey: "The API key is unknown."
        case .apiKeyInactive: "The API key is disabled."
        case .apiKeyDeleted: "The API key has been deleted."
        case .insufficientCredits: "The balance of the account does not cover the request."
        case .smartBalancePaymentFailed: "The automatic top-up of the balance is paused because its payment failed."
        case .apiAccessNotEnabled: "The account has no API access, or the key lacks the scope that the call needs."
        case .accountSuspended: "The account is suspended."
        case .quotaExceeded: "The items or bytes that the account may have are used up."
        case .notFound: "There is no such resource in this account, or no such route."
        case .apiUserNotFound: "The account record of the key is missing."
        case .methodNotAllowed: "The path is known, but not with this method; `Allow` lists those it takes."
        case .nameReserved: "The name is on the list of reserved names."
        case .nameAlreadyExists: "The account has an item of the same kind and name; `details` carries its id."
        case .conflict: "A lease token is stale, or the state of the resource forbids the action."
        case .idempotencyKeyInUse: "The first request with the same `Idempotency-Key` is still running."
        case .preconditionFailed: "`If-Match` does not match the current `ETag`."
        case .imageTooLarge: "An image is larger than 10 MiB (10,485,760 bytes, decoded)."
        case .payloadTooLarge: "The request body is over its limit."
        case .unsupportedMediaType: "The request body is not declared as JSON."
        case .rangeNotSatisfiable: "A `Range` begins beyond the end of the image; `Content-Range` says how long it is."
        case .generationRejected: "The trainer refused the input."
        case .idempotencyKeyReused: "The same `Idempotency-Key` came with another request before."
        case .tooManyRequests: "A rate limit is reached or a share used up; `Retry-After` says when to come back."
        case .cancelled: "The work on the item was cancelled."
        case .internalError: "Anything unexpected; the reason is in the log under the request id."
        case .generationFailed: "The trainer failed."
        case .configurationError: "A setting is missing or invalid."
        case .configError: "The webhook settings of fal are incomplete."
        case .downloadFailed: "A result of the trainer could not be fetched."
        case .uploadFailed: "Media could not be stored: the disk is full or the object store is down."
        case .deleteFailed: "Media could not be removed; the removal is kept for another try."
        case .falError: "fal reported an error."
        case .invalidModel: "The generation names a model that does not exist."
        case .outpaintFailed: "An image could not be extended beyond its borders."
        case .titleGenerationError: "A title could not be generated."
        case .parseError: "The answer of a model could not be parsed."
        case .serviceUnderMaintenance: "Maintenance is on; `Retry-After` says when to come back."
        case .serviceUnavailable:
            "The store is locked or full, or something that all share is used up; nothing was done, and `Retry-After` says when to come back."
        case .generationTimeout: "The job ran out of attempts or time."
        case .falTimeout: "fal did not finish in time."
        case .scoringTimeout: "A score was not ready in time."
        case .titleTimeout: "A title was not ready in time."
        }
    }

    /// Whether the same request, sent again unchanged after a pause, may succeed without anybody changing anything.
    ///
    /// `Retry-After`, where it is sent, says how long the pause has to be.
    public var isRetryable: Bool {
        switch self {
        case .cannotDeleteProcessing, .idempotencyKeyInUse, .tooManyRequests, .internalError, .generationFailed, .downloadFailed,
            .uploadFailed, .deleteFailed, .falError, .outpaintFailed, .titleGenerationError, .parseError,
            .serviceUnderMaintenance, .serviceUnavailable, .generationTimeout, .falTimeout, .scoringTimeout, .titleTimeout:
            true
        case .validationError, .invalidPersona, .invalidStyle, .invalidAmount, .invalidImage, .contentPolicy,
            .supportImageNotSupported, .missingImageURL, .missingTargetImage, .missingFaceReference, .missingAPIKey,
            .invalidAPIKeyFormat, .invalidAPIKey, .apiKeyInactive, .apiKeyDeleted, .insufficientCredits,
            .smartBalancePaymentFailed, .apiAccessNotEnabled, .accountSuspended, .quotaExceeded, .notFound, .apiUserNotFound,
            .methodNotAllowed,
            .nameReserved, .nameAlreadyExists, .conflict, .preconditionFailed, .imageTooLarge, .payloadTooLarge,
            .unsupportedMediaType, .rangeNotSatisfiable, .generationRejected, .idempotencyKeyReused, .cancelled, .configurationError,
            .configError,
            .invalidModel:
            false
        }
    }
}
