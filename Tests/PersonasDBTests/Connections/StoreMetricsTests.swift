import CoreMetrics
import Dispatch
import MetricsTestKit
import Personas
import Synchronization
import Testing

@testable import PersonasDB

@Suite("What the store counts", .timeLimit(.minutes(1)))
struct StoreMetricsTests {
    /// Runs a body with a storage that records, in a folder of its own.
    private func withCounts(_ body: (OpenStorage, TestMetrics) async throws -> Void) async throws {
        let metrics = TestMetrics()
        try await withDataFolder { directory in
            try await withStorage(in: directory, metrics: metrics) { open in try await body(open, metrics) }
        }
    }

    /// Completed jobs, failed jobs and expired leases.
    private func ends(_ metrics: TestMetrics) -> [Int64] {
        ["jobs_completed", "jobs_failed", "leases_expired"].map { metrics.counterTotal(label: "personas_training_\($0)_total") }
    }

    @Test("Jobs that end are counted once, by their end, and reports that are refused are not")
    func jobs() async throws {
        try await withCounts { open, metrics in
            let account = try await open.account()
            for number in 0..<4 { _ = try await open.insert("Item \(number)", of: account) }
            let policy = LeasePolicy(seconds: 10, attemptsMax: 2)
            let leased = try await open.jobs.lease(limit: 4, policy: policy, at: .second(0))
            #expect(ends(metrics) == [0, 0, 0])
            for _ in 0..<2 {
                _ = await result { () throws(Failure) in
                    try await open.jobs.complete(leased[0].id, token: leased[0].leaseToken, portrait: nil, at: .second(1))
                }
            }
            #expect(ends(metrics) == [1, 0, 0])
            for _ in 0..<2 {
                _ = await result { () throws(Failure) in
                    try await open.jobs.fail(
                        leased[1].id, token: leased[1].leaseToken, error: .fixture, retryable: false, policy: policy, at: .second(1))
                }
            }
            #expect(ends(metrics) == [1, 1, 0])
            // A fault that may pass is no end, and neither is a lease handed back.
            try await open.jobs.fail(
                leased[2].id, token: leased[2].leaseToken, error: .fixture, retryable: true, policy: policy, at: .second(1))
            try await open.jobs.handBack(leased[3].id, token: leased[3].leaseToken, at: .second(1))
            #expect(ends(metrics) == [1, 1, 0])
            // One of them has its last lease now, the other its first.
            #expect(try await open.jobs.lease(limit: 4, policy: policy, at: .second(2)).count == 2)
            #expect(try await open.jobs.expire(policy: policy, at: .second(100)) == 2)
            #expect(ends(metrics) == [1, 2, 2])
            #expect(try await open.jobs.lease(limit: 4, policy: policy, at: .second(100)).count == 1)
            // Asking for jobs ends leases, too.
            #expect(try await open.jobs.lease(limit: 4, policy: policy, at: .second(200)).isEmpty)
            #expect(ends(metrics) == [1, 3, 3])
        }
    }

    @Test("What waits is counted by state, and nothing else is")
    func queueDepths() async throws {
        try await withStorage { open in
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 0, leasedJobs: 0, imageRemovals: 0))
            let account = try await open.account()
            for number in 0..<5 { _ = try await open.insert("Item \(number)", of: account) }
            let leased = try await open.jobs.lease(limit: 3, policy: LeasePolicy(), at: .second(0))
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 2, leasedJobs: 3, imageRemovals: 0))
            try await open.jobs.complete(leased[0].id, token: leased[0].leaseToken, portrait: nil, at: .second(1))
            try await open.jobs.fail(
                leased[1].id, token: leased[1].leaseToken, error: .fixture, retryable: false, policy: LeasePolicy(), at: .second(1))
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 2, leasedJobs: 1, imageRemovals: 0))
            try await open.accounts.delete(accountNamed: "acme", at: .second(2))
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 0, leasedJobs: 0, imageRemovals: 3))
            _ = try await open.collector.collect()
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 0, leasedJobs: 0, imageRemovals: 0))
        }
    }

    @Test("Counting what waits ends at a bound")
    func bound() async throws {
        try await withStorage { open in
            try await open.execute(
                """
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= \(QueueDepths.countMax))
                INSERT INTO media_removal (digest, queued_at) SELECT CAST(printf('%032d', i) AS BLOB), 0 FROM n
                """)
            #expect(try open.count("media_removal") == QueueDepths.countMax + 1)
            #expect(try await open.storage.queueDepths.queueDepths().imageRemovals == QueueDepths.countMax)
        }
    }

    @Test("Searches that wait for a thread are counted until they have one, or never will")
    func searches() async throws {
        try await withCounts { open, metrics in
            let table = try #require(open.items as? SQLPikzonalityStore)
            let waiting = try metrics.expectMeter("personas_search_queue_depth")
            let gate = SearchGate()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<ScanPool.threads { group.addTask { try await table.scans.scan { _ in gate.hold() } } }
                while gate.held < ScanPool.threads { await Task.yield() }
                for _ in 0..<3 { group.addTask { try await table.scans.scan { _ in } } }
                let cancelled = Task { try await table.scans.scan { _ in } }
                while waiting.lastValue != 4 { await Task.yield() }
                cancelled.cancel()
                gate.open()
                await #expect(throws: Failure.self) { try await cancelled.value }
                try await group.waitForAll()
            }
            #expect(waiting.lastValue == 0)
        }
    }
}

/// Holds the threads of searches until a test lets them go.
private final class SearchGate: Sendable {
    private let count = Atomic(0)
    private let opened = DispatchSemaphore(value: 0)

    /// How many threads came to it.
    var held: Int { count.load(ordering: .sequentiallyConsistent) }

    func hold() {
        count.wrappingAdd(1, ordering: .sequentiallyConsistent)
        _ = opened.wait(timeout: .now() + 30)
    }

    func open() { for _ in 0..<held { opened.signal() } }
}
