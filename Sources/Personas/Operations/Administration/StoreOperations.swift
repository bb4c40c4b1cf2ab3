/// Lists the migrations.
package struct ListMigrations: AdministrationOperation {
    /// Asks for all of them, applied or not.
    package init() {}

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [MigrationReport]
    {
        try await administration.stores.schema.migrations()
    }
}

/// Writes a backup into a folder, or among others into one below it.
package struct BackUp: AdministrationOperation {
    private let directory: String
    private let keep: Int?

    /// Names the folder by its absolute path.
    /// - Parameter keep: how many backups the folder is to hold, each in a folder of its own; nil for one, which is the folder itself.
    package init(directory: String, keep: Int? = nil) {
        self.directory = directory
        self.keep = keep
    }

    package static let isLong = true

    /// - Throws: `backupsElsewhere` where the store has none of its own, and as `BackupStore.backup`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport {
        guard let backups = administration.stores.backups else { throw .backupsElsewhere }
        // Whatever was deleted meanwhile had to wait for the backup.
        defer { administration.signals.removals.notify() }
        let report: BackupReport
        if let keep {
            guard Limits.backupsKept.contains(keep) else {
                let (least, most) = (Limits.backupsKept.lowerBound, Limits.backupsKept.upperBound)
                throw .invalid([Violation("keep", "must be from \(least) to \(most)")])
            }
            report = try await backups.backup(into: directory, keeping: keep, progress: progress)
        } else {
            report = try await backups.backup(to: directory, progress: progress)
        }
        await administration.tell(.backup, report.directory)
        return report
    }
}

/// Looks whether what is stored agrees with itself, and removes what nothing needs if asked to.
package struct CheckIntegrity: AdministrationOperation {
    private let isRepairing: Bool

    package init(isRepairing: Bool) {
        self.isRepairing = isRepairing
    }

    package static let isLong = true

    /// - Throws: as `IntegrityStore.check`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> IntegrityReport {
        let report = try await administration.stores.integrity.check(
            repairingWith: isRepairing ? administration.collector : nil, at: administration.clock.now, progress: progress)
        let repaired = report.counts.repaired
        if repaired > 0 { await administration.tell(.checkRepair, repaired == 1 ? "1 finding" : "\(repaired) findings") }
        return report
    }
}
