import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Requests at fal in the store", .timeLimit(.minutes(1)))
struct FalRequestStoreTests {
    static let handle = FalHandle(requestID: "r-1", statusURL: "https://q/s", responseURL: "https://q/r", cancelURL: "https://q/c")
    private static let policy = FalRules.leasePolicy(timeoutSeconds: 60)

    private static func job(_ open: OpenStorage, _ name: String = "Ann") async throws -> LeasedJob {
        _ = try await open.insert(name, of: try await open.account(name))
        return try #require(try await open.jobs.lease(limit: 1, policy: policy, at: .second(0)).first)
    }

    @Test("An intent is written once, found by job and by token, and read back as it was", arguments: House.all)
    func intents(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (store, job, token) = (open.storage.falRequests, try await Self.job(open), RandomToken.random())
            #expect(try await store.request(ofJob: job.id) == nil)
            let first = try await store.intend(job, token: token, at: .second(1))
            #expect(first.maySend && first.request.state == .intended && first.request.token == token)
            let second = try await store.intend(job, token: .random(), at: .second(2))
            #expect(!second.maySend && second.request == first.request)
            #expect(try await store.request(ofJob: job.id) == first.request)
            #expect(try await store.request(withToken: token) == first.request)
            #expect(try await store.request(withToken: .random()) == nil)
            for event in [
                FalEvent.notTaken(retryAt: .second(5)), .accepted(Self.handle), .unread(nil), .unread(Self.handle),
                .reported(.rejected(words: "no face")), .reported(.overdue), .closed,
            ] {
                let changed = try await store.take(event, ofJob: job.id, at: .second(3))
                #expect(try await store.request(ofJob: job.id) == changed)
            }
            #expect(try await store.take(.closed, ofJob: .random(), at: .second(3)) == nil)
        }
    }

    @Test("Every outcome is read back as it was", arguments: House.all)
    func outcomes(on house: House) async throws {
        try await withStorage(on: house) { open in
            let store = open.storage.falRequests
            for (index, outcome) in [
                FalOutcome.portrait(url: "https://p/1"), .rejected(words: ""), .failed(words: "oom"), .overdue,
            ].enumerated() {
                let job = try await Self.job(open, "Item \(index)")
                _ = try await store.intend(job, token: .random(), at: .second(1))
                _ = try await store.take(.reported(outcome), ofJob: job.id, at: .second(2))
                #expect(try await store.request(ofJob: job.id)?.outcome == outcome)
            }
        }
    }

    @Test(
        "A job that is not in the caller's hands any more is not sent", arguments: House.all, ["cancelled", "deleted", "over", "foreign"])
    func staleLeases(on house: House, fate: String) async throws {
        try await withStorage(on: house) { open in
            let (store, job) = (open.storage.falRequests, try await Self.job(open))
            var (now, caller) = (Timestamp.second(1), job)
            switch fate {
            case "cancelled": _ = try await open.items.cancel(job.item.id, mode: nil, accountID: nil, if: .none, in: WriteContext(at: now))
            case "deleted":
                _ = try await open.items.delete(
                    job.item.id, mode: nil, accountID: nil, if: .none, endingTraining: true, in: WriteContext(at: now))
            case "over": now = .second(1_000_000)
            default:
                caller = LeasedJob(
                    id: job.id, leaseToken: .random(), leaseExpiresAt: job.leaseExpiresAt, attempt: 1, item: job.item, references: [])
            }
            let sent = await result { () throws(Failure) in try await store.intend(caller, token: .random(), at: now) }
            guard case .failure(.staleLease) = sent else {
                Issue.record("\(sent)")
                return
            }
            #expect(try open.count("fal_request") == 0)
        }
    }

    /// Ways in which a job ends.
    enum End: CaseIterable {
        case completed, failed, cancelled, itemDeleted, accountDeleted
    }

    /// Events that bring a request into each state that it may have while its job runs.
    private static let ways: [[FalEvent]] = [
        [.notTaken(retryAt: .second(9))], [], [.accepted(handle)], [.reported(.portrait(url: "u"))],
        [.accepted(handle), .reported(.overdue)],
    ]

    @Test("However a job ends, its request follows in the same transaction, as the state machine says", arguments: House.all, End.allCases)
    func ends(on house: House, end: End) async throws {
        for way in Self.ways.indices { try await ends(on: house, end: end, way: way) }
    }

    private func ends(on house: House, end: End, way: Int) async throws {
        try await withStorage(on: house) { open in
            let (store, job) = (open.storage.falRequests, try await Self.job(open))
            _ = try await store.intend(job, token: .random(), at: .second(1))
            for event in Self.ways[way] { _ = try await store.take(event, ofJob: job.id, at: .second(2)) }
            var expected = try #require(try await store.request(ofJob: job.id))
            expected.followEndOfJob()
            switch end {
            case .completed: try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(3))
            case .failed:
                try await open.jobs.fail(
                    job.id, token: job.leaseToken, error: .falOverdue, retryable: false, policy: Self.policy, at: .second(3))
            case .cancelled:
                _ = try await open.items.cancel(job.item.id, mode: nil, accountID: nil, if: .none, in: WriteContext(at: .second(3)))
            case .itemDeleted:
                _ = try await open.items.delete(
                    job.item.id, mode: nil, accountID: nil, if: .none, endingTraining: true, in: WriteContext(at: .second(3)))
            case .accountDeleted: try await open.accounts.delete(accountNamed: "Ann", at: .second(3))
            }
            #expect(try await store.request(ofJob: job.id) == expected)
            // Nothing follows a second time.
            _ = try await store.take(.closeFailed(retryAt: .second(7)), ofJob: job.id, at: .second(4))
            let before = try await store.request(ofJob: job.id)
            if end == .failed {
                _ = try await open.items.retry(
                    job.item.id, mode: nil, accountID: nil, with: nil, if: .none, in: WriteContext(at: .second(5)))
            }
            #expect(try await store.request(ofJob: job.id) == before)
        }
    }

    @Test("A lease that runs out, or is handed back, leaves a request as it is", arguments: House.all)
    func handBacks(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (store, job) = (open.storage.falRequests, try await Self.job(open))
            let intent = try await store.intend(job, token: .random(), at: .second(1))
            try await open.jobs.handBack(job.id, token: job.leaseToken, at: .second(2))
            #expect(try await store.request(ofJob: job.id) == intent.request)
            #expect(try await open.jobs.lease(limit: 1, policy: Self.policy, at: .second(3)).count == 1)
            _ = try await open.jobs.takeOver(policy: Self.policy, at: .second(4))
            #expect(try await store.request(ofJob: job.id) == intent.request)
        }
    }

    @Test(
        "What is to be called off is found when it is due; what has no name only when nothing can be heard of it any more",
        arguments: House.all)
    func closings(on house: House) async throws {
        try await withStorage(on: house) { open in
            let store = open.storage.falRequests
            var jobs: [LeasedJob] = []
            for index in 0..<3 {
                let job = try await Self.job(open, "Item \(index)")
                _ = try await store.intend(job, token: .random(), at: .second(index))
                if index > 0 { _ = try await store.take(.accepted(Self.handle), ofJob: job.id, at: .second(5)) }
                _ = try await open.items.cancel(job.item.id, mode: nil, accountID: nil, if: .none, in: WriteContext(at: .second(6)))
                jobs.append(job)
            }
            func due(_ now: Int, silentSince: Int) async throws -> Set<Identifier> {
                Set(try await store.dueClosings(at: .second(now), silentSince: .second(silentSince), limit: 10).map(\.jobID))
            }
            #expect(try await due(7, silentSince: 0) == [jobs[1].id, jobs[2].id])
            #expect(try await due(7, silentSince: 1) == Set(jobs.map(\.id)))
            _ = try await store.take(.closeFailed(retryAt: .second(20)), ofJob: jobs[1].id, at: .second(8))
            #expect(try await due(19, silentSince: 0) == [jobs[2].id])
            #expect(try await due(20, silentSince: 0) == [jobs[1].id, jobs[2].id])
            _ = try await store.take(.closed, ofJob: jobs[2].id, at: .second(8))
            #expect(try await due(20, silentSince: 0) == [jobs[1].id])
            #expect(try await store.dueClosings(at: .second(20), silentSince: .second(1), limit: 1).map(\.jobID) == [jobs[0].id])
        }
    }

    @Test("Only what has ended is forgotten, when it is old, so many at a time", arguments: House.all)
    func forgetting(on house: House) async throws {
        try await withStorage(on: house) { open in
            let store = open.storage.falRequests
            for index in 0..<5 {
                let job = try await Self.job(open, "Item \(index)")
                _ = try await store.intend(job, token: .random(), at: .second(index))
                if index > 0 { _ = try await store.take(.reported(.overdue), ofJob: job.id, at: .second(5)) }
                try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(6))
            }
            #expect(try await store.forget(intendedBefore: .second(1), limit: 10) == 0)
            #expect(try await store.forget(intendedBefore: .second(4), limit: 2) == 2)
            #expect(try await store.forget(intendedBefore: .second(4), limit: 2) == 1)
            #expect(try await store.forget(intendedBefore: .second(4), limit: 2) == 0)
            #expect(try open.count("fal_request") == 2)
        }
    }
}
