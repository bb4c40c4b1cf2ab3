/// Lists the migrations.
package struct ListMigrations: AdministrationOperation {
    /// Asks for all of them, applied or not.
    package init() {}

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [MigrationReport]
    {
        try await administration.stores.schema.migrations()
    }
}

/// Writes a backup into a folder.
package struct BackUp: AdministrationOperation {
    private let directory: String

    /// Names the folder by its absolute path.
    package init(directory: String) {
        self.directory = directory
    }

    package static let isLong = true

    /// - Throws: `backupsElsewhere` where the store has none of its own, and as `BackupStore.backup`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport {
        guard let backups = administration.stores.backups else { throw .backupsElsewhere }
        // Whatever was deleted meanwhile had to wait for the backup.
        defer { administration.signals.removals.notify() }
        let report = try await backups.backup(to: directory, progress: progress)
        await administration.tell(.backup, directory)
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
