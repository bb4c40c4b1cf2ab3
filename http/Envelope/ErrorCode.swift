/// The machine-readable reason of a failure: every code that this service and its sibling services (thumbnails, titles, scoring) send.
///
/// The raw value is the text on the wire. Codes are added but never renamed or removed, because clients branch on them; a client
/// therefore has to expect a code it does not know, see ``ErrorBody/codeText``.
public enum ErrorCode: String, CaseIterable, Codable, Hashable, Sendable {
    /// 400. A body, query or header breaks a rule; `details` lists every violation.
    case validationError = "VALIDATION_ERROR"
    /// 400. The id in the path of a persona is not a UUID.
    case invalidPersona = "INVALID_PERSONA"
    /// 400. The id in the path of a style is not a UUID.
    case invalidStyle = "INVALID_STYLE"
    /// 400. A grant or a price is not a positive integer.
    case invalidAmount = "INVALID_AMOUNT"
    /// 400. The bytes are no complete JPEG, PNG, WebP or GIF, the base64 is broken, or the URL gives no image.
    case invalidImage = "INVALID_IMAGE"
    /// 400. A name or an instruction contains a blocked term.
    case contentPolicy = "CONTENT_POLICY"
    /// 400. A deletion was asked for while the job of the item runs.
    case cannotDeleteProcessing = "CANNOT_DELETE_PROCESSING"
    /// 400. The chosen generation takes no support image.
    case supportImageNotSupported = "SUPPORT_IMAGE_NOT_SUPPORTED"
    /// 400. A thumbnail was asked for without the URL of its image.
    case missingImageURL = "MISSING_IMAGE_URL"
    /// 400. A face swap was asked for without the image to change.
    case missingTargetImage = "MISSING_TARGET_IMAGE"
    /// 400. A face swap was asked for without the face to put in.
    case missingFaceReference = "MISSING_FACE_REFERENCE"
    /// 401. The request carries no `X-Api-Key`.
    case missingAPIKey = "MISSING_API_KEY"
    /// 401. The API key does not start with `pkz_`.
    case invalidAPIKeyFormat = "INVALID_API_KEY_FORMAT"
    /// 401. The API key is unknown.
    case invalidAPIKey = "INVALID_API_KEY"
    /// 401. The API key is disabled.
    case apiKeyInactive = "API_KEY_INACTIVE"
    /// 401. The API key has been deleted.
    case apiKeyDeleted = "API_KEY_DELETED"
    /// 402. The balance of the account does not cover the request.
    case insufficientCredits = "INSUFFICIENT_CREDITS"
    /// 402. The automatic top-up of the balance is paused because its payment failed.
    case smartBalancePaymentFailed = "SMART_BALANCE_PAYMENT_FAILED"
    /// 403. The account has no API access, or the key lacks the scope that the call needs.
    case apiAccessNotEnabled = "API_ACCESS_NOT_ENABLED"
    /// 403. The account is suspended.
    case accountSuspended = "ACCOUNT_SUSPENDED"
    /// 403. The items or bytes that the account may have are used up.
    case quotaExceeded = "QUOTA_EXCEEDED"
    /// 404. There is no such resource in this account, or no such route.
    case notFound = "NOT_FOUND"
    /// 404. The account record of the key is missing.
    case apiUserNotFound = "API_USER_NOT_FOUND"
    /// 405. The path is known, but not with this method; `Allow` lists those it takes.
    case methodNotAllowed = "METHOD_NOT_ALLOWED"
    /// 409. The name is on the list of reserved names.
    case nameReserved = "NAME_RESERVED"
    /// 409. The account has an item of the same kind and name; `details` carries its id.
    case nameAlreadyExists = "NAME_ALREADY_EXISTS"
    /// 409. A lease token is stale, or the state of the resource forbids the action.
    case conflict = "CONFLICT"
    /// 409. The first request with the same `Idempotency-Key` is still running.
    case idempotencyKeyInUse = "IDEMPOTENCY_KEY_IN_USE"
    /// 412. `If-Match` does not match the current `ETag`.
    case preconditionFailed = "PRECONDITION_FAILED"
    /// 413. An image is larger than 10 MiB (10,485,760 bytes, decoded).
    case imageTooLarge = "IMAGE_TOO_LARGE"
    /// 413. The request body is over its limit.
    case payloadTooLarge = "PAYLOAD_TOO_LARGE"
    /// 415. The request body is not declared as JSON.
    case unsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE"
    /// 416. A `Range` begins beyond the end of the image; `Content-Range` says how long it is.
    case rangeNotSatisfiable = "RANGE_NOT_SATISFIABLE"
    /// 422. The trainer refused the input.
    case generationRejected = "GENERATION_REJECTED"
    /// 422. The same `Idempotency-Key` came with another request before.
    case idempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED"
    /// 429. A rate limit is reached; `Retry-After` says when to come back.
    case tooManyRequests = "TOO_MANY_REQUESTS"
    /// 499. The work on the item was cancelled.
    case cancelled = "CANCELLED"
    /// 500. Anything unexpected; the reason is in the log under the request id.
    case internalError = "INTERNAL_ERROR"
    /// 500. The trainer failed.
    case generationFailed = "GENERATION_FAILED"
    /// 500. A setting is missing or invalid.
    case configurationError = "CONFIGURATION_ERROR"
    /// 500. The webhook settings of fal are incomplete.
    case configError = "CONFIG_ERROR"
    /// 500. A result of the trainer could not be fetched.
    case downloadFailed = "DOWNLOAD_FAILED"
    /// 500. Media could not be stored: the disk is full or the object store is down.
    case uploadFailed = "UPLOAD_FAILED"
    /// 500. Media could not be removed; the removal is kept for another try.
    case deleteFailed = "DELETE_FAILED"
    /// 500. fal reported an error.
    case falError = "FAL_ERROR"
    /// 500. The generation names a model that does not exist.
    case invalidModel = "INVALID_MODEL"
    /// 500. An image could not be extended beyond its borders.
    case outpaintFailed = "OUTPAINT_FAILED"
    /// 500. A title could not be generated.
    case titleGenerationError = "TITLE_GENERATION_ERROR"
    /// 500. The answer of a model could not be parsed.
    case parseError = "PARSE_ERROR"
    /// 503. Maintenance is on; `Retry-After` says when to come back.
    case serviceUnderMaintenance = "SERVICE_UNDER_MAINTENANCE"
    /// 503. The store is locked or full, or something that all share is used up; nothing was done, and `Retry-After` says when to come back.
    case serviceUnavailable = "SERVICE_UNAVAILABLE"
    /// 504. The job ran out of attempts or time.
    case generationTimeout = "GENERATION_TIMEOUT"
    /// 504. fal did not finish in time.
    case falTimeout = "FAL_TIMEOUT"
    /// 504. A score was not ready in time.
    case scoringTimeout = "SCORING_TIMEOUT"
    /// 504. A title was not ready in time.
    case titleTimeout = "TITLE_TIMEOUT"
}
