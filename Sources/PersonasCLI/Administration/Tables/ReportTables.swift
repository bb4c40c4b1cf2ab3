import Personas

extension AccountReport: TableRow {
    static let headings = ["name", "state", "api", "items", "bytes", "created at", "id"]

    var cells: [String] {
        [
            name, suspended ? "suspended" : "active", apiAccess ? "enabled" : "disabled", items.cell, storedBytes.cell, createdAt, id.text,
        ]
    }
}

extension NameReport: TableRow {
    static let headings = ["name"]

    var cells: [String] { [name] }
}

extension ReservationReport: ChangeReport {
    var changes: [(title: String, names: [String])] { [("reserved", reserved), ("already reserved", alreadyReserved)] }
}

extension ReleaseReport: ChangeReport {
    var changes: [(title: String, names: [String])] { [("released", released), ("not reserved", notReserved)] }
}

extension MaintenanceReport: TableRow {
    static let headings = ["maintenance", "retry after"]

    var cells: [String] { [on ? "on" : "off", on ? "\(retryAfter) s" : ""] }
}

extension ItemReport: TableRow {
    static let headings = ["id", "account", "mode", "name", "status", "progress", "created at"]

    var cells: [String] { [id.text, account, mode.rawValue, name, status.rawValue, "\(progress) %", createdAt] }

    /// Alone, an item is shown with all that it has.
    var tables: [Table] {
        var rows = [
            ["id", id.text], ["account", account], ["mode", mode.rawValue], ["name", name], ["status", status.rawValue],
            ["progress", "\(progress) %"], ["special instructions", specialInstructions ?? ""], ["external id", externalID ?? ""],
        ]
        rows += metadata.sorted { $0.key < $1.key }.map { ["metadata \($0.key)", $0.value] }
        rows += [["created at", createdAt], ["updated at", updatedAt]]
        if let error { rows.append(["error", "\(error.code.rawValue): \(error.message)"]) }
        if let settlesTo { rows.append(["once settled", settlesTo == .deleted ? "deleted" : "moved to the trash"]) }
        return [Table(headings: ["member", "value"], rows: rows)]
    }
}

extension ItemDetails: TableRenderable {
    var tables: [Table] {
        let jobTable = job.map { job in
            Table(
                headings: ["job", "state", "attempts", "progress", "lease until", "created at"],
                rows: [
                    [
                        job.id.text, job.state.rawValue, "\(job.attempts) of \(job.attemptsMax)", "\(job.progress) %",
                        job.leaseExpiresAt ?? "", job.createdAt,
                    ]
                ])
        }
        let imageRows = images.map { [$0.use, $0.format.rawValue, "\($0.width) x \($0.height)", String($0.bytes), $0.sha256] }
        let trashTable = trash.map { Table(headings: ["in the trash since", "until"], rows: [[$0.deletedAt, $0.purgeAt]]) }
        return item.tables + (trashTable.map { [$0] } ?? []) + (jobTable.map { [$0] } ?? [])
            + [Table(headings: ["image", "format", "pixels", "bytes", "sha256"], rows: imageRows)]
    }
}

extension TrashReport: TableRow {
    static let headings = ["id", "account", "mode", "name", "deleted at", "purge at"]

    var cells: [String] { [id.text, account, mode.rawValue, name, deletedAt, purgeAt] }
}

extension TermReport: TableRow {
    static let headings = ["term"]

    var cells: [String] { [term] }
}

extension AuditReport: TableRow {
    static let headings = ["at", "user", "action", "target"]

    var cells: [String] { [at, UserNames.named(uid), action, target] }
}

extension MigrationReport: TableRow {
    static let headings = ["name", "state", "applied at", "hash"]

    var cells: [String] { [name, state.rawValue, appliedAt ?? "", hash] }
}

extension Confirmation: Presentable {
    func show(asJSON isJSON: Bool) throws(CommandFailure) {
        if isJSON { try Output.json(self) } else { Output.line(message) }
    }
}

extension BackupReport: TableRenderable {
    var tables: [Table] {
        let rows = [
            ["folder", directory], ["state of", createdAt], ["personas and styles", String(items)], ["images", String(images)],
            ["bytes of images", String(imageBytes)], ["bytes of the database", String(databaseBytes)],
        ]
        return [Table(headings: ["what", "value"], rows: rows)] + (retention.map { [$0.table] } ?? [])
    }
}

extension RetentionReport {
    /// What became of everything in the folder.
    fileprivate var table: Table {
        var rows = removed.map { [$0, "removed"] } + kept.map { [$0, "kept"] }
        if !kept.isEmpty { rows[rows.count - 1][1] = "new" }
        rows += left.map { [$0.name, "left alone: \($0.words)"] }
        if leftCount > left.count { rows.append(["and \(Quantities.number(leftCount - left.count)) more", "left alone"]) }
        return Table(headings: ["in the folder", "what became of it"], rows: rows)
    }
}

extension RetentionReport.Left {
    fileprivate var words: String {
        switch reason {
        case .foreign: "it is no backup"
        case .mixed: "it holds more than a backup"
        case .notWhole: "it is not whole"
        case .otherData: "it is of another data folder"
        case .notRemoved: "it could not be removed (\(detail ?? "no reason is known"))"
        }
    }
}
