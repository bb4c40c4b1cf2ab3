import Foundation
import Personas
import Synchronization
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Transactions", .timeLimit(.minutes(3)))
    struct TransactionTests {
        private static let table = "CREATE TABLE one (id bigint CONSTRAINT one_by_id PRIMARY KEY, number bigint NOT NULL DEFAULT 0)"

        @Test("What is run is stored together with what follows, and told of once it is")
        func commit() async throws {
            try await withPostgres(Self.table) { open in
                let event = anEvent(1)
                let changed = try await open.writer.write { db in
                    for number in 0..<1_000 { try db.run("INSERT INTO one (id) VALUES (?)", [number]) }
                    db.tell(event)
                    return try db.change("UPDATE one SET number = id WHERE id < ?", [10])
                }
                #expect(changed == 10)
                #expect(open.told.value == [event])
                #expect(try open.run("SELECT count(*), sum(number) FROM one") == "1000|45")
                try await open.writer.write { _ in }
                #expect(try open.sessions(where: "state <> 'idle'") == 0)
            }
        }

        @Test("An error of what was queued comes out later at the latest with the end, and undoes all")
        func queuedErrors() async throws {
            try await withPostgres(Self.table) { open in
                let atTheEnd = await result { () throws(Failure) in
                    try await open.writer.write { db in
                        try db.run("INSERT INTO one (id) VALUES (?)", [1])
                        try db.run("INSERT INTO one (id, number) VALUES (?, ?)", [2, nil])
                        try db.run("INSERT INTO one (id) VALUES (?)", [3])
                        db.tell(anEvent(1))
                    }
                }
                #expect(atTheEnd.unexpectedText?.contains("23502") == true, "\(atTheEnd)")
                let later = await result { () throws(Failure) in
                    try await open.writer.write { db in
                        try db.run("INSERT INTO nowhere (id) VALUES (?)", [1])
                        _ = try? db.finds("SELECT 1", [])
                        // Whatever a body makes of the error, the transaction is undone.
                        try db.run("INSERT INTO one (id) VALUES (?)", [3])
                    }
                }
                #expect(later.unexpectedText?.contains("42P01") == true, "\(later)")
                let swallowed = await result { () throws(Failure) in
                    try await open.writer.write { db in
                        try db.run("INSERT INTO one (id) VALUES (?)", [4])
                        _ = try? db.finds("SELECT 1 / ?", [0])
                    }
                }
                #expect(swallowed.unexpectedText?.contains("22012") == true, "\(swallowed)")
                let own = await result { () throws(Failure) in
                    try await open.writer.write { db in
                        try db.run("INSERT INTO one (id) VALUES (?)", [5])
                        throw Failure.notFound
                    }
                }
                #expect(throws: Failure.notFound) { try own.get() }
                #expect(try open.run("SELECT count(*) FROM one") == "0")
                #expect(open.told.value == [])
                // The connections go on.
                for number in 0..<8 { try await open.writer.write { db in try db.run("INSERT INTO one (id) VALUES (?)", [number]) } }
                #expect(try open.run("SELECT count(*) FROM one") == "8")
            }
        }

        @Test(
            "A part against which a uniqueness stands is undone by itself, with what it tells; what stands before it, or another error, undoes all"
        )
        func unlessTaken() async throws {
            try await withPostgres(Self.table) { open in
                let (kept, forgotten) = (anEvent(1), anEvent(2))
                try await open.writer.write { db in
                    try db.run("INSERT INTO one (id) VALUES (?)", [1])
                    let taken: Int? = try db.unlessTaken {
                        try db.run("INSERT INTO one (id) VALUES (?)", [2])
                        db.tell(forgotten)
                        try db.run("INSERT INTO one (id) VALUES (?)", [1])
                        return 1
                    }
                    #expect(taken == nil)
                    let nested: Int?? = try db.unlessTaken {
                        try db.run("INSERT INTO one (id) VALUES (?)", [3])
                        db.tell(kept)
                        return try db.unlessTaken { try db.change("INSERT INTO one (id) VALUES (?)", [3]) }
                    }
                    #expect(nested == .some(nil))
                    let free = try db.unlessTaken { try db.change("INSERT INTO one (id) VALUES (?)", [4]) }
                    #expect(free == 1)
                    do {
                        let _: Int? = try db.unlessTaken {
                            try db.run("INSERT INTO one (id) VALUES (?)", [5])
                            throw Failure.notFound
                        }
                        Issue.record("what the part throws is not hidden")
                    } catch Failure.notFound {}
                }
                #expect(try open.run("SELECT string_agg(id::text, ',' ORDER BY id) FROM one") == "1,3,4")
                #expect(open.told.value == [kept])

                let before = await result { () throws(Failure) in
                    try await open.writer.write { db in
                        try db.run("INSERT INTO one (id) VALUES (?)", [1])
                        return try db.unlessTaken { try db.finds("SELECT 1", []) }
                    }
                }
                #expect(before.unexpectedText?.contains("one_by_id") == true, "\(before)")
                let other = await result { () throws(Failure) in
                    try await open.writer.write { db in
                        try db.unlessTaken { try db.run("INSERT INTO one (id, number) VALUES (?, ?)", [9, nil]) }
                    }
                }
                #expect(other.unexpectedText?.contains("23502") == true, "\(other)")
                #expect(try open.run("SELECT count(*) FROM one") == "3")
            }
        }

        @Test("Constraints that stand for something mean it")
        func constraints() async throws {
            let tables = """
                CREATE TABLE account (id bigint PRIMARY KEY); CREATE TABLE media (object bigint PRIMARY KEY);
                CREATE TABLE pikzonality (account_id bigint CONSTRAINT pikzonality_account REFERENCES account);
                CREATE TABLE image_link (
                    object bigint CONSTRAINT image_link_object REFERENCES media, item bigint CONSTRAINT image_link_item REFERENCES account)
                """
            try await withPostgres(tables) { open in
                let missing = await result { () throws(Failure) in
                    try await open.writer.write { db in try db.run("INSERT INTO pikzonality VALUES (?)", [1]) }
                }
                #expect(throws: Failure.accountMissing) { try missing.get() }
                let gone = await result { () throws(Failure) in
                    try await open.writer.write { db in try db.run("INSERT INTO image_link VALUES (?)", [1]) }
                }
                #expect(gone.isStoreBusy, "\(gone)")
                let other = await result { () throws(Failure) in
                    try await open.writer.write { db in try db.run("INSERT INTO image_link (item) VALUES (?)", [1]) }
                }
                #expect(other.unexpectedText?.contains("image_link_item") == true, "\(other)")
            }
        }

        @Test("Queries of one moment see one state; a reader changes nothing")
        func oneMoment() async throws {
            try await withPostgres(Self.table) { open in
                let connection = try PostgresConnection(open.settings.readOnly)
                func count() throws -> Int64? { try connection.first("SELECT count(*) FROM one", []) { $0.integer(0) } }
                try connection.atOneMoment {
                    #expect(try count() == 0)
                    try open.run("INSERT INTO one VALUES (1)")
                    #expect(try connection.atOneMoment { try count() } == 0)
                }
                #expect(try count() == 1)
                #expect(throws: Failure.notFound) { try connection.atOneMoment { throw Failure.notFound } }
                #expect(throws: PostgresError.self) { try connection.atOneMoment { try connection.finds("SELECT 1 / ?", [0]) } }
                #expect(try count() == 1)
                let changed = await result { () throws(Failure) in
                    try await open.reader.read { db in try db.finds("DELETE FROM one RETURNING 1", []) }
                }
                #expect(changed.isStoreBusy, "\(changed)")
                #expect(try count() == 1)
            }
        }

        @Test("A serialisation failure has the body run again, three times at most")
        func serialisation() async throws {
            let function = """
                CREATE SEQUENCE tries; CREATE FUNCTION fail_until(last bigint) RETURNS bigint LANGUAGE plpgsql AS $$
                BEGIN
                    IF nextval('tries') < last THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;
                    RETURN last;
                END $$
                """
            try await withPostgres(Self.table + ";" + function) { open in
                let runs = Shared(0)
                let done = try await open.writer.write { db in
                    _ = runs.next()
                    db.tell(anEvent(7))
                    try db.run("INSERT INTO one (id) VALUES (?)", [1])
                    return try db.first("SELECT fail_until(?)", [4]) { $0.integer(0) }
                }
                #expect(done == 4)
                #expect(runs.value == 4)
                #expect(open.told.value.map(\.sequence) == [7])
                #expect(try open.run("SELECT count(*) FROM one") == "1")

                let never = await result { () throws(Failure) in
                    try await open.writer.write { db in try db.run("SELECT fail_until(?)", [1_000]) }
                }
                #expect(never.isStoreBusy, "\(never)")
                #expect(try open.run("SELECT last_value FROM tries") == "8")
            }
        }

        @Test("Of two that wait for each other one runs again, and both are done")
        func deadlock() async throws {
            try await withPostgres(Self.table + "; INSERT INTO one VALUES (1), (2)") { open in
                let runs = Shared(0)
                let bothHaveOne = Meeting(count: 2)
                async let there = open.writer.write { db in
                    _ = runs.next()
                    _ = try db.change("UPDATE one SET number = number + 1 WHERE id = 1", [])
                    bothHaveOne.arrive()
                    _ = try db.change("UPDATE one SET number = number + 1 WHERE id = 2", [])
                }
                async let back = open.writer.write { db in
                    _ = runs.next()
                    _ = try db.change("UPDATE one SET number = number + 1 WHERE id = 2", [])
                    bothHaveOne.arrive()
                    _ = try db.change("UPDATE one SET number = number + 1 WHERE id = 1", [])
                }
                _ = try await (there, back)
                #expect(try open.run("SELECT string_agg(number::text, ',') FROM one") == "2,2")
                #expect(runs.value == 3)
            }
        }

        @Test("Who has locked an account reads what stays true; other accounts are free")
        func lock() async throws {
            try await withPostgres(Self.table + "; INSERT INTO one VALUES (1)", threads: 8) { open in
                let account = Identifier.random()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<40 {
                        group.addTask {
                            try await open.writer.write { db in
                                try db.lock(account)
                                let number = try db.first("SELECT number FROM one WHERE id = 1", []) { $0.integer(0) } ?? 0
                                try db.run("UPDATE one SET number = ? WHERE id = 1", [number + 1])
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(try open.run("SELECT number FROM one") == "40")

                let connection = try open.connect()
                connection.begin()
                try PostgresTransaction(connection).lock(account)
                try connection.settle()
                try await open.writer.write { db in try db.lock(.random()) }
                async let waiting = open.writer.write { db in try db.lock(account) }
                try await eventually("waiting for the lock") { try open.sessions(where: "wait_event_type = 'Lock'") == 1 }
                try connection.commit()
                try await waiting
            }
        }

        @Test("The fence: an answer is kept under a claim that still holds, and the effect is undone with one that does not")
        func fence() async throws {
            let tables = """
                CREATE TABLE idempotency_record (account_id uuid, route text, idempotency_key text, fingerprint bytea, answer bytea, kept_at bigint,
                    claim uuid, claimed_until bigint)
                """
            try await withPostgres(Self.table + ";" + tables) { open in
                let key = try IdempotencyKey(quotable: "key")
                let request = IdempotentRequest(scope: .init(accountID: .random(), operation: "create", key: key), fingerprint: [1])
                let (mine, another) = (ClaimID.random(), ClaimID.random())
                try await open.writer.writeAsynchronously { db in
                    try db.run(
                        """
                        INSERT INTO idempotency_record (account_id, route, idempotency_key, fingerprint, claim, claimed_until)
                        VALUES (?, ?, ?, ?, ?, ?)
                        """, [request.scope.accountID, "create", "key", [UInt8]([1]), mine.identifier, 5])
                }
                func write(_ claim: ClaimID, _ id: Int) async -> Result<Void, Failure> {
                    await result { () throws(Failure) in
                        try await open.writer.write { db in
                            try db.run("INSERT INTO one (id) VALUES (?)", [id])
                            try open.writer.keep([9], for: request, under: claim, at: Timestamp(milliseconds: 3), db)
                        }
                    }
                }
                let (others, own, late) = (await write(another, 1), await write(mine, 2), await write(mine, 3))
                #expect(throws: Failure.idempotencyKeyInUse) { try others.get() }
                try own.get()
                #expect(throws: Failure.idempotencyKeyInUse) { try late.get() }
                #expect(try open.run("SELECT string_agg(id::text, ',') FROM one") == "2")
                #expect(
                    try open.run("SELECT answer, kept_at, claim IS NULL, claimed_until IS NULL FROM idempotency_record") == "\\x09|3|t|t")
            }
        }

        @Test("A commit that is not waited for says so to the server, and only its own")
        func asynchronous() async throws {
            try await withPostgres(threads: 1) { open in
                @Sendable func setting(_ db: any SQLConnection) throws -> String? {
                    try db.first("SELECT current_setting('synchronous_commit') || current_setting('statement_timeout')", []) {
                        try $0.requiredText(0)
                    }
                }
                let settings = [
                    try await open.writer.writeAsynchronously { try setting($0) }, try await open.writer.write { try setting($0) },
                    try await open.writer.write(of: nil, isUnbounded: true) { try setting($0) },
                    try await open.writer.write { try setting($0) },
                ]
                #expect(settings == ["off13500ms", "on13500ms", "on54s", "on13500ms"])
            }
        }
    }
}

/// Where threads wait for each other, once: whoever comes later goes on.
private final class Meeting: Sendable {
    private let missing: Atomic<Int>

    init(count: Int) {
        missing = Atomic(count)
    }

    func arrive() {
        missing.subtract(1, ordering: .acquiringAndReleasing)
        let end = ContinuousClock.now + .seconds(30)
        while missing.load(ordering: .acquiring) > 0, ContinuousClock.now < end { usleep(500) }
    }
}
