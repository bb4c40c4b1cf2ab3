import Foundation
import Personas
import Testing

@testable import PersonasDB

private let policy = LeasePolicy(seconds: 30, attemptsMax: 2)

extension OpenStorage {
    fileprivate func cancel(_ item: Pikzonality, at second: Int) async throws(Failure) -> Pikzonality {
        try await items.cancel(item.id, mode: nil, accountID: item.accountID, if: .none, in: WriteContext(at: .second(second)))
    }

    fileprivate func retry(
        _ item: Pikzonality, with images: [StoredImage]? = nil, if precondition: Precondition = .none, at second: Int
    ) async throws(Failure) -> Pikzonality {
        try await items.retry(
            item.id, mode: nil, accountID: item.accountID, with: images, if: precondition, in: WriteContext(at: .second(second)))
    }

    fileprivate func beat(_ job: LeasedJob, at second: Int) async throws(Failure) -> Bool {
        try await jobs.heartbeat(job.id, token: job.leaseToken, progress: nil, policy: policy, at: .second(second)).isCancelled
    }
}

@Suite("Cancelled and retried items in the store", .timeLimit(.minutes(1)))
struct ItemLifeTests {
    private static let day = 86_400

    @Test("A cancelled job is remembered for a day from when it was cancelled, however old it is", arguments: House.all)
    func remembered(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            let start = 10 * Self.day
            let job = try #require(try await open.jobs.lease(limit: 1, policy: policy, at: .second(start)).first)
            _ = try await open.cancel(item, at: start + 1)
            _ = try await open.jobs.expire(policy: policy, at: .second(start + 2))
            #expect(try await open.beat(job, at: start + 2))
            _ = try await open.jobs.expire(policy: policy, at: .second(start + Self.day))
            #expect(try await open.beat(job, at: start + Self.day))
            _ = try await open.jobs.expire(policy: policy, at: .second(start + Self.day + 1))
            await #expect(throws: Failure.notFound) { try await open.beat(job, at: start + Self.day + 1) }
            #expect(try await open.items.operatorItem(item.id).job == nil)
        }
    }

    @Test("Of many that are to be forgotten some go at a time")
    func forgottenInSteps() async throws {
        try await withStorage { open in
            let account = try await open.account()
            for number in 0..<3 {
                let item = try await open.insert("Item \(number)", of: account)
                _ = try await open.cancel(item, at: 1)
            }
            try await open.index.writer.write { db in try JobRow.forget(cancelledBefore: .second(1), limit: 2, db) }
            #expect(try open.count("training_job") == 1)
        }
    }

    @Test("A retry keeps of earlier jobs only those that somebody has held, and works for none of them", arguments: House.all)
    func earlierJobs(on house: House) async throws {
        try await withStorage(on: house) { open in
            var item = try await open.insert("Nova", of: try await open.account())
            for round in 0..<5 {
                item = try await open.cancel(item, at: 10 * round + 1)
                item = try await open.retry(item, at: 10 * round + 2)
            }
            #expect(try open.count("training_job") == 1, "nobody ever held one")
            let held = try #require(try await open.jobs.lease(limit: 1, policy: policy, at: .second(100)).first)
            try await open.jobs.fail(
                held.id, token: held.leaseToken, error: .fixture, retryable: false, policy: policy, at: .second(101))
            item = try await open.retry(item, at: 102)
            #expect(item.status == .processing && item.progress == 0 && item.error == nil)
            #expect(try open.count("training_job") == 2)
            for call in ["heartbeat", "complete"] {
                await #expect(throws: Failure.staleLease, "\(call)") {
                    if call == "heartbeat" { _ = try await open.beat(held, at: 103) }
                    try await open.jobs.complete(held.id, token: held.leaseToken, portrait: nil, at: .second(103))
                }
            }
            let next = try #require(try await open.jobs.lease(limit: 9, policy: policy, at: .second(104)).first)
            #expect(next.id != held.id && next.attempt == 1)
            #expect(try await open.items.operatorItem(item.id).job?.job.id == next.id)
            _ = try await open.cancel(item, at: 105)
            _ = try await open.retry(item, at: 106)
            #expect(try await open.beat(next, at: 107), "who holds a cancelled job is told, whatever the item does")
        }
    }

    @Test("A retry with other images that fails leaves links, bytes and job as they were", arguments: House.all)
    func undone(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account(), outcome: .failed(.fixture))
            let before = try open.counts()
            let other = try open.pinned([.withoutFile(7), .withoutFile(8), .withoutFile(9)])
            await #expect(throws: Failure.preconditionFailed(.noneMatch)) {
                try await open.retry(item, with: other, if: Precondition(excluding: .all), at: 1)
            }
            #expect(try open.counts() == before)
            #expect(try await open.items.find(item.id, mode: nil, accountID: item.accountID) == item)
            let retried = try await open.retry(item, with: other, at: 2)
            #expect(Set(retried.referenceTokens).isDisjoint(with: Set(item.referenceTokens)))
            #expect(try open.count("media_removal") == 3 && open.count("image_link") == 3)
            #expect(try await open.items.usage(accountID: item.accountID).storedBytes == other.reduce(0) { $0 + $1.byteCount })
        }
    }

    @Test(
        "What goes with the end of its training is gone with it, however it ends, and never seen as ended",
        arguments: House.all, ["complete", "expire", "lease", "takeOver"])
    func settled(on house: House, how: String) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account)
            let once = LeasePolicy(seconds: 30, attemptsMax: 1)
            let job = try #require(try await open.jobs.lease(limit: 1, policy: once, at: .second(1)).first)
            for _ in 0..<2 {
                let settling = try await open.items.settle(
                    item.id, mode: nil, accountID: account, to: .deleted, if: .none, in: WriteContext(at: .second(2)))
                #expect(settling == .later(.persona))
            }
            let removals = open.storage.removals.count
            switch how {
            case "complete": try await open.jobs.complete(job.id, token: job.leaseToken, portrait: try open.image(9), at: .second(3))
            case "takeOver" where house == .postgres:
                // Another may be at work, whose lease has to run out.
                #expect(try await open.jobs.takeOver(policy: once, at: .second(3)) == 0)
                fallthrough
            case "expire": _ = try await open.jobs.expire(policy: once, at: .second(40))
            case "lease":
                _ = try await open.insert("Other", of: account, at: .second(39))
                #expect(try await open.jobs.lease(limit: 1, policy: once, at: .second(40)).count == 1)
            default: _ = try await open.jobs.takeOver(policy: once, at: .second(3))
            }
            await #expect(throws: Failure.notFound) { try await open.items.find(item.id, mode: nil, accountID: account) }
            let events = try await open.storage.events.events(EventFilter(itemID: item.id), after: 0, limit: 9, accountID: account).events
            #expect(events.map(\.type.text) == ["persona.created", "persona.updated", "persona.deleted"])
            #expect(open.storage.removals.count == removals + 1)
            #expect(try open.count("training_job", where: "pikzonality_id IS NULL AND state <> 'cancelled'") == 0)
        }
    }

    @Test("Jobs that were cancelled before are remembered as long as they were to be")
    func migrated() async throws {
        try await withStorage(migrated: false) { open in
            let earlier = Array(Migration.all.prefix { $0.name < "v0014" })
            _ = try await Migrator(
                writer: open.index.writer, readers: open.index.readers, clock: .system, migrations: earlier
            ).migrate()
            let moment = Timestamp.second(0).milliseconds
            try await open.execute(
                """
                INSERT INTO training_job (id, state, attempts, progress, created_at) VALUES
                    (randomblob(16), 'cancelled', 1, 0, \(moment)), (randomblob(16), 'cancelled', 1, 0, \(moment + 1)),
                    (randomblob(16), 'queued', 0, 0, \(moment))
                """)
            _ = try await open.storage.migrate()
            _ = try await open.jobs.expire(policy: policy, at: .second(Self.day))
            #expect(try open.count("training_job", where: "state = 'cancelled'") == 1)
            #expect(try open.count("training_job") == 2)
        }
    }
}
