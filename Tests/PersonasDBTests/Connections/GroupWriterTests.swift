import Dispatch
import CoreMetrics
import Foundation
import GRDB
import MetricsTestKit
import Personas
import Synchronization
import TestSupport
import Testing

@testable import PersonasDB

@Suite("The group writer", .timeLimit(.minutes(1)))
struct GroupWriterTests {
    @Test("A write returns what its body returned, and is there for others")
    func value() async throws {
        try await withWriter { writer async throws in
            #expect(try await writer.writeDirectly { db in try insert(7, db) } == 7)
            #expect(try await writer.numbers() == [7])
        }
    }

    @Test("Writes that wait share a commit, at most 256 of them")
    func sharedCommit() async throws {
        let commits = Commits()
        let metrics = TestMetrics()
        try await withWriter(observer: commits, metrics: metrics) { writer in
            let results = try await inOneGroup(writer, (0..<300).map { number in { db in try insert(number, db) } })
            #expect(try metrics.expectRecorder("personas_store_commit_group_size").values == [1, 256, 44])
            #expect(metrics.counterTotal(label: "personas_store_commits_total") == 3)
            #expect(metrics.counterTotal(label: "personas_store_commit_failures_total") == 0)
            let depths = try metrics.expectMeter("personas_store_write_queue_depth").values
            #expect(depths.max() == 300 && depths.contains(44) && depths.last == 0)
            #expect(results.compactMap { try? $0.get() }.sorted() == Array(0..<300))
            #expect(commits.count == 3, "the first write alone, then 256, then 44")
            #expect(try await writer.numbers().count == 300)
        }
    }

    @Test("A write that may change any number of pages shares no commit and is undone from a file, all others from memory")
    func unbounded() async throws {
        let metrics = TestMetrics()
        try await withWriter(metrics: metrics) { writer in
            let (file, memory) = (1, 2)
            let place: @Sendable (Database) throws -> Int = { db in try Int.fetchOne(db, sql: "PRAGMA temp_store") ?? 0 }
            let results = try await inOneGroup(writer, Array(repeating: place, count: 5), unbounded: [2])
            #expect(results == [memory, memory, file, memory, memory].map { .success($0) })
            #expect(try metrics.expectRecorder("personas_store_commit_group_size").values == [1, 2, 1, 2])
        }
    }

    @Test("A write that fails undoes itself, however far it came, and nothing else")
    func failureUndoesItself() async throws {
        try await withWriter { writer in
            let results = try await inOneGroup(
                writer,
                [
                    { db in try insert(1, db) },
                    { db in
                        _ = try insert(2, db)
                        throw Failure.nameReserved
                    },
                    { db in
                        _ = try insert(3, db)
                        return try insert(1, db)
                    },
                    { db in try insert(4, db) },
                ])
            #expect(results[0] == .success(1))
            #expect(results[1] == .failure(.nameReserved))
            #expect(isUnexpected(results[2]), "a violated constraint is SQLite's error, not the domain's")
            #expect(results[3] == .success(4))
            #expect(try await writer.numbers() == [1, 4])
        }
    }

    @Test("An error in the commit reaches every caller that waits for it, and nothing of it stays")
    func commitFails() async throws {
        let metrics = TestMetrics()
        try await withWriter(metrics: metrics) { writer in
            let results = try await inOneGroup(
                writer,
                (0..<20).map { number in
                    { db in
                        // The reference is checked at the commit, which is where it fails.
                        if number == 9 { try db.execute(sql: "INSERT INTO child VALUES (1000)") }
                        return try insert(number, db)
                    }
                })
            #expect(results.allSatisfy(isUnexpected))
            #expect(metrics.counterTotal(label: "personas_store_commits_total") == 1)
            #expect(metrics.counterTotal(label: "personas_store_commit_failures_total") == 1)
            #expect(try metrics.expectRecorder("personas_store_commit_group_size").values == [1])
            #expect(try await writer.numbers() == [])
            #expect(try await writer.writeDirectly { db in try insert(5, db) } == 5)
            #expect(try await writer.numbers() == [5])
        }
    }

    @Test("A write that ends the whole transaction fails all that share it, and none of them is there")
    func transactionLost() async throws {
        try await withWriter { writer in
            let results = try await inOneGroup(
                writer,
                [
                    { db in try insert(1, db) },
                    { db in
                        // As SQLite does by itself after some errors of the disk.
                        try db.execute(sql: "ROLLBACK")
                        return 2
                    },
                    { db in try insert(3, db) },
                ])
            #expect(results.allSatisfy(isUnexpected))
            #expect(try await writer.numbers() == [])
            #expect(try await writer.writeDirectly { db in try insert(4, db) } == 4)
        }
    }

    @Test("On a full disk, what is acknowledged is there and what failed is not")
    func fullDisk() async throws {
        try await withWriter { writer in
            try await writer.writeDirectly { db in
                let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
                try db.execute(sql: "PRAGMA max_page_count = \(pages + 20)")
            }
            let results = try await inOneGroup(
                writer,
                (0..<40).map { number in
                    { db in
                        try db.execute(
                            sql: "INSERT INTO number VALUES (?, zeroblob(?))", arguments: [number, number % 4 == 0 ? 20_000 : 10])
                        return number
                    }
                })
            let acknowledged = results.compactMap { try? $0.get() }
            #expect(acknowledged.count < 40)
            #expect(results.allSatisfy(isDoneOrBusy), "a disk that is full is so for every write, and passes: \(results)")
            #expect(try await writer.numbers() == acknowledged)
            try await writer.writeDirectly { db in try db.execute(sql: "PRAGMA max_page_count = 1000000") }
            #expect(try await writer.writeDirectly { db in try insert(1_000, db) } == 1_000)
        }
    }

    @Test("A write that ends the whole transaction says why to all that share it")
    func causeOfAbort() async throws {
        try await withWriter { writer in
            let results = try await inOneGroup(
                writer,
                [
                    { db in try insert(1, db) },
                    { db in throw Failure.nameReserved },
                    { db in
                        try db.execute(sql: "ROLLBACK")
                        throw Failure.storeBusy("full")
                    },
                    { db in try insert(3, db) },
                ])
            #expect(results.allSatisfy { $0 == .failure(.storeBusy("full")) })
            #expect(try await writer.numbers() == [])
            #expect(try await writer.writeDirectly { db in try insert(4, db) } == 4)
        }
    }

    @Test("A database that another process has locked is busy, until it is free")
    func lockedDatabase() async throws {
        try await withDataFolder { directory in
            var configuration = Configuration()
            configuration.journalMode = .wal
            configuration.allowsUnsafeTransactions = true
            let queues = try (0..<2).map { _ in try DatabaseQueue(path: "\(directory)/locked.sqlite", configuration: configuration) }
            let writer = GroupWriter(queue: queues[0], waitingMax: 2_048)
            try await writer.writeDirectly { db in try db.execute(sql: "CREATE TABLE number (value INTEGER, ballast BLOB)") }
            try await queues[1].writeWithoutTransaction { db in try db.execute(sql: "BEGIN IMMEDIATE") }
            let refused = await result { () throws(Failure) in try await writer.writeDirectly { db in try insert(1, db) } }
            #expect(isDoneOrBusy(refused) && !isDone(refused), "\(refused)")
            try await queues[1].writeWithoutTransaction { db in try db.execute(sql: "ROLLBACK") }
            #expect(try await writer.writeDirectly { db in try insert(2, db) } == 2)
            #expect(try await writer.numbers() == [2])
        }
    }

    @Test(
        "Only codes after which nothing was written are busy",
        arguments: [
            (ResultCode.SQLITE_BUSY, true), (.SQLITE_BUSY_SNAPSHOT, true), (.SQLITE_LOCKED, true), (.SQLITE_FULL, true),
            (.SQLITE_IOERR, false), (.SQLITE_IOERR_FSYNC, false), (.SQLITE_IOERR_WRITE, false), (.SQLITE_READONLY, false),
            (.SQLITE_CORRUPT, false), (.SQLITE_ABORT, false), (.SQLITE_CONSTRAINT_UNIQUE, false),
        ])
    func busyCodes(code: ResultCode, isBusy: Bool) {
        let failure = Failure(storage: DatabaseError(resultCode: code, message: "words"))
        if case .storeBusy(let text) = failure {
            #expect(isBusy && text.contains("words"))
        } else {
            #expect(!isBusy)
        }
    }

    @Test("What the system refuses is told with file and reason, a full disk as such, and neither as the database's")
    func fileErrors() throws {
        let denied = Failure(storage: PosixFile.CallFailed("open", "/a/b", code: EACCES))
        #expect(denied == .file(FileFailure(operation: "open", path: "/a/b", reason: "Permission denied")))
        for code in [ENOSPC, EDQUOT] {
            #expect(Failure(storage: PosixFile.CallFailed("write", "/a/b", code: code)) == .outOfDisk(path: "/a/b"))
        }
        #expect(Failure(storage: PosixFile.CallFailed("open", "/a/b", code: EMFILE)) == .outOfDescriptors)
        let full = DatabaseError(resultCode: .SQLITE_FULL, message: "words")
        #expect(DataFolderBackup.failure(full, writingTo: "/backup") == .outOfDisk(path: "/backup"))
        #expect(DataFolderBackup.failure(CancellationError(), writingTo: "/backup") == .cancelled)
        #expect(throws: PosixFile.CallFailed.self) { try PosixFile.names(in: "/proc/self/status") }
    }

    @Test(
        "A file that cannot be opened is a matter of descriptors where the system says so",
        arguments: [
            (ResultCode.SQLITE_CANTOPEN, EMFILE, true), (.SQLITE_CANTOPEN, ENFILE, true), (.SQLITE_CANTOPEN, ENOENT, false),
            (.SQLITE_IOERR_WRITE, EMFILE, false), (.SQLITE_CANTOPEN, 0, false),
        ])
    func descriptorCodes(code: ResultCode, systemCode: Int32, isUsedUp: Bool) {
        let failure = Failure(sqliteCode: code.rawValue, systemCode: systemCode, text: "words")
        #expect(failure == (isUsedUp ? .usedUp(.fileDescriptors, retryAfterSeconds: 1) : .unexpected("words")))
    }

    @Test("A cancelled caller is told the outcome, because a commit has one")
    func cancelledCaller() async throws {
        try await withWriter { writer in
            let value = try await Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await writer.writeDirectly { db in try insert(1, db) }
            }.value
            #expect(value == 1)
            #expect(try await writer.numbers() == [1])
        }
    }

    @Test("Two hundred writes at once are all on disk at the moment they are acknowledged")
    func durability() async throws {
        try await withStorage { open in
            let acknowledged = Ledger<String>()
            try await withThrowingTaskGroup { group in
                for number in 0..<200 {
                    group.addTask {
                        let name = Name(stored: "name-\(number)")
                        try await open.storage.names.reserve([name], at: .second(number))
                        acknowledged.append(name.key)
                        if number % 20 == 0 {
                            try await expectReserved(acknowledged.entries, inCopyOf: open.directory, named: "copy-\(number)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await expectReserved(acknowledged.entries, inCopyOf: open.directory, named: "copy-last")
        }
    }

    /// Copies the database as it lies on disk, without closing it, and looks for names in the copy.
    private func expectReserved(_ names: [String], inCopyOf directory: String, named copy: String) async throws {
        try FileManager.default.createDirectory(atPath: "\(directory)/\(copy)", withIntermediateDirectories: true)
        // The log comes first and is so short that none of it is in the database yet: a checkpoint in between would make the copy wrong.
        for file in ["personas.sqlite-wal", "personas.sqlite"] {
            try FileManager.default.copyItem(atPath: "\(directory)/\(file)", toPath: "\(directory)/\(copy)/\(file)")
        }
        let size = try FileManager.default.attributesOfItem(atPath: "\(directory)/\(copy)/personas.sqlite-wal")[.size] as? Int
        try #require(size ?? .max < 1_000 * 4_096)
        let queue = try DatabaseQueue(path: "\(directory)/\(copy)/personas.sqlite")
        let found = try await queue.read { db in Set(try String.fetchAll(db, sql: "SELECT name_key FROM reserved_name")) }
        try queue.close()
        #expect(found.isSuperset(of: names), "\(names.filter { !found.contains($0) }) were acknowledged and are not there")
    }

    @Test("Writes beyond those that may wait are refused at once, and those that wait are done")
    func fullQueue() async throws {
        try await withWriter(waitingMax: 3) { writer in
            let running = await RunningWrite(of: writer)
            let waiting = [1, 2, 3].map { (number: Int) in
                Task {
                    try await writer.writeDirectly { db in try db.execute(sql: "INSERT INTO number (value) VALUES (?)", arguments: [number])
                    }
                }
            }
            while writer.waitingCount < 3 { await Task.yield() }
            let refused = await result { () throws(Failure) in try await writer.writeDirectly { _ in 4 } }
            #expect(refused == .failure(.storeBusy("3 writes wait for the disk already")))
            try await running.end()
            for task in waiting { try await task.value }
            let count = try await writer.writeDirectly { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM number") }
            #expect(count == 3)
        }
    }
}

/// Counts commits.
private final class Commits: TransactionObserver, Sendable {
    private let commits = Mutex(0)

    var count: Int { commits.withLock { $0 } }

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }

    func databaseDidChange(with event: DatabaseEvent) {}

    func databaseDidCommit(_ db: Database) { commits.withLock { $0 += 1 } }

    func databaseDidRollback(_ db: Database) {}
}

extension GroupWriter {
    /// The numbers that are stored.
    fileprivate func numbers() async throws -> [Int] {
        try await writeDirectly { db in try Int.fetchAll(db, sql: "SELECT value FROM number ORDER BY value") }
    }
}

private func insert(_ number: Int, _ db: Database) throws -> Int {
    try db.execute(sql: "INSERT INTO number VALUES (?, NULL)", arguments: [number])
    return number
}

private func isUnexpected(_ result: Result<Int, Failure>) -> Bool {
    guard case .failure(.unexpected) = result else { return false }
    return true
}

private func isDone(_ result: Result<Int, Failure>) -> Bool { (try? result.get()) != nil }

private func isDoneOrBusy(_ result: Result<Int, Failure>) -> Bool {
    if case .failure(.storeBusy) = result { return true }
    return isDone(result)
}

/// Runs a body with a writer on a small database of its own.
private func withWriter(
    observer: Commits? = nil, waitingMax: Int = 2_048, metrics: any MetricsFactory = NOOPMetricsHandler.instance,
    _ body: (GroupWriter) async throws -> Void
) async throws {
    try await withDataFolder { directory in
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.prepareDatabase { db in try GroupWriter.prepare(db) }
        let queue = try DatabaseQueue(path: directory + "/test.sqlite", configuration: configuration)
        try await queue.write { db in
            try db.execute(
                sql: """
                    CREATE TABLE number (value INTEGER PRIMARY KEY, ballast BLOB);
                    CREATE TABLE child (number INTEGER REFERENCES number (value) DEFERRABLE INITIALLY DEFERRED);
                    """)
        }
        if let observer { queue.add(transactionObserver: observer) }
        try await body(GroupWriter(queue: queue, waitingMax: waitingMax, metrics: StoreMetrics(factory: metrics)))
        try queue.close()
    }
}

/// A write that has begun and lasts until it is told to end, so that whatever is written meanwhile waits behind it.
struct RunningWrite {
    private let mayEnd = DispatchSemaphore(value: 0)
    private let task: Task<Bool, any Error>

    init(of writer: GroupWriter) async {
        let hasBegun = WakeSignal()
        task = Task { [mayEnd] in
            try await writer.writeDirectly { _ in
                hasBegun.notify()
                return mayEnd.wait(timeout: .now() + 30) == .success
            }
        }
        await hasBegun.wait(after: 0, atMost: .seconds(30))
    }

    func end() async throws {
        mayEnd.signal()
        try #require(try await task.value)
    }
}

/// Lets writes arrive, in their order, while a first one runs, so that they form the groups behind it. Returns their results in this order.
private func inOneGroup(
    _ writer: GroupWriter, _ bodies: [@Sendable (Database) throws -> Int], unbounded: Set<Int> = []
) async throws -> [Result<Int, Failure>] {
    let running = await RunningWrite(of: writer)
    return try await withThrowingTaskGroup(of: (Int, Result<Int, Failure>).self) { group in
        for (index, body) in bodies.enumerated() {
            let isUnbounded = unbounded.contains(index)
            group.addTask { (index, await result { () throws(Failure) in try await writer.writeDirectly(isUnbounded: isUnbounded, body) }) }
            while writer.waitingCount <= index { await Task.yield() }
        }
        try await running.end()
        var results: [(Int, Result<Int, Failure>)] = []
        for try await result in group { results.append(result) }
        return results.sorted { $0.0 < $1.0 }.map(\.1)
    }
}
