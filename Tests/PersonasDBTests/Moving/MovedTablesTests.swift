import Foundation
import Personas
import TestPostgres
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Tables that are moved", .timeLimit(.minutes(2)))
    struct MovedTablesTests {
        @Test("Every table and column of both schemas is moved, or is known not to be; what a table refers to comes before it")
        func schemas() async throws {
            try await MoveStage.run { stage in
                let known = Set(MovedTable.all.map(\.name))
                #expect(known.count == MovedTable.all.count)
                let target = try PostgresConnection(try PostgresSettings(stage.server.address(of: stage.database), environment: [:]))
                try await stage.inFolder { open in
                    try open.index.readers.lend { source in
                        let tables = try source.all("SELECT name FROM sqlite_master WHERE type = 'table'", []) { try $0.requiredText(0) }
                        #expect(Set(tables) == known.union(MovedTable.ofSQLiteAlone))
                        for table in MovedTable.all {
                            let shape = try MovedShape(table, from: source, to: target)
                            let columns = try stage.run(
                                "SELECT attname FROM pg_attribute WHERE attrelid = '\"\(table.name)\"'::regclass AND attnum > 0 AND NOT attisdropped"
                            ).split(separator: "\n").map(String.init)
                            #expect(Set(shape.columns.map(\.name)) == Set(columns), "\(table.name)")
                        }
                    }
                }
                let tables = try stage.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").split(separator: "\n").map(
                    String.init)
                #expect(Set(tables) == known.union(MovedTable.ofPostgresAlone))
                let numbered = try stage.run(
                    "SELECT attrelid::regclass || '.' || attname FROM pg_attribute WHERE attidentity <> '' AND attrelid::regclass::text <> ''"
                ).split(separator: "\n").map(String.init)
                #expect(Set(numbered) == Set(MovedTable.all.compactMap { table in table.numbered.map { "\(table.name).\($0)" } }))
                let references = try stage.run(
                    "SELECT conrelid::regclass || ' ' || confrelid::regclass FROM pg_constraint WHERE contype = 'f'"
                ).split(separator: "\n")
                for reference in references {
                    let names = reference.split(separator: " ").map(String.init)
                    let places = names.compactMap { name in MovedTable.all.firstIndex { $0.name == name } }
                    #expect(places.count == 2 && places[1] <= places[0], "\(reference)")
                }
                let rows = MovedTable.all.filter { !$0.hasRowsWhenNew }.map { "SELECT '\($0.name)' FROM \"\($0.name)\"" }
                #expect(try stage.run(rows.joined(separator: " UNION ALL ")) == "", "a new database has rows")
            }
        }
    }
}
