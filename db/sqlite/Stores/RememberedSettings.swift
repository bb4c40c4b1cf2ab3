import GRDB
import Personas
import Synchronization

/// What every request asks for and operators seldom change: kept in memory, right because only this process writes.
final class RememberedSettings: MaintenanceStore, BlockedTermStore {
    private struct Memory {
        var maintenance = Maintenance(isOn: false)
        var terms: [String] = []
    }

    private let writer: GroupWriter
    private let readers: ReaderSet
    private let memory = Mutex(Memory())

    init(writer: GroupWriter, readers: ReaderSet) {
        self.writer = writer
        self.readers = readers
    }

    var maintenance: Maintenance { memory.withLock { $0.maintenance } }

    var blockedTerms: [String] { memory.withLock { $0.terms } }

    func set(_ maintenance: Maintenance) async throws(Failure) {
        try await writer.write { db in
            try db.run(
                "UPDATE maintenance SET is_on = ?, retry_after_seconds = ? WHERE id = 1", [maintenance.isOn, maintenance.retryAfterSeconds])
        }
        try load()
    }

    func block(_ terms: [String]) async throws(Failure) {
        try await writer.write { db in
            for term in terms where !term.isEmpty {
                try db.run("INSERT INTO blocked_term (term) VALUES (?) ON CONFLICT (term) DO NOTHING", [ContentPolicy.comparable(term)])
            }
        }
        try load()
    }

    /// Reads the stored state; the tables must be there.
    func load() throws(Failure) {
        // Read under the lock, so that of two changes at once the memory ends with what was read last.
        try memory.withLock { memory throws(Failure) in memory = try stored() }
    }

    private func stored() throws(Failure) -> Memory {
        try readers.read { connection in
            var stored = Memory()
            try connection.query("SELECT is_on, retry_after_seconds FROM maintenance WHERE id = 1", []) { row in
                stored.maintenance = Maintenance(isOn: row.integer(0) == 1, retryAfterSeconds: Int(row.integer(1)))
            }
            try connection.query("SELECT term FROM blocked_term ORDER BY term", []) { stored.terms.append(try $0.requiredText(0)) }
            return stored
        }
    }
}
