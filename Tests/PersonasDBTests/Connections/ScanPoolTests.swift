import Dispatch
import Personas
import Testing

@testable import PersonasDB

/// Searches, which have threads of their own.
@Suite("Scan pool")
struct ScanPoolTests {
    @Test("wait for their turn as far as they may; further ones are refused, and the turn comes all the same")
    func fullQueue() async throws {
        try await withDataFolder { directory in
            try await withStorage(in: directory) { _ in }
            let reads = ScanPool(readers: try ReadPool(path: directory + "/personas.sqlite", count: ScanPool.threads), waitingMax: 3)
            defer { reads.close() }
            let (begun, mayEnd) = (WakeSignal(), DispatchSemaphore(value: 0))
            let running = (0..<ScanPool.threads).map { _ in
                Task {
                    try await reads.scan { _ in
                        begun.notify()
                        return mayEnd.wait(timeout: .now() + 30) == .success
                    }
                }
            }
            while begun.count < ScanPool.threads { await begun.wait(after: begun.count, atMost: .seconds(1)) }
            let waiting = (0..<3).map { number in Task { try await reads.scan { _ in number } } }
            while reads.count < ScanPool.threads + 3 { await Task.yield() }
            let refused = await result { () throws(Failure) in try await reads.scan { _ in 0 } }
            #expect(refused == .failure(.tooManyRequests(.searches, retryAfterSeconds: 1)))
            for _ in running { mayEnd.signal() }
            for task in running { #expect(try await task.value) }
            for (number, task) in waiting.enumerated() { #expect(try await task.value == number) }
            #expect(reads.count == 0)
            #expect(try await reads.scan { _ in 7 } == 7)
        }
    }
    @Test("leave the queue to others: an account has one thread and its share of those that wait, and no turn but the next")
    func fairness() async throws {
        try await withDataFolder { directory in
            try await withStorage(in: directory) { _ in }
            let reads = ScanPool(readers: try ReadPool(path: directory + "/personas.sqlite", count: ScanPool.threads), waitingMax: 12)
            defer { reads.close() }
            let (busy, other) = (Identifier.random(), Identifier.random())
            let (begun, mayEnd, order) = (WakeSignal(), DispatchSemaphore(value: 0), Ledger<String>())
            let running = Task {
                try await reads.scan(for: busy) { _ in
                    begun.notify()
                    return mayEnd.wait(timeout: .now() + 30) == .success
                }
            }
            while begun.count < 1 { await begun.wait(after: begun.count, atMost: .seconds(1)) }
            let share = 12 / ScanTurns.accountsMin
            let waiting = (0..<share).map { _ in Task { try await reads.scan(for: busy) { _ in order.append("busy") } } }
            while reads.count < 1 + share { await Task.yield() }
            let refused = await result { () throws(Failure) in try await reads.scan(for: busy) { _ in 0 } }
            #expect(refused == .failure(.tooManyRequests(.searches, retryAfterSeconds: 1)))
            // The other thread is free, but not for the account that has one.
            try await reads.scan(for: other) { _ in order.append("other") }
            #expect(try await reads.scan { _ in 7 } == 7)
            #expect(order.entries == ["other"])
            mayEnd.signal()
            #expect(try await running.value)
            for task in waiting { try await task.value }
            #expect(order.entries == ["other"] + Array(repeating: "busy", count: share))
            #expect(reads.count == 0)
            #expect(try await reads.scan(for: busy) { _ in 1 } == 1)
        }
    }
}
