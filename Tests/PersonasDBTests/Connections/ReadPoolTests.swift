import Foundation
import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

/// Connections for reads, those that may wait for one and those that must not.
@Suite("Read pool")
struct ReadPoolTests {
    private func withPool(count: Int = 1, immediateCount: Int, _ body: (ReadPool, String) throws -> Void) async throws {
        try await withDataFolder { directory in
            try await withStorage(in: directory) { _ in }
            let path = directory + "/personas.sqlite"
            let pool = try ReadPool(path: path, count: count, immediateCount: immediateCount)
            defer { pool.close() }
            try body(pool, path)
        }
    }

    private func one(_ connection: ReadConnection) throws -> Int64? { try connection.first("SELECT 1", []) { $0.integer(0) } }

    @Test("lends one at once to each read that must not wait, never one twice, and none where all are lent")
    func lending() async throws {
        try await self.withPool(immediateCount: 2) { pool, _ in
            let inner = try pool.lendNow { first in
                try pool.lendNow { second in
                    #expect(first !== second)
                    let third = try pool.lendNow { _ in 0 }
                    #expect(third == nil)
                    return try self.one(second)
                }
            }
            #expect(inner == 1)
            // Both are there again, whatever came of the reads.
            for _ in 0..<5 {
                #expect(throws: Failure.self) { try pool.lendNow { _ in throw Failure.notFound } }
                #expect(try pool.lendNow { _ in try pool.lendNow { _ in 7 } } == 7)
            }
        }
    }

    @Test("lends to threads at the same time different ones")
    func threads() async throws {
        try await self.withPool(immediateCount: 4) { pool, _ in
            let (lent, most) = (Shared<[ObjectIdentifier]>([]), Shared(0))
            let words = try Threads.gather(4) { _ in
                var read = 0
                for _ in 0..<2_000 {
                    let result = try pool.lendNow { connection in
                        let id = ObjectIdentifier(connection)
                        let isFree = lent.withLock { lent in
                            defer { lent.append(id) }
                            return !lent.contains(id)
                        }
                        defer { lent.withLock { lent in lent.removeAll { $0 == id } } }
                        most.withLock { $0 = max($0, lent.value.count) }
                        return isFree ? try self.one(connection) : nil
                    }
                    if result == 1 { read += 1 }
                }
                return ["\(read)"]
            }
            #expect(words == Array(repeating: "2000", count: 4), "as many as threads are enough for all of them")
            #expect(most.value <= 4)
        }
    }

    @Test("keeps both kinds apart: none waits for, or takes, one of the other")
    func kinds() async throws {
        try await self.withPool(count: 1, immediateCount: 1) { pool, _ in
            let both = try pool.lend { waiting in
                try pool.lendNow { immediate in
                    #expect(waiting !== immediate)
                    let further = try pool.lendNow { _ in 0 }
                    #expect(further == nil)
                    return true
                }
            }
            #expect(both == true)
            #expect(try pool.lendNow { _ in try pool.lend { try self.one($0) } } == 1)
        }
        try await self.withPool(count: 1, immediateCount: 0) { pool, _ in
            let none = try pool.lendNow { _ in 0 }
            #expect(none == nil)
            #expect(try pool.lend { try self.one($0) } == 1)
        }
    }

    @Test("sees what was committed before, and is not kept by a writer who has begun")
    func writers() async throws {
        try await self.withPool(immediateCount: 1) { pool, path in
            func names() throws -> Int64? {
                try pool.lendNow { connection in try connection.first("SELECT count(*) FROM reserved_name", []) { $0.integer(0) } } ?? nil
            }
            let before = try #require(try names())
            let writer = try DatabaseQueue(path: path)
            try writer.writeWithoutTransaction { db in
                try db.execute(sql: "BEGIN EXCLUSIVE; INSERT INTO reserved_name SELECT 'x' || hex(randomblob(4)), 'x', 0")
                #expect(try names() == before)
                try db.execute(sql: "COMMIT")
                #expect(try names() == before + 1)
            }
            try writer.close()
        }
    }

    @Test("tells what a read threw as a failure of the store, and goes on")
    func failure() async throws {
        try await self.withPool(immediateCount: 1) { pool, _ in
            do throws(Failure) {
                _ = try pool.lendNow { connection in try connection.first("SELECT nonsense", []) { $0.integer(0) } }
                Issue.record("nothing was thrown")
            } catch {
                guard case .unexpected = error else { return #expect(Bool(false), "\(error)") }
            }
            let next = try pool.lendNow { try self.one($0) }
            #expect(next == 1)
        }
    }

    @Test("has nothing to lend once it is closed")
    func closed() async throws {
        try await withDataFolder { directory in
            try await withStorage(in: directory) { _ in }
            let pool = try ReadPool(path: directory + "/personas.sqlite", count: 1, immediateCount: 2)
            #expect(try pool.lendNow { try self.one($0) } == 1)
            pool.close()
            for _ in 0..<3 { #expect(try pool.lendNow { _ in 0 } == nil) }
        }
    }
}
