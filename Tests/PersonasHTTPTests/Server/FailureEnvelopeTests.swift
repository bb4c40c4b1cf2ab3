import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Personas
import PersonasHTTP
import Testing

/// The table from failures to what clients are told, row by row.
@Suite("A failure's envelope")
struct FailureEnvelopeTests {
    private static let secret = "/var/lib/personas SELECT * FROM api_key"
    private static let id = Identifier.random()

    private static func detail(
        _ field: String, _ message: String, id: Identifier? = nil, index: Int? = nil, code: ErrorCode? = nil
    ) -> ErrorDetail {
        ErrorDetail(field: field, message: message, id: id?.text, index: index, code: code)
    }

    private static let rows: [(failure: Failure, code: ErrorCode, message: String, details: [ErrorDetail])] = [
        (
            .invalid([Violation(.name, "is required"), Violation(field: "body", message: "the body is odd")]), .validationError,
            "The request is invalid: name is required; the body is odd",
            [detail("name", "name is required"), detail("body", "the body is odd")]
        ),
        (.malformedIdentifier(.persona), .invalidPersona, "The persona id is not a UUID", []),
        (.malformedIdentifier(.style), .invalidStyle, "The style id is not a UUID", []),
        (
            .invalidImage(ImagePosition(field: .imageURLs, index: 1), reason: "is truncated"), .invalidImage,
            "image_urls[1] is truncated",
            [detail("image_urls", "image_urls[1] is truncated", index: 1, code: .invalidImage)]
        ),
        (
            .invalidImage(ImagePosition(field: .portrait), reason: "is truncated"), .invalidImage, "portrait_base64 is truncated",
            [detail("portrait_base64", "portrait_base64 is truncated")]
        ),
        (
            .imageTooLarge(ImagePosition(field: .imageBase64s, index: 2)), .imageTooLarge, "image_base64s[2] is larger than 10 MB",
            [detail("image_base64s", "image_base64s[2] is larger than 10 MB", index: 2, code: .imageTooLarge)]
        ),
        (
            .badImages(
                BadImage(ImagePosition(field: .imageFiles, index: 0), .tooLarge),
                others: [BadImage(ImagePosition(field: .imageFiles, index: 2), .unusable(reason: "is truncated"))]),
            .imageTooLarge, "image[0] is larger than 10 MB; image[2] is truncated",
            [
                detail("image", "image[0] is larger than 10 MB", index: 0, code: .imageTooLarge),
                detail("image", "image[2] is truncated", index: 2, code: .invalidImage),
            ]
        ),
        (.stillProcessing(.persona), .cannotDeleteProcessing, "This persona is still processing", []),
        (.stillProcessing(.style), .cannotDeleteProcessing, "This style is still processing", []),
        (.missingAPIKey, .missingAPIKey, "An API key is required in the header X-Api-Key", []),
        (.malformedAPIKey, .invalidAPIKeyFormat, "The API key must start with pkz_", []),
        (.unknownAPIKey, .invalidAPIKey, "The API key is not valid", []), (.inactiveAPIKey, .apiKeyInactive, "The API key is disabled", []),
        (.expiredAPIKey, .apiKeyInactive, "The API key has expired", []),
        (.deletedAPIKey, .apiKeyDeleted, "The API key has been deleted", []),
        (.accountMissing, .apiUserNotFound, "The account of this API key was not found", []),
        (.accountSuspended, .accountSuspended, "The account is suspended", []),
        (.apiAccessDisabled, .apiAccessNotEnabled, "This key has no access to this call", []),
        (.scopeMissing(.trainer), .apiAccessNotEnabled, "The API key does not have the scope trainer", []),
        (.notFound, .notFound, "Not found", []),
        (
            .blockedContent(field: .name), .contentPolicy, "The request breaks the content policy: name holds a blocked term",
            [detail("name", "name holds a blocked term")]
        ),
        (.nameReserved, .nameReserved, "This name is reserved", [detail("name", "This name is reserved")]),
        (
            .nameTaken(.persona, id), .nameAlreadyExists, "A persona with this name already exists",
            [detail("name", "A persona with this name already exists", id: id)]
        ),
        (
            .nameTaken(.style, id), .nameAlreadyExists, "A style with this name already exists",
            [detail("name", "A style with this name already exists", id: id)]
        ),
        (
            .quotaExceeded([
                QuotaExcess(.items, limit: 3, used: 4), QuotaExcess(.storedBytes, limit: 9, used: 8, added: 2),
            ]), .quotaExceeded,
            "The quota of the account is used up: 4 of 3 items are used; 8 of 9 bytes are used, and these images have 2",
            [
                ErrorDetail(field: "items", message: "4 of 3 items are used", limit: 3, used: 4),
                ErrorDetail(field: "stored_bytes", message: "8 of 9 bytes are used, and these images have 2", limit: 9, used: 8),
            ]
        ),
        (
            .externalIDTaken(.persona, id), .conflict, "A persona with this external_id already exists",
            [detail("external_id", "A persona with this external_id already exists", id: id)]
        ),
        (
            .externalIDTaken(.style, id), .conflict, "A style with this external_id already exists",
            [detail("external_id", "A style with this external_id already exists", id: id)]
        ),
        (.invalidAmount(.own("amount")), .invalidAmount, "amount must be a whole number from 1 to 1000000000000", []),
        (
            .insufficientCredits(CreditShortage(price: 3, balance: 2)), .insufficientCredits,
            "\(ErrorCode.insufficientCredits.defaultMessage): it costs 3, and the balance is 2", []
        ),
        (
            .insufficientCredits(CreditShortage(price: 3, balance: 2, isTopUpAsked: true)), .insufficientCredits,
            "\(ErrorCode.insufficientCredits.defaultMessage): it costs 3, and the balance is 2; a top-up is asked for, so try again in a while",
            []
        ),
        (.topUpFailed, .smartBalancePaymentFailed, ErrorCode.smartBalancePaymentFailed.defaultMessage, []),
        (.topUpsNotOffered, .conflict, "This service offers no automatic top-ups", []),
        (.balanceTooHigh(balance: 7), .conflict, "The current state does not allow this action", []),
        (.balanceTooLow(balance: 7), .conflict, "The current state does not allow this action", []),
        (.mediaNotRemoved(secret), .internalError, "An unexpected error occurred", []),
        (.staleLease, .conflict, "The lease is not valid: it ran out, ended, or belongs to another worker", []),
        (.underMaintenance(retryAfterSeconds: 7), .serviceUnderMaintenance, "The service is under maintenance", []),
        (.usedUp(.connections, retryAfterSeconds: 3), .serviceUnavailable, "Too many connections are open; try again later", []),
        (
            .usedUp(.fileDescriptors, retryAfterSeconds: 3), .serviceUnavailable,
            "Too many files and connections are open; try again later", []
        ),
        (.usedUp(.mediaAnswers, retryAfterSeconds: 3), .serviceUnavailable, "Too many images are being sent; try again later", []),
        (.usedUp(.downloads, retryAfterSeconds: 3), .serviceUnavailable, "Too many images are being downloaded; try again later", []),
        (
            .usedUp(.bodyMemory, retryAfterSeconds: 3), .serviceUnavailable,
            "Too many large request bodies are being received; try again later", []
        ),
        (
            .tooManyRequests(.downloads, retryAfterSeconds: 3), .tooManyRequests,
            "The account has too many image downloads under way; try again when one has ended", []
        ),
        (.mediaNotStored(secret), .uploadFailed, "An image could not be stored", []),
        (.configuration(setting: "data", reason: secret), .configurationError, "The service is not configured correctly", []),
        (.unexpected(secret), .internalError, "An unexpected error occurred", []),
        (
            .storeBusy(secret), .serviceUnavailable, "The service cannot store anything at the moment; nothing was changed", []
        ),
        (.accountNameTaken(secret), .conflict, "The current state does not allow this action", []),
        (.keyStaysDeleted(id), .conflict, "The current state does not allow this action", []),
        (.keyDisabled(id), .conflict, "The current state does not allow this action", []),
        (.keyExpired(id), .conflict, "The current state does not allow this action", []),
        (.schemaMismatch(.unknown(migration: secret)), .conflict, "The current state does not allow this action", []),
        (.backupsElsewhere, .conflict, "The current state does not allow this action", []),
        (.folderUnusable(path: secret, .notEmpty), .conflict, "The current state does not allow this action", []),
        (.unknownBackup(secret), .conflict, "The current state does not allow this action", []),
        (.cancelled, .conflict, "The current state does not allow this action", []),
        (.damaged(.dataFolder, Finding(.fileMissing, secret, secret)), .internalError, "An unexpected error occurred", []),
        (.restoreUnfinished(secret), .internalError, "An unexpected error occurred", []),
        (.outOfDisk(path: secret), .internalError, "An unexpected error occurred", []),
        (
            .file(FileFailure(operation: "open", path: secret, reason: secret)), .internalError, "An unexpected error occurred", []
        ),
    ]

    @Test("says what the table says, and nothing of what only the log may know", arguments: rows.indices)
    func translation(index: Int) {
        let row = Self.rows[index]
        let error = row.failure.envelopeError
        #expect(error.code == row.code)
        #expect(error.message == row.message)
        #expect(error.details == row.details)
        #expect(!error.message.contains(Self.secret))
        let isUnexpected = row.code.status == 500 || row.failure == .storeBusy(Self.secret)
        #expect((error.cause != nil) == isUnexpected)
    }

    @Test("calls every field of the domain by the name that clients know it by")
    func fields() {
        let names: [(InputField, String)] = [
            (.name, "name"), (.specialInstructions, "special_instructions"), (.externalID, "external_id"),
            (.metadata, "metadata"), (.imageURLs, "image_urls"), (.imageBase64s, "image_base64s"), (.imageFiles, "image"),
            (.portrait, "portrait_base64"), (.progress, "progress"), (.idempotencyKey, "Idempotency-Key"), (.label, "label"),
            (.account, "account"), (.id, "id"), (.retryAfter, "retry_after"), (.expires, "expires"), (.overlap, "overlap"),
            (.own("wait_seconds"), "wait_seconds"),
        ]
        for (field, name) in names {
            let error = Failure.invalid([Violation(field, "must be another")]).envelopeError
            #expect(error.details == [Self.detail(name, "\(name) must be another")])
            #expect(Failure.blockedContent(field: field).envelopeError.details == [Self.detail(name, "\(name) holds a blocked term")])
        }
    }

    @Test("says every kind of rule as a whole sentence")
    func rules() {
        for (violation, field, message) in [
            (Violation(.imageURLs, .element(1, "must be shorter")), "image_urls", "image_urls[1] must be shorter"),
            (Violation(.imageURLs, .imagesMissing), "image_urls", "Provide image_urls or image_base64s with exactly 3 images"),
            (Violation(.imageURLs, .imagesGivenTwice), "image_urls", "Provide either image_urls or image_base64s, not both"),
            (Violation(.name, "must not be empty").quoting("a\"\n"), "name", #""a\"\n": name must not be empty"#),
            (Violation("lease_token", "is required"), "lease_token", "lease_token is required"),
            (Violation(field: "body", message: "the body is odd"), "body", "the body is odd"),
        ] {
            #expect(Failure.invalid([violation]).envelopeError.details == [Self.detail(field, message)])
        }
    }

    @Test("tells clients how long to wait")
    func retryAfter() {
        #expect(Failure.underMaintenance(retryAfterSeconds: 7).envelopeError.headers[.retryAfter] == "7")
        #expect(Failure.underMaintenance(retryAfterSeconds: 0).envelopeError.headers[.retryAfter] == "1")
        #expect(Failure.storeBusy("locked").envelopeError.headers[.retryAfter] == "5")
        for resource in SharedResource.allCases {
            #expect(Failure.usedUp(resource, retryAfterSeconds: 3).envelopeError.headers[.retryAfter] == "3")
        }
    }
}
