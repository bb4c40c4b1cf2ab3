import Foundation
import GRDB
import GRDBSQLite
import Personas
import Testing

@testable import PersonasDB

@Suite("Prepared statements", .timeLimit(.minutes(2)))
struct StatementBoundTests {
    @Test("are the same however often everything is called, whatever the values: a second round prepares nothing new on any connection")
    func everyCallTwice() async throws {
        try await withStorage(readers: 1) { open in
            try await everyCall(open, round: 0)
            let first = try await open.preparedStatements()
            #expect(
                first.written.count > 35 && first.read.count > 40 && first.searched.count > 15, "the statements of all stores were found")
            #expect(first.written.count == Set(first.written).count)
            for round in 1...2 {
                try await everyCall(open, round: round)
                let next = try await open.preparedStatements()
                #expect(Set(next.written).subtracting(first.written) == [] && next.written.count == first.written.count)
                #expect(next.read.subtracting(first.read) == [])
                #expect(next.searched.subtracting(first.searched) == [])
            }
            let bound = PreparedStatements.countMax
            #expect(first.written.count < bound && first.read.count < bound && first.searched.count < bound, "none of them need ever go")
        }
    }

    @Test("take a blob or a text without bytes for what it is, and not for NULL")
    func withoutBytes() async throws {
        try await withStorage { open in
            let values: SQLValues = [[UInt8](), "", Data(), ""]
            let sql = """
                SELECT typeof(?1) || ' ' || typeof(?2) || ' ' || (?1 = x'' AND ?3 = x'' AND x'00' > ?3) || ' ' || (?2 = '' AND ' ' > ?4)
                """
            let read = try open.index.readers.lend { connection in try connection.first(sql, values) { $0.text(0) ?? "NULL" } }
            #expect(read == "blob text 1 1")
            let written = try await open.index.writer.write { db in try db.first(sql, values) { $0.text(0) ?? "NULL" } }
            #expect(written == "blob text 1 1")
        }
    }

    @Test("cost no more memory after many deletes than after few")
    func memoryOfDeletes() async throws {
        try await withStorage { open in
            let account = try await open.account()
            var bytes: [Int32] = []
            for round in 0..<4 {
                for number in 0..<200 {
                    let item = try await open.insert("Item", of: account, outcome: .completed, at: .second(number))
                    let now = Timestamp.second(round * 1_000 + number)
                    _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: now)
                }
                bytes.append(try await open.index.writer.writeDirectly { db in try db.statementBytes() })
            }
            #expect(Set(bytes).count == 1, "\(bytes)")
        }
    }

    @Test("with values in their texts are forgotten by the writing connection before they fill the memory, and all goes on")
    func writerEvicts() async throws {
        try await withStorage { open in
            var most = 0
            for number in 0..<1_000 {
                let sum = try await open.index.writer.writeDirectly { db in
                    try db.firstRow("SELECT \(number) + ? AS sum", [1])?["sum"] as Int?
                }
                #expect(sum == number + 1)
                most = max(most, try await open.index.writer.writeDirectly { db in db.preparedTexts.count })
            }
            #expect(most <= PreparedStatements.countMax + 1)
            _ = try await open.insert("Nova", of: try await open.account())
        }
    }

    @Test("with values in their texts are forgotten by a reading connection before they fill the memory, but for those that run")
    func readerEvicts() async throws {
        try await withStorage(readers: 1) { open in
            try open.index.readers.lend { connection in
                var most = 0
                var outer: [Int64] = []
                // The statement around them runs all the while.
                try connection.query("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", []) { row in
                    for number in 0..<500 {
                        let sum = try connection.first("SELECT \(number) + ?", [1]) { $0.integer(0) }
                        #expect(sum == Int64(number + 1))
                        most = max(most, connection.statements.count)
                    }
                    outer.append(row.integer(0))
                }
                #expect(outer == [1, 2, 3])
                #expect(most <= PreparedStatements.countMax)
                #expect(try connection.first("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", [], row: { $0.integer(0) }) == 1)
            }
        }
    }

    private static let fixed = FixedQuery("SELECT ?1 + ?2")

    @Test("of fixed queries are found by their numbers, and prepared anew once they were forgotten")
    func fixedQueries() async throws {
        try await withStorage(readers: 1) { open in
            try open.index.readers.lend { connection in
                func sum(_ left: Int64, _ right: Int64) throws -> Int64? {
                    try connection.first(Self.fixed) { parameters in
                        parameters.bind(left)
                        parameters.bind(right)
                    } row: {
                        $0.integer(0)
                    }
                }
                #expect(try sum(1, 2) == 3)
                let statement = try #require(connection.statements[Self.fixed.sql])
                #expect(try sum(3, 4) == 7)
                #expect(connection.statements[Self.fixed.sql] == statement)
                // What pushes all others out.
                for number in 0..<PreparedStatements.countMax {
                    _ = try connection.first("SELECT \(number)", []) { $0.integer(0) }
                }
                #expect(connection.statements[Self.fixed.sql] == nil)
                #expect(try sum(5, 6) == 11)
                #expect(connection.statements[Self.fixed.sql] != nil)
            }
            // The writer has them, too.
            let sum = try await open.index.writer.write { db in
                try db.first(
                    Self.fixed, { (parameters: inout SQLParameters) in for _ in 0..<2 { parameters.bind(21) } }, row: { $0.integer(0) })
            }
            #expect(sum == 42)
        }
    }

    @Test("are given their values whole, whether there is room for them on the stack or not, and forget them afterwards")
    func values() async throws {
        try await withStorage(readers: 1) { open in
            try open.index.readers.lend { connection in
                let (id, token) = (Identifier.random(), RandomToken.random())
                let texts = (0...SQLitePlaces.roomBytes + 1).map {
                    String(repeating: "é", count: $0 / 2) + String(repeating: "\0", count: $0 % 2)
                }
                for text in texts {
                    let read = try connection.first("SELECT ?1, ?2, ?3, ?4, ?5, ?6") { parameters in
                        parameters.bind(id)
                        parameters.bind(text)
                        parameters.bind(token)
                        parameters.bind(text)
                        parameters.bind(id)
                    } row: { row in
                        let ids = [try row.identifier(0), try row.identifier(4)]
                        #expect(ids == [id, id])
                        #expect(RandomToken(bytes: row.bytes(2)) == token)
                        #expect(row.bytes(5).isEmpty, "what is given no value is NULL")
                        return [row.text(1), row.text(3)]
                    }
                    #expect(read?[0] == text && read?[1] == text)
                }
                #expect(try connection.first("SELECT coalesce(?1, ?2, ?3, ?4, ?5, ?6) IS NULL", [], row: { $0.integer(0) }) == 1)
                #expect(throws: Failure.self) { try connection.first("SELECT ?1", [1, 2], row: { $0.integer(0) }) }
            }
        }
    }

    @Test("read a word for what it is, and nothing else for it")
    func words() async throws {
        try await withStorage { open in
            try open.index.readers.lend { (connection) throws in
                let (modes, statuses) = (StoredWords<Mode>(), StoredWords<Status>())
                func read<Value>(_ text: String, of words: StoredWords<Value>) throws -> Value? {
                    try connection.first("SELECT ?", [text]) { try $0.word(0, of: words) }
                }
                for mode in Mode.allCases { #expect(try read(mode.rawValue, of: modes) == mode) }
                for status in Status.allCases { #expect(try read(status.rawValue, of: statuses) == status) }
                for text in ["", "Persona", "person", "personas", "persona\0", "style ", "processing, for longer than any word"] {
                    #expect(throws: Failure.self) { try read(text, of: modes) }
                    #expect(throws: Failure.self) { try read(text, of: statuses) }
                }
                #expect(throws: Failure.self) { try connection.first("SELECT NULL", [], row: { try $0.word(0, of: modes) }) }
            }
        }
    }

    @Test("step no further than the first row where only that is asked for")
    func firstRow() async throws {
        try await withStorage { open in
            try open.index.readers.lend { (connection) throws in
                // The second row would fail.
                let sql = "SELECT 1 UNION ALL SELECT abs(-9223372036854775807 - 1)"
                #expect(try connection.first(sql, [], row: { $0.integer(0) }) == 1)
                #expect(throws: Failure.self) { try connection.query(sql, []) { _ in } }
                #expect(try connection.first(sql, [], row: { $0.integer(0) }) == 1)
            }
        }
    }
}

extension SQLConnection {
    /// The first row of a query, with the values that `bind` gives it.
    fileprivate func first<Value>(
        _ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Value
    ) throws -> Value? {
        var value: Value?
        try walk(sql, bind) {
            value = try row($0)
            return false
        }
        return value
    }
}

extension Database {
    /// Bytes that the statements of this connection take.
    fileprivate func statementBytes() throws -> Int32 {
        var (current, highest): (Int32, Int32) = (0, 0)
        try #require(sqlite3_db_status(sqliteConnection, SQLITE_DBSTATUS_STMT_USED, &current, &highest, 0) == SQLITE_OK)
        return current
    }
}
