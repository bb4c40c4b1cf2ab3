import Foundation
import GRDB
import Personas

/// What becomes of the epoch of a database that is restored.
enum RestoredEpoch {
    /// Numbers of events that a restore passes over: more than can have been given since the backup, and few enough for two million restores within the
    /// whole numbers that every reader of JSON takes (2^53).
    static let sequencesPassed: Int64 = 1 << 32

    /// Gives a database that was restored an epoch of its own, and its accounts numbers of events that none had before. One from before there were any gets
    /// its first by its migration.
    static func renew(_ db: Database) throws {
        guard try db.tableExists("epoch") else { return }
        try db.execute(sql: "UPDATE epoch SET value = ?", arguments: [Data(RandomToken.random().bytes)])
        // Receivers drop what has a lower number than what they hold of an item, and some hold events from after the backup.
        guard try db.tableExists("event_counter") else { return }
        try db.execute(sql: "UPDATE event_counter SET last_sequence = last_sequence + ?", arguments: [sequencesPassed])
    }
}
