import Personas

/// How much is stored, by the counts that triggers keep.
enum StoredContents {
    /// What there is of all accounts at one moment.
    static func read(_ connection: any SQLConnection) throws -> StoreContents {
        try connection.atOneMoment {
            var counts: [Mode: [Status: Int]] = [:]
            try connection.query("SELECT mode, status, count FROM item_count", []) { row in
                guard let mode = row.text(0).flatMap(Mode.init), let status = row.text(1).flatMap(Status.init) else { return }
                counts[mode, default: [:]][status, default: 0] += Int(row.integer(2))
            }
            let accounts = try connection.first("SELECT count(*) FROM account", []) { Int($0.integer(0)) }
            var trash: [Mode: Int] = [:]
            try connection.query("SELECT mode, count FROM trash_count", []) { row in
                guard let mode = row.text(0).flatMap(Mode.init) else { return }
                trash[mode, default: 0] += Int(row.integer(1))
            }
            return StoreContents(accounts: accounts ?? 0, counts: counts, trash: trash)
        }
    }
}
