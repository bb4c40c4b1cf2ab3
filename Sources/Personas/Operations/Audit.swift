/// What an operator can change, as the audit calls it: the words of the command, joined by dots. They are stored, and do not change.
package enum AuditAction: String, Sendable, CaseIterable {
    /// An account was created.
    case accountsCreate = "accounts.create"
    /// An account was suspended.
    case accountsSuspend = "accounts.suspend"
    /// Its suspension was ended.
    case accountsResume = "accounts.resume"
    /// An account was given API access.
    case accountsEnableAPI = "accounts.enable-api"
    /// API access was taken from it.
    case accountsDisableAPI = "accounts.disable-api"
    /// How much an account may have was changed.
    case accountsQuota = "accounts.quota"
    /// An account was deleted with all that it owned.
    case accountsDelete = "accounts.delete"
    /// An account was given credits.
    case creditsGrant = "credits.grant"
    /// Credits were taken away from an account.
    case creditsRevoke = "credits.revoke"
    /// A key was issued.
    case keysCreate = "keys.create"
    /// A key was given another secret.
    case keysRotate = "keys.rotate"
    /// A key was disabled.
    case keysDisable = "keys.disable"
    /// A key was enabled again.
    case keysEnable = "keys.enable"
    /// A key was deleted.
    case keysDelete = "keys.delete"
    /// Names were reserved.
    case namesReserve = "names.reserve"
    /// Names were released.
    case namesRelease = "names.release"
    /// Terms were blocked.
    case termsBlock = "terms.block"
    /// Terms were released.
    case termsRelease = "terms.release"
    /// Maintenance was turned on, or told clients to wait for another time.
    case maintenanceOn = "maintenance.on"
    /// Maintenance was turned off.
    case maintenanceOff = "maintenance.off"
    /// An item was created in the name of an account.
    case create
    /// An item was deleted.
    case delete
    /// The same, whatever its training did.
    case deleteForce = "delete.force"
    /// The training of an item was cancelled.
    case cancel
    /// The training of an item was begun anew.
    case retry
    /// An item was taken out of the trash.
    case trashRestore = "trash.restore"
    /// An item was removed from the trash for good.
    case trashPurge = "trash.purge"
    /// An endpoint of webhooks was disabled.
    case webhooksDisable = "webhooks.disable"
    /// The secrets of all endpoints were sealed with another key.
    case webhooksRotateSecretsKey = "webhooks.rotate-secrets-key"
    /// Credits are bought for an account again.
    case creditsResume = "credits.resume"
    /// All that an account has was handed out as an archive.
    case export
    /// An archive was taken into an account.
    case `import`
    /// A migration was applied because an operator asked for it.
    case migrateUp = "migrate.up"
    /// A backup was made.
    case backup
    /// What the data folder held was replaced by a backup.
    case restore
    /// What a data folder held was moved into this database.
    case copy
    /// A check removed or mended something.
    case checkRepair = "check.repair"
}

/// One change that an operator made.
package struct AuditEntry: Sendable, Equatable {
    /// When.
    package let at: Timestamp
    /// What was done: an `AuditAction`, or the word of a newer version.
    package let action: String
    /// To what it was done, by its name or id; empty where there is nothing to name. Never a secret.
    package let target: String
    /// The user of the machine who did it.
    package let uid: UInt32

    package init(at: Timestamp, action: String, target: String, uid: UInt32) {
        self.at = at
        self.action = action
        self.target = target
        self.uid = uid
    }
}

/// In whose name operators' writes are done, and who is told of what the audit says of them.
package struct Operator: Sendable {
    /// What became of an entry.
    package enum Notice: Sendable, Equatable {
        /// It is on disk, and so is what it tells of.
        case written(AuditEntry)
        /// What it tells of is done, but the entry could not be written.
        case lost(AuditEntry, Failure)
    }

    /// The user of the machine.
    package let uid: UInt32
    /// Told of every entry once its fate is known.
    package let report: @Sendable (Notice) -> Void

    package init(uid: UInt32, report: @escaping @Sendable (Notice) -> Void = { _ in }) {
        self.uid = uid
        self.report = report
    }
}

/// What the audit is to say of a write, which travels with its `WriteContext`.
package struct AuditNote<Value: Sendable>: Sendable {
    private let action: AuditAction
    private let author: Operator
    private let targets: @Sendable (Value) -> [String]

    /// - Parameter targets: what was changed, told from what the write came to, because a part of what was asked for may have been so already.
    package init(_ action: AuditAction, by author: Operator, targets: @escaping @Sendable (Value) -> [String]) {
        self.action = action
        self.author = author
        self.targets = targets
    }

    /// The entries of a write that came to a value: one, or several where more was changed than one of them should hold.
    package func entries(of value: Value, at now: Timestamp) -> [AuditEntry] {
        var texts: [String] = []
        for target in targets(value) {
            if let last = texts.last, last.utf8.count + target.utf8.count + 2 <= Limits.auditTargetBytesMax {
                texts[texts.count - 1] = "\(last), \(target)"
            } else {
                texts.append(target)
            }
        }
        return texts.map { AuditEntry(at: now, action: action.rawValue, target: $0, uid: author.uid) }
    }

    /// Tells what became of entries. Only for when that is known: not within the transaction that writes them.
    package func report(_ entries: [AuditEntry], lost failure: Failure? = nil) {
        for entry in entries { author.report(failure.map { .lost(entry, $0) } ?? .written(entry)) }
    }
}

/// Remembers what operators changed, the newest `Limits.auditEntriesMax` entries. Other ports write them, each in the transaction of its change, as
/// the `WriteContext` says.
package protocol AuditStore: Sendable {
    /// The newest entries first, at most so many.
    /// - Parameters:
    ///   - since: the moment from which on they are wanted.
    ///   - place: that of the last entry of the page before.
    func entries(
        since: Timestamp?, after place: AuditPlace?, limit: Int
    ) async throws(Failure) -> OperatorPage<AuditEntry, AuditPlace>
    /// Writes down what was done elsewhere, where no transaction could hold it.
    func add(in context: WriteContext<Void>) async throws(Failure)
}

/// Where in the audit an entry stands.
package struct AuditPlace: Sendable, Codable, Equatable, LosslessStringConvertible {
    /// Counts the entries.
    package let number: Int64

    package init(number: Int64) {
        self.number = number
    }

    /// Reads what `description` wrote.
    package init?(_ text: String) {
        guard let number = Int64(text), number > 0 else { return nil }
        self.number = number
    }

    /// As operators write it.
    package var description: String { String(number) }
}

/// An entry of the audit as an operator's program sees it.
package struct AuditReport: Sendable, Codable, Equatable {
    /// RFC 3339.
    package let at: String
    /// What was done.
    package let action: String
    /// To what; empty where there is nothing to name.
    package let target: String
    /// The user of the machine who did it.
    package let uid: UInt32

    init(_ entry: AuditEntry) {
        at = entry.at.text
        action = entry.action
        target = entry.target
        uid = entry.uid
    }
}
