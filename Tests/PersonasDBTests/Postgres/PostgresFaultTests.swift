import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Faults", .timeLimit(.minutes(3)))
    struct FaultTests {
        private static let table = "CREATE TABLE one (id bigint PRIMARY KEY)"

        @Test("A connection that is ended before COMMIT has the body run again on another")
        func endedBeforeCommit() async throws {
            try await withPostgres(Self.table) { open in
                let runs = Shared(0)
                try await open.writer.write { db in
                    let isFirst = runs.next() == 1
                    try db.run("INSERT INTO one VALUES (?)", [1])
                    db.tell(anEvent(1))
                    let backend = try db.first("SELECT pg_backend_pid()", []) { $0.integer(0) } ?? 0
                    if isFirst { try open.run("SELECT pg_terminate_backend(\(backend), 10000)") }
                    try db.run("INSERT INTO one VALUES (?)", [2])
                    _ = try db.finds("SELECT 1", [])
                }
                #expect(runs.value == 2)
                #expect(open.told.value.count == 1)
                #expect(try open.run("SELECT count(*) FROM one") == "2")
            }
        }

        @Test("Connections that were ended while nothing was asked of them leave no doubt about what comes next")
        func endedWhileIdle() async throws {
            try await withPostgres(Self.table, threads: 2) { open in
                let idle = try open.connect()
                #expect(idle.wire.looksAlive())
                for round in 0..<3 {
                    for number in 0..<4 {
                        try await open.writer.write { db in try db.run("INSERT INTO one VALUES (?)", [10 * round + number]) }
                    }
                    #expect(try await open.reader.read { db in try db.finds("SELECT 1", []) })
                    try open.run(
                        """
                        SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                        WHERE application_name = 'personas' AND datname = '\(open.name)'
                        """
                    )
                    #expect(try open.sessions(where: "true") == 0)
                }
                #expect(!idle.wire.looksAlive() && idle.isBroken)
                #expect(try await open.reader.read { db in try db.first("SELECT count(*) FROM one", []) { $0.integer(0) } } == 12)
            }
        }

        @Test("A connection that ended without a word while nothing was asked of it is found out before anything is sent")
        func endedSilently() async throws {
            try await withPostgres(Self.table) { open in
                let seat = PostgresSeat(open.settings)
                for number in 0..<3 {
                    try seat.use { connection in
                        connection.begin()
                        try connection.run("INSERT INTO one VALUES (?)", [number])
                        try connection.commit()
                        let socket = try #require(connection.wire.socket)
                        #expect(shutdown(socket, Int32(SHUT_RDWR)) == 0)
                    }
                }
                #expect(try open.run("SELECT count(*) FROM one") == "3")
            }
        }

        @Test("A read whose connection breaks is done once more, and no oftener")
        func readAgain() async throws {
            try await withPostgres { open in
                for breakCount in 1...2 {
                    let runs = Shared(0)
                    let read = await result { () throws(Failure) in
                        try await open.reader.read { db in
                            let run = runs.next()
                            let backend = try db.first("SELECT pg_backend_pid()", []) { $0.integer(0) } ?? 0
                            if run <= breakCount { try open.run("SELECT pg_terminate_backend(\(backend), 10000)") }
                            return try db.first("SELECT 5", []) { $0.integer(0) }
                        }
                    }
                    #expect(runs.value == 2)
                    if breakCount > 1 { #expect(read.isStoreBusy, "\(read)") } else { #expect(read == .success(5)) }
                }
            }
        }

        /// Ends the connection of whoever inserts a row while COMMIT runs, as long as a sequence says so.
        private static let deadly = """
            CREATE TABLE one (id bigint PRIMARY KEY, number bigint); CREATE SEQUENCE deaths;
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NEW.number >= nextval('deaths') THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(30); END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER death AFTER INSERT ON one DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
            """

        @Test("What became of a COMMIT whose answer never came is unknown, and is said or found out")
        func unknownOutcome() async throws {
            try await withPostgres(Self.deadly) { open in
                let runs = Shared(0)
                let told = await result { () throws(Failure) in
                    try await open.writer.write { db in
                        _ = runs.next()
                        try db.run("INSERT INTO one VALUES (?, ?)", [1, 1])
                        db.tell(anEvent(1))
                    }
                }
                #expect(told.unexpectedText?.contains("outcome unknown") == true, "\(told)")
                #expect(runs.value == 1, "a body whose commit may have come about is not run again")
                #expect(open.told.value == [])

                try open.run("SELECT setval('deaths', 1, false)")
                let again = UnknownOutcome<String>.again { db in
                    try db.change("INSERT INTO one VALUES (?, 0) ON CONFLICT (id) DO NOTHING", [2]) == 0 ? "was done" : "is done now"
                }
                let found = try await open.writer.write(afterUnknownOutcome: again) { db in
                    try db.run("INSERT INTO one VALUES (?, ?)", [2, 1])
                    return "is done"
                }
                #expect(found == "is done now")
                #expect(try open.run("SELECT count(*) FROM one WHERE id = 2") == "1")
                #expect(try await open.writer.write(afterUnknownOutcome: again) { _ in "nothing" } == "nothing")
            }
        }

        @Test("A server that stands still costs no more than its time, and is used again when it goes on")
        func stoppedServer() async throws {
            let server = try PostgresServer()
            defer { server.stop() }
            try await server.withDatabase { name in
                try server.run(Self.table, in: name)
                var settings = try PostgresSettings(server.address(of: name) + " connect_timeout=2", environment: [:])
                settings.statementMillisecondsMax = 500
                let writer = PostgresWriter(settings: settings, threads: 2)
                let reader = PostgresReader(settings: settings, threads: 2, scansWaitingMax: 2)
                try await writer.write { db in try db.run("INSERT INTO one VALUES (?)", [1]) }
                _ = try await reader.read { db in try db.finds("SELECT 1", []) }
                try server.hold(true)
                try await bounded("refusals") {
                    for number in 2..<5 {
                        async let written = result { () throws(Failure) in
                            try await writer.write { db in
                                try db.run("INSERT INTO one VALUES (?)", [number])
                                _ = try db.finds("SELECT 1", [])
                            }
                        }
                        async let read = result { () throws(Failure) in try await reader.read { db in try db.finds("SELECT 1", []) } }
                        let (first, second) = await (written, read)
                        #expect(first.isStoreBusy, "\(first)")
                        #expect(second.isStoreBusy, "\(second)")
                    }
                }
                try server.hold(false)
                try await eventually("going on") {
                    let written = await result { () throws(Failure) in
                        try await writer.write { db in try db.run("INSERT INTO one VALUES (?) ON CONFLICT DO NOTHING", [10]) }
                    }
                    let read = await result { () throws(Failure) in try await reader.read { db in try db.finds("SELECT 1", []) } }
                    return (try? written.get()) != nil && (try? read.get()) == true
                }
                // Nothing that was refused came about.
                #expect(try server.run("SELECT string_agg(id::text, ',' ORDER BY id) FROM one", in: name) == "1,10")
                writer.close()
                reader.close()
            }
        }

        @Test("A commit that waits for a standby too long, or no longer, is of unknown outcome")
        func missingStandby() async throws {
            let server = try PostgresServer()
            defer { server.stop() }
            try server.run("CREATE DATABASE one")
            try server.run(Self.table, in: "one")
            var settings = try PostgresSettings(server.address(of: "one"), environment: [:])
            settings.statementMillisecondsMax = 3_000
            let writer = PostgresWriter(settings: settings, threads: 2)
            defer { writer.close() }
            try await writer.write { _ in }
            try server.run("ALTER SYSTEM SET synchronous_standby_names = 'missing'")
            try server.run("SELECT pg_reload_conf()")
            try await eventually("the setting") { try server.run("SHOW synchronous_standby_names") == "missing" }

            func isCommitWaiting() throws -> Bool {
                try server.run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1"
            }
            async let cancelled = result { () throws(Failure) in
                try await writer.write { db in try db.run("INSERT INTO one VALUES (1)", []) }
            }
            try await eventually("a commit that waits", isCommitWaiting)
            try server.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            let first = await cancelled
            #expect(first.unexpectedText?.contains("outcome unknown") == true, "\(first)")

            let late = await result { () throws(Failure) in try await writer.write { db in try db.run("INSERT INTO one VALUES (2)", []) } }
            #expect(late.unexpectedText?.contains("outcome unknown") == true, "\(late)")
            #expect(try isCommitWaiting(), "nobody cancels a commit")
            try await writer.writeAsynchronously { db in try db.run("INSERT INTO one VALUES (3)", []) }
            try server.run("ALTER SYSTEM RESET synchronous_standby_names")
            try server.run("SELECT pg_reload_conf()")
            try await eventually("all three") { try server.run("SELECT count(*) FROM one", in: "one") == "3" }
            try await writer.write { db in try db.run("INSERT INTO one VALUES (4)", []) }
        }

        @Test(
            "A server that does not keep what it is told is refused, as is a database in another encoding; a missing one is not there for now"
        )
        func refusals() async throws {
            let server = try PostgresServer(settings: ["fsync=off"])
            defer { server.stop() }
            func check(_ server: PostgresServer, _ database: String) async throws -> Result<Void, Failure> {
                let reader = PostgresReader(
                    settings: try PostgresSettings(server.address(of: database), environment: [:]), threads: 1, scansWaitingMax: 1)
                defer { reader.close() }
                return await result { () throws(Failure) in try await reader.check() }
            }
            let unsafe = try await check(server, "postgres")
            guard case .failure(.configuration(setting: "database", let reason)) = unsafe, reason.contains("fsync") else {
                Issue.record("\(unsafe)")
                return
            }
            let shared = try PostgresServer.shared.get()
            try await check(shared, "postgres").get()
            let missing = try await check(shared, "nowhere")
            #expect(missing.isStoreBusy, "\(missing)")
            try shared.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
            let latin = try await check(shared, "latin")
            guard case .failure(.configuration(setting: "database", let why)) = latin, why.contains("LATIN1") else {
                Issue.record("\(latin)")
                return
            }
        }
    }
}

extension PostgresTests.FaultTests {
    /// What the caller of a write was told.
    private enum Told: Sendable {
        case done, refused, unknown
    }

    @Test("While connections are ended again and again, what was acknowledged is there, what was refused is not, and each is there once")
    func ledger() async throws {
        let tables = """
            CREATE TABLE one (id uuid PRIMARY KEY); CREATE TABLE two (id uuid PRIMARY KEY, number bigint UNIQUE);
            """
        try await withPostgres(tables, threads: 8, waitingMax: 512) { open in
            let isOver = Shared(false)
            let killer = Task.detached {
                var count = 0
                while !isOver.value, count < 2_000 {
                    try open.run(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = '\(open.name)' AND application_name = 'personas' ORDER BY random() LIMIT 2
                        """)
                    count += 1
                }
                return count
            }
            let told = try await withThrowingTaskGroup(of: (Identifier, Told).self) { group in
                for number in 0..<400 {
                    group.addTask {
                        let id = Identifier.random()
                        let ending = await result { () throws(Failure) in
                            try await open.writer.write { db in try Self.enter(id, number, db) }
                        }
                        switch ending {
                        case .success: return (id, .done)
                        case .failure(.storeBusy): return (id, .refused)
                        case .failure(.unexpected(let text)) where text.contains("outcome unknown"): return (id, .unknown)
                        case .failure(let failure): throw failure
                        }
                    }
                }
                return try await group.reduce(into: [(Identifier, Told)]()) { $0.append($1) }
            }
            isOver.withLock { $0 = true }
            let killCount = try await killer.value
            let there = Set(try open.run("SELECT id FROM one").split(separator: "\n").map(String.init))
            let complete = Set(try open.run("SELECT one.id FROM one JOIN two ON two.id = one.id").split(separator: "\n").map(String.init))
            #expect(there == complete)
            for (id, told) in told {
                switch told {
                case .done: #expect(there.contains(id.text))
                case .refused: #expect(!there.contains(id.text))
                case .unknown: break
                }
            }
            #expect(killCount > 0)
            #expect(told.contains { $0.1 == .done })
        }
    }

    /// A row in each of two tables, in one of several ways: without an answer in between, with one, and with a part that is undone.
    private static func enter(_ id: Identifier, _ number: Int, _ db: any SQLTransaction) throws {
        try db.run("INSERT INTO one VALUES (?)", [id])
        if number % 3 == 1 { _ = try db.finds("SELECT 1 FROM two WHERE id = ?", [id]) }
        try db.run("INSERT INTO two VALUES (?, ?)", [id, number])
        if number % 3 == 2 {
            guard try db.unlessTaken({ try db.run("INSERT INTO two VALUES (?, ?)", [Identifier.random(), number]) }) == nil else {
                throw Failure.unexpected("a number twice")
            }
        }
    }
}
