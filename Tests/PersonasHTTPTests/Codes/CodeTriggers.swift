import ErrorEnvelope
import Personas

extension ErrorCode {
    /// How it comes about. There is no default, so that no code is added without an answer to this.
    var trigger: CodeTrigger {
        switch self {
        case .validationError: .answered(.emptyCreate)
        case .invalidPersona: .answered(.oddID("personas"))
        case .invalidStyle: .answered(.oddID("styles"))
        case .invalidAmount: .answered(.oddThreshold)
        case .invalidImage: .answered(.images("no image", Array("AAAA".utf8)))
        case .contentPolicy: .answered(.blockedTerm)
        case .cannotDeleteProcessing: .answered(.deleteInTraining)
        case .missingAPIKey: .answered(.key("none", .none))
        case .invalidAPIKeyFormat: .answered(.key("nonsense", .text("nonsense")))
        case .invalidAPIKey: .answered(.key("one that was never issued", .text("pkz_unknown")))
        case .apiKeyInactive: .answered(.key(.disabled))
        case .apiKeyDeleted: .answered(.key(.deleted))
        case .insufficientCredits: .answered(.createWithoutCredits)
        case .smartBalancePaymentFailed: .answered(.createAfterDecline)
        case .apiAccessNotEnabled: .answered(.withoutAccess)
        case .accountSuspended: .answered(.suspended)
        case .quotaExceeded: .answered(.overQuota)
        case .notFound: .answered(.unknownItem)
        case .apiUserNotFound: .answered(.withoutAccount)
        case .methodNotAllowed: .answered(.otherMethod)
        case .nameReserved: .answered(.reservedName)
        case .nameAlreadyExists: .answered(.takenName)
        case .conflict: .answered(.cancelTwice)
        case .idempotencyKeyInUse: .answered(.keyInUse)
        case .idempotencyKeyReused: .answered(.keyReused)
        case .preconditionFailed: .answered(.staleTag)
        case .imageTooLarge: .answered(.images("an image of a byte too many", .tooLarge))
        case .payloadTooLarge: .answered(.longBody)
        case .unsupportedMediaType: .answered(.plainText)
        case .rangeNotSatisfiable: .answered(.rangeBeyond)
        case .tooManyRequests: .answered(.manyWrites)
        case .internalError: .answered(.fileThatIsNone)
        case .uploadFailed: .answered(.noRoomForFiles)
        case .deleteFailed: .commanded(.fileThatStays)
        case .serviceUnderMaintenance: .answered(.maintenance)
        case .serviceUnavailable: .answered(.manyReaders)
        // What these mean may be reported by any worker. That fal brings them about is to be seen with a fal: see FalEndToEndTests.
        case .generationRejected, .generationFailed, .downloadFailed, .falError, .falTimeout: .item(.reported(self))
        case .generationTimeout: .item(.lostWorker)
        case .cancelled: .item(.cancel)
        case .configurationError: .start(["credits": "perhaps"])
        case .configError: .start(["trainer": "fal"])
        case .supportImageNotSupported, .missingImageURL, .missingTargetImage, .missingFaceReference, .invalidModel, .outpaintFailed,
            .titleGenerationError, .parseError, .scoringTimeout, .titleTimeout:
            .siblings
        }
    }
}
