import GRDB
import Personas

/// Reserved names in SQLite.
struct SQLiteReservedNameStore: ReservedNameStore {
    let writer: GroupWriter
    let readers: ReadPool

    func reserve(_ names: [Name], in context: WriteContext<Void>) async throws(Failure) {
        try await writer.write(in: context) { db in
            for name in names {
                try db.run(
                    "INSERT INTO reserved_name (name_key, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name_key) DO NOTHING",
                    [name.key, name.text, context.now.milliseconds])
            }
        }
    }

    func release(_ names: [Name]) async throws(Failure) -> Int {
        try await writer.write { db in
            var released = 0
            for name in names {
                try db.run("DELETE FROM reserved_name WHERE name_key = ?", [name.key])
                released += db.changesCount
            }
            return released
        }
    }

    func reservedNames() async throws(Failure) -> [Name] {
        try readers.read { connection in
            var names: [Name] = []
            try connection.query("SELECT name FROM reserved_name ORDER BY name_key", []) {
                names.append(Name(stored: try $0.requiredText(0)))
            }
            return names
        }
    }
}
