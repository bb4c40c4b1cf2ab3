import Dispatch
import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Those who wait", .timeLimit(.minutes(3)))
    struct QueueTests {
        @Test("So many operations wait, and further ones are refused; those that wait are done in their order")
        func bound() async throws {
            try await withPostgres("CREATE TABLE one (id bigserial PRIMARY KEY, number bigint)", threads: 1, waitingMax: 3) { open in
                let (begun, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
                async let running: Void = open.writer.write { _ in
                    begun.signal()
                    _ = mayEnd.wait(timeout: .now() + 30)
                }
                try await eventually("the first") { begun.wait(timeout: .now()) == .success }
                var waiting: [Task<Void, any Error>] = []
                for number in 0..<3 {
                    waiting.append(
                        Task { try await open.writer.write { db in try db.run("INSERT INTO one (number) VALUES (?)", [number]) } })
                    try await eventually("a place in the queue") { open.writer.waitingCount == number + 1 }
                }
                let refused = await result { () throws(Failure) in try await open.writer.write { _ in } }
                #expect(refused.isStoreBusy, "\(refused)")
                mayEnd.signal()
                try await running
                for task in waiting { try await task.value }
                #expect(try open.run("SELECT string_agg(number::text, ',' ORDER BY id) FROM one") == "0,1,2")
                #expect(open.writer.waitingCount == 0)
            }
        }

        @Test("What waited for as long as a statement may take is refused, and not begun")
        func waitedTooLong() async throws {
            try await withPostgres(threads: 1, settings: { $0.statementMillisecondsMax = 1_000 }) { open in
                let begun = DispatchSemaphore(value: 0)
                async let running: Void = open.writer.write { _ in
                    begun.signal()
                    let end = ContinuousClock.now + .seconds(30)
                    while open.writer.waitingCount == 0, ContinuousClock.now < end { usleep(1_000) }
                    // The one that waits is to wait too long.
                    let enough = ContinuousClock.now + .milliseconds(1_001)
                    while ContinuousClock.now < enough { usleep(1_000) }
                }
                try await eventually("the first") { begun.wait(timeout: .now()) == .success }
                let isBegun = Shared(false)
                let refused = await result { () throws(Failure) in try await open.writer.write { _ in isBegun.withLock { $0 = true } } }
                #expect(refused.isStoreBusy, "\(refused)")
                #expect(!isBegun.value)
                try await running
            }
        }

        @Test("Searches wait for their turn as far as they may, an account for no more than its share, and no look-up behind them")
        func scans() async throws {
            try await withPostgres { open in
                let (begun, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
                let busy = Identifier.random()
                let hold: @Sendable (any SQLConnection) throws -> Bool = { _ in
                    begun.signal()
                    return mayEnd.wait(timeout: .now() + 30) == .success
                }
                let first = Task { try await open.reader.scan(for: busy, hold) }
                try await eventually("the first search") { begun.wait(timeout: .now()) == .success }
                let second = Task { try await open.reader.scan(for: busy) { _ in true } }
                try await eventually("the second search") { open.reader.scanCount == 2 }
                let ownShare = await result { () throws(Failure) in try await open.reader.scan(for: busy) { _ in true } }
                #expect(throws: Failure.tooManyRequests(.searches, retryAfterSeconds: 1)) { try ownShare.get() }
                #expect(try await open.reader.scan { db in try db.finds("SELECT 1", []) })
                #expect(try await open.reader.read { db in try db.finds("SELECT 1", []) })
                #expect(try open.reader.readNow { _ in 1 } == nil)
                mayEnd.signal()
                #expect(try await first.value)
                #expect(try await second.value)
                #expect(open.reader.scanCount == 0)
            }
        }

        @Test("A writer that is closed refuses")
        func closed() async throws {
            let server = try PostgresServer.shared.get()
            let writer = PostgresWriter(settings: try PostgresSettings(server.address(of: "postgres"), environment: [:]), threads: 2)
            #expect(try await writer.write { db in try db.finds("SELECT 1", []) })
            writer.close()
            let refused = await result { () throws(Failure) in try await writer.write { _ in } }
            #expect(refused.isStoreBusy, "\(refused)")
        }
    }
}
