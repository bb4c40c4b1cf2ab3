import ErrorEnvelope
import Personas

extension CommandFailure {
    /// A failure of a use case, as the operator that asked for it is to be told: with the reasons that a client of the API has no business to know.
    /// - Parameters:
    ///   - files: those that the images were read from, by which they are named then.
    ///   - fieldName: what the operator knows a field of the input by.
    init(_ failure: Failure, imageFiles files: [String] = [], naming fieldName: (InputField) -> String = \.commandName) {
        self.init(wordsFor: failure, files, fieldName)
        self.failure = failure
    }

    /// The same of what was read from a seed: told by its members, and no wrong use of the command, whose arguments were right.
    var ofSeed: CommandFailure {
        guard let failure else { return self }
        let words = CommandFailure(failure, naming: \.seedName)
        return words.status == .usage ? CommandFailure(.failed, code: words.code, words.message) : words
    }

    /// The same of an archive that was read: no wrong use of the command either.
    var ofArchive: CommandFailure {
        guard case .invalid(let violations) = failure, violations.contains(where: { $0.field == .own("archive") }) else { return self }
        return CommandFailure(.failed, code: code, message)
    }

    private init(wordsFor failure: Failure, _ files: [String], _ fieldName: (InputField) -> String) {
        switch failure {
        case .invalid(let violations):
            self.init(.usage, .validationError, violations.map { $0.message(naming: fieldName) }.joined(separator: "; "))
        case .badImages(let first, let others):
            let code: ErrorCode = first.problem == .tooLarge ? .imageTooLarge : .invalidImage
            self.init(.failed, code, ([first] + others).map { Self.words(for: $0, files, fieldName) }.joined(separator: "; "))
        case .stillProcessing(let mode): self.init(.failed, .cannotDeleteProcessing, "This \(mode.rawValue) is still processing")
        case .notProcessing(let mode): self.init(.failed, .conflict, "this \(mode.rawValue) is settled already; there is nothing to cancel")
        case .notFailed(let mode): self.init(.failed, .conflict, "this \(mode.rawValue) has not failed; there is nothing to retry")
        case .notFound: self.init(.failed, .notFound, "there is no such account, key, persona or style")
        case .accountMissing: self.init(.failed, .apiUserNotFound, "the account was deleted meanwhile")
        case .blockedContent(let field): self.init(.failed, .contentPolicy, "\(fieldName(field)) holds a blocked term")
        case .nameReserved: self.init(.failed, .nameReserved, "the name is reserved")
        case .nameTaken(let mode, let id): self.init(.failed, .nameAlreadyExists, Self.words(forTaken: "name", mode, by: id))
        case .externalIDTaken(let mode, let id): self.init(.failed, .conflict, Self.words(forTaken: fieldName(.externalID), mode, by: id))
        case .quotaExceeded(let excesses):
            self.init(.failed, .quotaExceeded, "the quota of the account is used up: \(excesses.map(\.text).joined(separator: "; "))")
        case .invalidAmount(let field): self.init(.usage, .invalidAmount, "\(fieldName(field)) \(CreditAmount.rule)")
        case .insufficientCredits(let shortage): self.init(.failed, .insufficientCredits, Self.words(for: shortage))
        case .topUpFailed: self.init(.failed, .smartBalancePaymentFailed, Self.topUpFailedWords)
        case .balanceTooHigh(let balance): self.init(.failed, .conflict, Self.words(forTooHigh: balance))
        case .balanceTooLow(let balance): self.init(.failed, .conflict, "the account has \(balance) credits, and no balance is below 0")
        case .accountNameTaken(let name): self.init(.failed, .conflict, "an account named \(name) already exists")
        case .keyStaysDeleted(let id): self.init(.failed, .conflict, "the key \(id.text) was deleted, and stays so")
        case .keyDisabled(let id): self.init(.failed, .conflict, "the key \(id.text) is disabled; enable it first")
        case .keyExpired(let id): self.init(.failed, .conflict, "the key \(id.text) has expired; issue another")
        case .configuration(let setting, let reason): self.init(.configuration, .configurationError, "\(setting): \(reason)")
        case .providerConfiguration(let setting, let reason): self.init(.configuration, .configError, "\(setting): \(reason)")
        case .tooManyRequests(.imports, _): self.init(.failed, .tooManyRequests, "an import into the account is under way already")
        case .idempotencyKeyInUse: self.init(.failed, .idempotencyKeyInUse, "an import with this key is under way")
        case .idempotencyKeyReused: self.init(.failed, .idempotencyKeyReused, "the key was used for another archive")
        case .tooManyRequests(_, let seconds):
            self.init(.failed, .tooManyRequests, "too many requests of this kind are waiting; try again in \(seconds) s")
        case .usedUp(let resource, _): self.init(.unavailable, .serviceUnavailable, Self.words(for: resource))
        case .storeBusy(let reason):
            self.init(.unavailable, .serviceUnavailable, "nothing can be stored at the moment, and nothing was changed (\(reason))")
        case .mediaNotStored(let reason): self.init(.failed, .uploadFailed, "an image could not be stored (\(reason))")
        case .mediaNotRemoved(let reason): self.init(.failed, .deleteFailed, "an image could not be removed (\(reason))")
        case .unexpected(let reason): self.init(.failed, .internalError, reason)
        case .schemaMismatch(let mismatch): self.init(.failed, Self.words(for: mismatch))
        case .backupsElsewhere: self.init(.failed, Self.backupsElsewhereWords)
        case .folderUnusable(let path, let problem): self.init(.failed, Self.words(for: problem, path))
        case .unknownBackup(let unknown):
            self.init(.failed, "the backup belongs to a newer or changed version: \(unknown) is unknown to this one")
        case .damaged(.backup, let finding): self.init(.failed, "the backup is damaged: \(finding.subject): \(finding.detail)")
        case .damaged(.dataFolder, let finding):
            self.init(.failed, "the data folder is damaged, see personas check: \(finding.subject): \(finding.detail)")
        case .restoreUnfinished(let reason):
            self.init(.failed, "the restore is not at its end, which the next opening of the data folder brings about (\(reason))")
        case .outOfDisk(let path): self.init(.failed, "the disk of \(path) is full")
        case .file(let failure): self.init(.failed, failure.text)
        case .cancelled: self.init(.failed, "interrupted; what was begun is taken back")
        // What only clients of the API meet, which come with a key, an address or a lease.
        case .malformedIdentifier, .missingAPIKey, .malformedAPIKey, .unknownAPIKey, .inactiveAPIKey, .expiredAPIKey, .deletedAPIKey,
            .accountSuspended, .apiAccessDisabled, .scopeMissing, .preconditionFailed, .staleLease, .webhookDisabled, .underMaintenance,
            .topUpsNotOffered, .providerUnavailable:
            self.init(.failed, .internalError, "a failure that no command should meet: \(failure)")
        }
    }

    private init(_ status: ExitStatus, _ code: ErrorCode, _ message: String) {
        self.init(status, code: code.rawValue, message)
    }

    private static let topUpFailedWords =
        "the account's credits do not cover the training, and none are bought, because the last time nobody paid"

    private static let backupsElsewhereWords =
        "a shared database and its bucket are backed up by their own tools, such as pgBackRest and versions of the bucket"

    private static func words(forTooHigh balance: Int) -> String {
        "the account has \(balance) credits; grants bring it to \(CreditLedger.balanceMax) at most"
    }

    private static func words(for shortage: CreditShortage) -> String {
        let asked = shortage.isTopUpAsked ? "; more are asked for, so try again in a while" : ""
        return "the training costs \(shortage.price) credits, and the account has \(shortage.balance)\(asked)"
    }

    private static func words(forTaken field: String, _ mode: Mode, by id: Identifier) -> String {
        "a \(mode.rawValue) with this \(field) already exists: \(id.text)"
    }

    private static func words(for image: BadImage, _ files: [String], _ fieldName: (InputField) -> String) -> String {
        let name = image.position.name(among: files, else: fieldName)
        return switch image.problem {
        case .unusable(let reason): "\(name) \(reason)"
        case .tooLarge: "\(name) is larger than \(Limits.imageBytesMax) bytes"
        }
    }

    private static func words(for resource: SharedResource) -> String {
        switch resource {
        case .connections: "too many connections are open; try again later"
        case .fileDescriptors: "too many files and connections are open; try again later"
        case .mediaAnswers: "too many images are being sent; try again later"
        case .downloads: "too many images are being downloaded; try again later"
        case .bodyMemory: "too many large request bodies are being received; try again later"
        case .archives: "too many accounts are being exported or imported; try again later"
        }
    }

    private static func words(for mismatch: SchemaMismatch) -> String {
        switch mismatch {
        case .changed(let migration): "migration \(migration) was changed after it was applied"
        case .unknown(let migration): "migration \(migration) is unknown to this version: the database belongs to a newer one"
        case .pending(let migrations): "pending migrations (\(migrations.joined(separator: ", "))); run personas migrate up"
        }
    }

    private static func words(for problem: FolderProblem, _ path: String) -> String {
        switch problem {
        case .missing: "there is no folder \(path)"
        case .unreadable: "\(path) is not a folder that can be read"
        case .notEmpty: "the folder \(path) is not empty"
        case .insideDataFolder: "\(path): a backup must lie outside of the data folder"
        case .noBackup: "\(path) holds no whole backup: it has no manifest.json"
        case .isBackup: "\(path) is a backup itself; with --keep, name the folder that is to hold several"
        case .holdsBackups: "the folder holds several backups; name one of them, of which the newest is \(path)"
        case .inUse: "another backup is being written into \(path); try again when it has ended"
        }
    }
}

extension ImagePosition {
    /// What an operator knows the image by: its file, if it was read from one.
    fileprivate func name(among files: [String], else fieldName: (InputField) -> String) -> String {
        guard let index, files.indices.contains(index) else { return text(naming: fieldName) }
        return files[index]
    }
}
