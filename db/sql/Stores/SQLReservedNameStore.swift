import Personas

/// Reserved names as rows.
struct SQLReservedNameStore: ReservedNameStore {
    let writer: any SQLWriter
    let readers: any SQLReader

    func reserve(_ names: [Name], in context: WriteContext<[Name]>) async throws(Failure) -> [Name] {
        try await writer.write(in: context) { db in
            try names.filter { name in
                try db.change(
                    "INSERT INTO reserved_name (name_key, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name_key) DO NOTHING",
                    [name.key, name.text, context.now.milliseconds]) > 0
            }
        }
    }

    func release(_ names: [Name], in context: WriteContext<[Name]>) async throws(Failure) -> [Name] {
        try await writer.write(in: context) { db in
            try names.compactMap { name in
                let stored = try db.first("SELECT name FROM reserved_name WHERE name_key = ?", [name.key]) {
                    Name(stored: try $0.requiredText(0))
                }
                try db.run("DELETE FROM reserved_name WHERE name_key = ?", [name.key])
                return stored
            }
        }
    }

    func reservedNames() async throws(Failure) -> [Name] {
        try await readers.read { connection in
            var names: [Name] = []
            try connection.query("SELECT name FROM reserved_name ORDER BY name_key", []) {
                names.append(Name(stored: try $0.requiredText(0)))
            }
            return names
        }
    }
}
