/// Everything that can go wrong in a use case, as a closed list.
///
/// Ports and use cases throw this type alone, so that no database or network error can cross a boundary by accident; adapters
/// turn each case into their own words (an error code and a status over HTTP, an exit code on the command line) in one exhaustive switch.
package enum Failure: Error, Sendable, Equatable, Codable {
    /// Input breaks one or more rules; every violation found is listed.
    case invalid([Violation])
    /// What stands for an item's id is not a UUID of the 8-4-4-4-12 form; the mode is that of the items among which it was looked for.
    case malformedIdentifier(Mode)
    /// Images cannot be taken in: every bad one of the request, in their order. The first decides what kind of failure it is.
    case badImages(BadImage, others: [BadImage])
    /// The item's training still runs, which forbids deleting it.
    case stillProcessing(Mode)
    /// Of the item there is nothing to cancel: its training has ended.
    case notProcessing(Mode)
    /// Of the item there is nothing to try again: its training has not failed.
    case notFailed(Mode)
    /// No API key came with the request.
    case missingAPIKey
    /// The API key does not start with `pkz_`.
    case malformedAPIKey
    /// No such API key was ever issued.
    case unknownAPIKey
    /// The API key was disabled by an operator.
    case inactiveAPIKey
    /// The API key has come to its end, or has another secret instead of the one that was presented.
    case expiredAPIKey
    /// The API key was deleted by an operator.
    case deletedAPIKey
    /// The account of the API key exists no more.
    case accountMissing
    /// The account was suspended by an operator.
    case accountSuspended
    /// The account may not use the API.
    case apiAccessDisabled
    /// The API key lacks the scope that the call needs.
    case scopeMissing(Scope)
    /// No such item within reach of the caller.
    case notFound
    /// A text holds a term that the operator blocks; the field is named.
    case blockedContent(field: InputField)
    /// The name is on the operator's list of reserved names.
    case nameReserved
    /// Another item of the account and mode has the name, whatever the case of its letters; its id is named.
    case nameTaken(Mode, Identifier)
    /// Another item of the account and mode has the client's own id; its id is named.
    case externalIDTaken(Mode, Identifier)
    /// The account has as much as it may have; all that is used up is named.
    case quotaExceeded([QuotaExcess])
    /// An amount of credits is none; what stands for it is named.
    case invalidAmount(InputField)
    /// The account's credits do not cover what is asked for.
    case insufficientCredits(CreditShortage)
    /// They do not, and none are bought, because the last time nobody paid.
    case topUpFailed
    /// There is nobody whom the service could ask to buy credits.
    case topUpsNotOffered
    /// The item is not the version that the client demands, or is one that it rules out.
    case preconditionFailed(Precondition.Part)
    /// The endpoint of webhooks is disabled, so that nothing is queued for it.
    case webhookDisabled
    /// The lease of a training job ran out, ended, or belongs to another worker.
    case staleLease
    /// Another request with the same idempotency key still runs, or has taken the key over from one that ran too long.
    case idempotencyKeyInUse
    /// The idempotency key stood for another request before.
    case idempotencyKeyReused
    /// A rate limit is reached; the client should come back after that many seconds.
    case tooManyRequests(RateLimit, retryAfterSeconds: Int)
    /// The service is under maintenance; clients should come back after that many seconds.
    case underMaintenance(retryAfterSeconds: Int)
    /// Image bytes could not be made durable; the text goes to the log.
    case mediaNotStored(String)
    /// Image bytes could not be removed, and are kept for another try; the text goes to the log.
    case mediaNotRemoved(String)
    /// A setting is missing or invalid.
    case configuration(setting: String, reason: String)
    /// A setting of a provider is missing or invalid that the service was told to train with.
    case providerConfiguration(setting: String, reason: String)
    /// What a provider publishes cannot be read for the moment; nothing was done, and the caller should come back after that many seconds.
    case providerUnavailable(retryAfterSeconds: Int)
    /// Anything unexpected; the text goes to the log and never to a client.
    case unexpected(String)
    /// Something that all callers share is used up for the moment; nothing was done, and the client should come back after that many seconds.
    case usedUp(SharedResource, retryAfterSeconds: Int)
    /// The store cannot be written to for the moment: its disk is full, or another process has locked it. Nothing was done, and the same call may
    /// succeed later. The text goes to the log.
    case storeBusy(String)
    /// Another account has the name. From here on follows what only operators meet.
    case accountNameTaken(String)
    /// The API key was deleted, which is for good.
    case keyStaysDeleted(Identifier)
    /// The API key is disabled.
    case keyDisabled(Identifier)
    /// The API key has come to its end.
    case keyExpired(Identifier)
    /// The account has so many credits that it cannot be given as many more.
    case balanceTooHigh(balance: Int)
    /// The account has too few credits for as many to be taken away.
    case balanceTooLow(balance: Int)
    /// The database's schema is not the one that this program works with.
    case schemaMismatch(SchemaMismatch)
    /// The store has no backups of its own: the database and the store of objects that it stands on have theirs.
    case backupsElsewhere
    /// A folder is not fit for a backup to be written to, or to be restored from or into.
    case folderUnusable(path: String, FolderProblem)
    /// A backup was made by a version whose backups this one does not know; what is unknown is named.
    case unknownBackup(String)
    /// Something is not as it was once written; the first that was found is named.
    case damaged(StoredPlace, Finding)
    /// What was restored is whole, but not yet in its place, which the next opening of the data folder brings about. The text says why.
    case restoreUnfinished(String)
    /// The disk on which a file or folder lies is full.
    case outOfDisk(path: String)
    /// The system refused an operation on a file.
    case file(FileFailure)
    /// The work was cancelled before its end; what it had begun is taken back.
    case cancelled
}

/// Where the service's data lie.
package enum StoredPlace: String, Sendable, Codable {
    /// The folder that the service works on.
    case dataFolder
    /// A backup of it.
    case backup
}

/// What all callers share, and what there is only so much of.
package enum SharedResource: String, Sendable, CaseIterable, Codable {
    /// Connections from clients.
    case connections
    /// Files and sockets that the process may have open.
    case fileDescriptors = "file-descriptors"
    /// Answers with the bytes of an image.
    case mediaAnswers = "media-answers"
    /// Downloads of images.
    case downloads
    /// Memory for request bodies and images on their way in.
    case bodyMemory = "body-memory"
    /// Archives on their way in or out.
    case archives
}
