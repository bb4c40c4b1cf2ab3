import ErrorEnvelope
package import ErrorEnvelopeHummingbird
import HTTPTypes
package import Personas

extension Failure: EnvelopeConvertible {
    /// As long as a write waits for a lock before it gives up, so that clients that come back do not queue up behind those that wait.
    private static let storeBusyRetrySeconds = 5
    private static let keysUnread = "The provider's keys cannot be read at the moment; nothing was changed"

    /// The one table from what went wrong to what a client is told. Texts of the unexpected stay behind, as the cause that is logged.
    package var envelopeError: EnvelopeError {
        switch self {
        case .invalid(let violations):
            return .invalid(violations.map { ErrorDetail(field: $0.field.wireName, message: $0.message(naming: \.wireName)) })
        case .malformedIdentifier(.persona): return EnvelopeError(.invalidPersona)
        case .malformedIdentifier(.style): return EnvelopeError(.invalidStyle)
        case .badImages(let first, let others): return Self.refusal(of: [first] + others, as: first.errorCode)
        case .stillProcessing(let mode): return EnvelopeError(.cannotDeleteProcessing, message: "This \(mode.rawValue) is still processing")
        case .notProcessing(let mode): return Self.conflict("This \(mode.rawValue) is settled already; there is nothing to cancel")
        case .notFailed(let mode): return Self.conflict("This \(mode.rawValue) has not failed; there is nothing to retry")
        case .missingAPIKey: return EnvelopeError(.missingAPIKey)
        case .malformedAPIKey: return EnvelopeError(.invalidAPIKeyFormat)
        case .unknownAPIKey: return EnvelopeError(.invalidAPIKey)
        case .inactiveAPIKey: return EnvelopeError(.apiKeyInactive)
        case .expiredAPIKey: return EnvelopeError(.apiKeyInactive, message: "The API key has expired")
        case .deletedAPIKey: return EnvelopeError(.apiKeyDeleted)
        case .accountMissing: return EnvelopeError(.apiUserNotFound)
        case .accountSuspended: return EnvelopeError(.accountSuspended)
        case .apiAccessDisabled: return EnvelopeError(.apiAccessNotEnabled)
        case .scopeMissing(let scope):
            return EnvelopeError(.apiAccessNotEnabled, message: "The API key does not have the scope \(scope.rawValue)")
        case .notFound: return EnvelopeError(.notFound)
        case .blockedContent(let field): return Self.refusal(ofTextIn: field)
        case .nameReserved:
            return EnvelopeError(.nameReserved, details: [ErrorDetail(field: "name", message: ErrorCode.nameReserved.defaultMessage)])
        case .nameTaken(let mode, let id): return Self.refusal(of: .name, taken: mode, by: id, as: ErrorCode.nameAlreadyExists)
        case .externalIDTaken(let mode, let id): return Self.refusal(of: .externalID, taken: mode, by: id, as: .conflict)
        case .quotaExceeded(let excesses): return Self.refusal(of: excesses)
        case .invalidAmount(let field): return EnvelopeError(.invalidAmount, message: "\(field.wireName) \(CreditAmount.rule)")
        case .insufficientCredits(let shortage): return Self.refusal(of: shortage)
        case .topUpFailed: return EnvelopeError(.smartBalancePaymentFailed)
        case .topUpsNotOffered: return Self.conflict("This service offers no automatic top-ups")
        case .preconditionFailed(.match): return EnvelopeError(.preconditionFailed)
        case .preconditionFailed(.noneMatch):
            return EnvelopeError(.preconditionFailed, message: "The resource is one that If-None-Match rules out")
        case .staleLease: return Self.conflict("The lease is not valid: it ran out, ended, or belongs to another worker")
        case .webhookDisabled: return Self.conflict("The webhook is disabled; enable it first")
        case .idempotencyKeyInUse: return EnvelopeError(.idempotencyKeyInUse).retryAfter(seconds: 1)
        case .idempotencyKeyReused: return EnvelopeError(.idempotencyKeyReused)
        case .tooManyRequests(let limit, let seconds):
            return EnvelopeError(.tooManyRequests, message: Self.message(of: limit)).retryAfter(seconds: seconds)
        case .underMaintenance(let seconds): return EnvelopeError(.serviceUnderMaintenance).retryAfter(seconds: seconds)
        case .usedUp(let resource, let seconds):
            return EnvelopeError(.serviceUnavailable, message: Self.message(of: resource)).retryAfter(seconds: seconds)
        case .mediaNotStored: return EnvelopeError(.uploadFailed, cause: self)
        case .configuration: return EnvelopeError(.configurationError, cause: self)
        case .providerConfiguration: return EnvelopeError(.configError, cause: self)
        case .providerUnavailable(let seconds):
            return EnvelopeError(.serviceUnavailable, message: Self.keysUnread, cause: self).retryAfter(seconds: seconds)
        case .unexpected: return EnvelopeError(.internalError, cause: self)
        case .storeBusy:
            let message = "The service cannot store anything at the moment; nothing was changed"
            return EnvelopeError(.serviceUnavailable, message: message, cause: self).retryAfter(seconds: Self.storeBusyRetrySeconds)
        // What only operators meet: their commands are sent the failure itself, and to a client of the API it would be none of its business.
        case .accountNameTaken, .keyStaysDeleted, .keyDisabled, .keyExpired, .balanceTooHigh, .balanceTooLow, .schemaMismatch,
            .backupsElsewhere, .folderUnusable, .unknownBackup, .cancelled:
            return EnvelopeError(.conflict)
        case .mediaNotRemoved, .damaged, .restoreUnfinished, .outOfDisk, .file: return EnvelopeError(.internalError, cause: self)
        }
    }

    private static func conflict(_ message: String) -> EnvelopeError { EnvelopeError(.conflict, message: message) }

    private static func refusal(of images: [BadImage], as code: ErrorCode) -> EnvelopeError {
        EnvelopeError(code, message: images.map(\.message).joined(separator: "; "), details: images.map(\.detail))
    }

    private static func refusal(of field: InputField, taken mode: Mode, by id: Identifier, as code: ErrorCode) -> EnvelopeError {
        let message = "A \(mode.rawValue) with this \(field.wireName) already exists"
        return EnvelopeError(code, message: message, details: [ErrorDetail(field: field.wireName, message: message, id: id.text)])
    }

    private static func refusal(of shortage: CreditShortage) -> EnvelopeError {
        let asked = shortage.isTopUpAsked ? "; a top-up is asked for, so try again in a while" : ""
        let reason = "it costs \(shortage.price), and the balance is \(shortage.balance)\(asked)"
        return EnvelopeError(.insufficientCredits, message: "\(ErrorCode.insufficientCredits.defaultMessage): \(reason)")
    }

    private static func refusal(of excesses: [QuotaExcess]) -> EnvelopeError {
        let reasons = excesses.map(\.text).joined(separator: "; ")
        return EnvelopeError(
            .quotaExceeded, message: "\(ErrorCode.quotaExceeded.defaultMessage): \(reasons)",
            details: excesses.map { ErrorDetail(field: $0.subject.wireName, message: $0.text, limit: $0.limit, used: $0.used) })
    }

    private static func refusal(ofTextIn field: InputField) -> EnvelopeError {
        let reason = "\(field.wireName) holds a blocked term"
        return EnvelopeError(
            .contentPolicy, message: "\(ErrorCode.contentPolicy.defaultMessage): \(reason)",
            details: [ErrorDetail(field: field.wireName, message: reason)])
    }

    private static func message(of limit: RateLimit) -> String {
        switch limit {
        case .reads: "The API key sent too many reads; try again later"
        case .writes: "The API key sent too many writes; try again later"
        case .inFlight: "The API key has too many requests running; try again when one has ended"
        case .searches: "Too many searches are waiting; try again later"
        case .bodyBytes: "The account has too many large request bodies under way; try again when one has ended"
        case .downloads: "The account has too many image downloads under way; try again when one has ended"
        case .streams: "Too many event streams are open already; close one, or try again later"
        case .waits: "Too many requests wait for a change already; ask without waiting, or try again later"
        case .exports: "The account is being exported already; try again when that has ended"
        case .imports: "An import into the account is under way already; try again when it has ended"
        }
    }

    private static func message(of resource: SharedResource) -> String {
        switch resource {
        case .connections: "Too many connections are open; try again later"
        case .fileDescriptors: "Too many files and connections are open; try again later"
        case .mediaAnswers: "Too many images are being sent; try again later"
        case .downloads: "Too many images are being downloaded; try again later"
        case .bodyMemory: "Too many large request bodies are being received; try again later"
        case .archives: "Too many accounts are being exported or imported; try again later"
        }
    }
}

extension BadImage {
    fileprivate var errorCode: ErrorCode {
        switch problem {
        case .unusable: ErrorCode.invalidImage
        case .tooLarge: ErrorCode.imageTooLarge
        }
    }

    fileprivate var message: String {
        let name = position.text(naming: \.wireName)
        return switch problem {
        case .unusable(let reason): "\(name) \(reason)"
        case .tooLarge: "\(name) is larger than 10 MB"
        }
    }

    /// One of several images has a code of its own, because the other bad ones may have another.
    fileprivate var detail: ErrorDetail {
        ErrorDetail(field: position.field.wireName, message: message, index: position.index, code: position.index.map { _ in errorCode })
    }
}

extension QuotaSubject {
    /// The member of `limits` and of `counts` of `/v2/me` that tells of it.
    fileprivate var wireName: String {
        switch self {
        case .items: "items"
        case .storedBytes: "stored_bytes"
        case .webhooks: "webhooks"
        }
    }
}

extension InputField {
    /// The member, parameter or header that clients know the field by.
    fileprivate var wireName: String {
        switch self {
        case .portrait: "portrait_base64"
        case .idempotencyKey: HTTPField.Name.idempotencyKey.rawName
        default: plainName
        }
    }
}
