import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Values and statements", .timeLimit(.minutes(3)))
    struct ValueTests {
        @Test(
            "Places are numbered as SQLite numbers them",
            arguments: [
                ("SELECT ?, ?", "SELECT $1, $2", 2),
                ("SELECT ?2, ?, ?1", "SELECT $2, $3, $1", 3),
                ("SELECT ?, ?1, ?", "SELECT $1, $1, $2", 2),
                ("SELECT '?', 'it''s ?', \"a?\"\"b?\", ?", "SELECT '?', 'it''s ?', \"a?\"\"b?\", $1", 1),
                ("SELECT 1 -- ?\n, ? /* ? /* ? */ ? */, ?", "SELECT 1 -- ?\n, $1 /* ? /* ? */ ? */, $2", 2),
                ("SELECT 4 - 2 / 1, ?12", "SELECT 4 - 2 / 1, $12", 12),
                ("SELECT 'é', ?", "SELECT 'é', $1", 1),
                ("SELECT 'unended ?", "SELECT 'unended ?", 0),
                ("", "", 0),
            ])
        func placeholders(sql: String, expected: String, count: Int) {
            let translated = PostgresPlaceholders(sql)
            #expect(translated.sql == expected)
            #expect(translated.count == count)
        }

        @Test("What is stored comes back, whatever its type, and nothing stays nothing")
        func roundTrip() async throws {
            let table = """
                CREATE TABLE kept (id uuid PRIMARY KEY, whole bigint, words text, bytes bytea, small integer, smallest smallint, flag boolean)
                """
            try await withPostgres(table) { open in
                let (id, token) = (Identifier.random(), RandomToken.random())
                try await open.writer.write { db in
                    try db.run(
                        "INSERT INTO kept (id, whole, words, bytes) VALUES (?, ?, ?, ?)",
                        [id, Int64.min, "ä'?\u{1f600}", [UInt8]([0, 255])])
                    try db.run("INSERT INTO kept (id, whole, words, bytes) VALUES (?, ?, ?, ?)", [token, nil, nil, nil])
                    try db.run("UPDATE kept SET small = 7, smallest = -7, flag = true, words = ?2 WHERE id = ?1", [token, ""])
                }
                try await open.reader.read { db in
                    let first = try db.first("SELECT id, whole, words, bytes, small FROM kept WHERE id = ?", [id]) { row in
                        let read = try row.identifier(0)
                        #expect(read == id)
                        #expect(row.integer(1) == .min)
                        #expect(row.text(2) == "ä'?\u{1f600}")
                        #expect(Array(row.bytes(3)) == [0, 255])
                        #expect(row.isNull(4) && row.integer(4) == 0 && row.bytes(4).isEmpty)
                        return true
                    }
                    #expect(first == true)
                    let second = try db.first("SELECT id, small, smallest, flag, words, bytes FROM kept WHERE id = ?", [token]) { row in
                        #expect(RandomToken(bytes: row.bytes(0)) == token)
                        #expect([row.integer(1), row.integer(2), row.integer(3)] == [7, -7, 1])
                        #expect(row.text(4) == "" && row.text(5) == nil)
                        return true
                    }
                    #expect(second == true)
                    #expect(try db.all("SELECT id FROM kept WHERE whole = ?", [3]) { try $0.identifier(0) } == [])
                }
            }
        }

        @Test("Sums of whole numbers are whole numbers; what is none is refused, as are bytes of a number")
        func numbers() async throws {
            try await withPostgres { open in
                let texts = [
                    "0", "1", "-1", "9999", "10000", "12345678", "100000000", "9223372036854775807", "-9223372036854775808", "10000.000",
                    "-120000",
                ]
                for text in texts {
                    let read = try await open.reader.read { db in try db.first("SELECT CAST(? AS text)::numeric", [text]) { $0.integer(0) }
                    }
                    #expect(read == Int64(text.prefix { $0 != "." }), "\(text)")
                }
                for text in ["0.5", "9223372036854775808", "-9223372036854775809", "100000000000000000000000000", "1e-20"] {
                    let refused = await result { () throws(Failure) in
                        try await open.reader.read { db in try db.first("SELECT CAST(? AS text)::numeric", [text]) { $0.integer(0) } }
                    }
                    #expect(refused.unexpectedText?.contains("no whole number") == true, "\(text): \(refused)")
                }
                let sum = try await open.reader.read { db in
                    try db.first("SELECT sum(x) FROM (VALUES (CAST(? AS bigint)), (?)) AS t (x)", [Int64.max - 1, 1]) { $0.integer(0) }
                }
                #expect(sum == .max)
                let wrong = await result { () throws(Failure) in
                    try await open.reader.read { db in try db.first("SELECT 1", []) { $0.bytes(0).count } }
                }
                #expect(wrong.unexpectedText?.contains("holds a number") == true)
                let tooMany = await result { () throws(Failure) in try await open.reader.read { db in try db.finds("SELECT ?", [1, 2]) } }
                #expect(tooMany.unexpectedText?.contains("1 places and 2 values") == true)
            }
        }

        private static let fixed = FixedQuery("SELECT ? + 1")

        @Test("Statements are prepared once for each mixture of types, and forgotten when there are too many")
        func statements() async throws {
            try await withPostgres { open in
                let connection = try open.connect()
                func preparedCount() throws -> Int64 {
                    try connection.first("SELECT count(*) FROM pg_prepared_statements", []) { $0.integer(0) } ?? 0
                }
                _ = try preparedCount()
                let before = try preparedCount()
                for round in 0..<3 {
                    #expect(try connection.first("SELECT coalesce(?, 5)", [round]) { $0.integer(0) } == Int64(round))
                    #expect(try connection.first("SELECT coalesce(?, 5)", [nil]) { $0.integer(0) } == 5)
                    #expect(
                        try connection.first(Self.fixed) {
                            $0.bind(Int64(round))
                        } row: {
                            $0.integer(0)
                        } == Int64(round) + 1)
                }
                #expect(try preparedCount() == before + 3)
                for number in 0..<PostgresStatements.countMax + 10 {
                    #expect(
                        try connection.first("SELECT \(number), ?", [number]) { [$0.integer(0), $0.integer(1)] } == [
                            Int64(number), Int64(number),
                        ])
                }
                #expect(try preparedCount() < 40)
                #expect(
                    try connection.first(Self.fixed) {
                        $0.bind(Int64(1))
                    } row: {
                        $0.integer(0)
                    } == 2)
            }
        }

        @Test("What is forgotten here goes from the server too, even where an error passes over that at first")
        func leftOver() async throws {
            try await withPostgres { open in
                let connection = try open.connect()
                for number in 0..<PostgresStatements.countMax - 20 { try connection.run("SELECT \(number)") }
                try connection.settle()
                connection.begin()
                try connection.run("SELECT 1 / ?", [0])
                for number in 0..<40 { try connection.run("SELECT -\(number)") }
                #expect(throws: PostgresError.self) { try connection.commit() }
                // The one that forgets is passed over because of what stands before it.
                try connection.run("SELECT 1 / ?", [1])
                try connection.settle()
                for number in 0..<PostgresStatements.countMax - 20 { try connection.run("SELECT 1000 + \(number)") }
                try connection.settle()
                try connection.run("SELECT 1 / ?", [0])
                for number in 0..<40 { try connection.run("SELECT -1000 - \(number)") }
                #expect(throws: PostgresError.self) { try connection.settle() }
                let count = try connection.first("SELECT count(*) FROM pg_prepared_statements", []) { $0.integer(0) }
                #expect(try #require(count) < 40)
            }
        }

        @Test("Without names for statements all goes as well")
        func unnamed() async throws {
            try await withPostgres("CREATE TABLE one (id bigint PRIMARY KEY)", settings: { $0.namesStatements = false }) { open in
                try await open.writer.write { db in
                    try db.run("INSERT INTO one VALUES (?)", [1])
                    #expect(try db.unlessTaken { try db.run("INSERT INTO one VALUES (?)", [1]) } == nil)
                    #expect(try db.change("UPDATE one SET id = ?", [2]) == 1)
                    #expect(try db.first("SELECT count(*) FROM pg_prepared_statements", []) { $0.integer(0) } == 0)
                }
                #expect(try open.run("SELECT id FROM one") == "2")
            }
        }

        @Test("A statement whose plan is no longer what it was is prepared anew")
        func stalePlans() async throws {
            try await withPostgres("CREATE TABLE one (id bigint PRIMARY KEY, text text); INSERT INTO one VALUES (1, 'a')") { open in
                // Each of the threads may have prepared it.
                for expected in ["a", "1", "b"] {
                    if expected == "1" { try open.run("ALTER TABLE one ALTER text TYPE bigint USING 1") }
                    if expected == "b" { try open.run("ALTER TABLE one ALTER text TYPE text USING 'b'") }
                    for _ in 0..<8 {
                        let read = try await open.reader.read { db in
                            try db.first("SELECT text FROM one", []) { expected == "1" ? "\($0.integer(0))" : $0.text(0) }
                        }
                        #expect(read == expected)
                    }
                }
            }
        }

        @Test("The address is taken as libpq takes it, with what it leaves out made safe")
        func settings() throws {
            func keywords(_ text: String, _ environment: [String: String] = [:]) throws(Failure) -> [String: String] {
                try PostgresSettings(text, environment: environment).keywords
            }
            let far = try keywords("postgres://me:secret@a,b,c/name?connect_timeout=2")
            #expect(far["host"] == "a,b,c" && far["dbname"] == "name" && far["password"] == "secret")
            #expect(far["sslmode"] == "verify-full" && far["target_session_attrs"] == "read-write")
            #expect(far["connect_timeout"] == "2" && far["application_name"] == "personas")
            #expect(try keywords("host=a,b sslmode=require target_session_attrs=any")["sslmode"] == "require")
            #expect(try keywords("host=a target_session_attrs=any")["target_session_attrs"] == "any")
            for near in [
                "host=/run/postgresql", "dbname=x", "host=localhost", "postgres://127.0.0.1/x", "postgres://[::1]/x",
                "host=localhost,127.3.2.1",
            ] {
                #expect(try keywords(near)["sslmode"] == nil, "\(near)")
            }
            for notNear in ["host=localhost,a", "host=localhost hostaddr=10.0.0.1", "host=127.0.0.1.example.org", "service=x"] {
                #expect(try keywords(notNear)["sslmode"] == "verify-full", "\(notNear)")
            }
            #expect(try keywords("dbname=x", ["PGHOST": "a"])["sslmode"] == "verify-full")
            #expect(try keywords("dbname=x", ["PGHOST": "a", "PGSSLMODE": "require"])["sslmode"] == nil)
            #expect(try !PostgresSettings("postgres://me:secret@a/name", environment: [:]).description.contains("secret"))
            for wrong in [
                "postgres://me:sec\"ret@[a/name", "secret", "password='secret", "postgres://me:secret@a/name?secret=1", "host=a secret=1",
            ] {
                let refused = Result { () throws(Failure) in try keywords(wrong) }
                guard case .failure(.configuration(setting: "database", let reason)) = refused else {
                    Issue.record("\(wrong): \(refused)")
                    continue
                }
                #expect(!reason.contains("ret"), "\(reason)")
            }
        }
    }
}
