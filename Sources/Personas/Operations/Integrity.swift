/// Looks whether what is stored agrees with itself.
package protocol IntegrityStore: Sendable {
    /// Compares the database with itself and with the image files, both ways, while the service goes on.
    ///
    /// What is on its way in or out at that moment is no finding: whatever looks wrong is looked at again while no call can change it.
    /// - Parameter collector: removes what nothing needs; nil to only report it. Nothing that a row needs is ever touched, and damage is only
    ///   reported.
    /// - Throws: `cancelled`, and `unexpected` when the check itself cannot be done; whatever is wrong with the data is a finding.
    func check(repairingWith collector: BlobCollector?, at now: Timestamp, progress: @escaping ProgressHandler) async throws(Failure)
        -> IntegrityReport
}

/// One thing that is not as it has to be.
package struct Finding: Sendable, Codable, Equatable {
    /// What kinds of things can be found.
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// SQLite's own check of the file found damage.
        case databaseDamaged = "database_damaged"
        /// A row refers to one that is not there.
        case foreignKeyBroken = "foreign_key_broken"
        /// An item's copy of its image tokens differs from its links.
        case tokensDisagree = "tokens_disagree"
        /// An item in training has not exactly one job to do, or another item has one.
        case jobsDisagree = "jobs_disagree"
        /// The index that searches find names by leads elsewhere than to the items that have them.
        case searchDisagrees = "search_disagrees"
        /// The index that lists find labelled items by leads elsewhere than to the items that have the labels.
        case metadataDisagrees = "metadata_disagrees"
        /// The events of an account are not those of what has become of its items.
        case eventsDisagree = "events_disagree"
        /// A number that is kept beside what it counts is not what there is: of an account's items, of a webhook's deliveries, of credits. Repair counts
        /// anew.
        case countsDisagree = "counts_disagree"
        /// An item in the trash is not what could come back: it is among the others as well, or has a job that is not its own.
        case trashDisagrees = "trash_disagrees"
        /// The earlier states of an item do not follow one another up to the present one.
        case revisionsDisagree = "revisions_disagree"
        /// A delivery is not of the event that it names.
        case deliveriesDisagree = "deliveries_disagree"
        /// Deliveries to an endpoint that is gone are there and not queued for removal. Repair queues them.
        case deliveriesOrphaned = "deliveries_orphaned"
        /// A ledger of credits disagrees with itself, or with how the trainings and top-ups ended that it tells of.
        case creditsDisagree = "credits_disagree"
        /// An endpoint's secret does not open with the key that there is for secrets.
        case secretSealed = "secret_sealed"
        /// What is remembered of an import does not go as far as the import has come.
        case importsDisagree = "imports_disagree"
        /// A row names an image file that is not there.
        case fileMissing = "file_missing"
        /// An image file is not of the length or the hash that its row says.
        case fileDamaged = "file_damaged"
        /// An image file without a row. Repair removes it.
        case fileOrphaned = "file_orphaned"
        /// An image row that nothing links to and that is not queued for removal. Repair removes it with its file.
        case rowOrphaned = "row_orphaned"
        /// The bytes of a deleted item are still on disk after `Limits.removalSecondsMax`. Repair removes them.
        case removalOverdue = "removal_overdue"
        /// A file that was never stored to its end is still there after `Limits.removalSecondsMax`. Repair removes it.
        case incomingLeft = "incoming_left"
        /// Something lies in the media folder that the service did not put there. It is for a person to remove.
        case strange = "strange_file"

        /// Whether a repair makes it good.
        package var isRepairable: Bool {
            switch self {
            case .countsDisagree, .deliveriesOrphaned, .fileOrphaned, .rowOrphaned, .removalOverdue, .incomingLeft: true
            case .databaseDamaged, .foreignKeyBroken, .tokensDisagree, .jobsDisagree, .searchDisagrees, .metadataDisagrees, .eventsDisagree,
                .trashDisagrees, .revisionsDisagree, .deliveriesDisagree, .creditsDisagree, .secretSealed, .importsDisagree, .fileMissing,
                .fileDamaged, .strange:
                false
            }
        }
    }

    /// What is wrong.
    package let kind: Kind
    /// What it is wrong with: a file's path within the data folder, an item's id, a table.
    package let subject: String
    /// The rest in words.
    package let detail: String
    /// Whether the check made it good.
    package let repaired: Bool

    package init(_ kind: Kind, _ subject: String, _ detail: String, repaired: Bool = false) {
        self.kind = kind
        self.subject = subject
        self.detail = detail
        self.repaired = repaired
    }
}

/// What a check found.
package struct IntegrityReport: Sendable, Codable, Equatable {
    /// What was looked at.
    package struct Counts: Sendable, Codable, Equatable {
        /// Personas and styles.
        package var items = 0
        /// Image rows.
        package var images = 0
        /// Bytes of the image files that are as they should be.
        package var imageBytes = 0
        /// Files below the media folder.
        package var files = 0
        /// Images that wait to be removed after a deletion.
        package var pendingRemovals = 0
        /// Seconds that the oldest of them has waited while the data folder was open.
        package var oldestRemovalSeconds = 0
        /// All findings, including those beyond `Limits.findingsMax`.
        package var findings = 0
        /// Those of them that the check made good.
        package var repaired = 0
        /// All findings by the name of their kind; kinds of which there are none are missing.
        package var findingsByKind: [String: Int] = [:]
    }

    /// Whether nothing is wrong, or not any more.
    package private(set) var sound = true
    /// What was looked at.
    package var counts = Counts()
    /// What is wrong, the first `Limits.findingsMax`, and the first few of each kind in any case.
    package private(set) var findings: [Finding] = []

    /// A report without findings.
    package init() {}

    /// Adds a finding.
    package mutating func add(_ finding: Finding) {
        counts.findings += 1
        let ofKind = counts.findingsByKind[finding.kind.rawValue, default: 0] + 1
        counts.findingsByKind[finding.kind.rawValue] = ofKind
        if finding.repaired { counts.repaired += 1 } else { sound = false }
        if findings.count < Limits.findingsMax || ofKind <= Limits.findingsOfKindMin { findings.append(finding) }
    }
}
