import Personas
import TestSupport
import Testing

@testable import PersonasDB

/// The policy of the tests: leases of half a minute, two attempts.
private let policy = LeasePolicy(seconds: 30, attemptsMax: 2)

extension OpenStorage {
    /// Leases one job.
    fileprivate func lease(at second: Int) async throws -> LeasedJob {
        try #require(try await jobs.lease(limit: 1, policy: policy, at: .second(second)).first)
    }

    fileprivate func find(_ item: Pikzonality) async throws -> Pikzonality {
        try await items.find(item.id, mode: nil, accountID: item.accountID)
    }
}

private func isConflict(_ error: any Error) -> Bool {
    guard case Failure.staleLease = error else { return false }
    return true
}

@Suite("Leasing training jobs", .timeLimit(.minutes(1)))
struct LeaseTests {
    @Test("Jobs are leased oldest first, each with its item and its images in their order", arguments: House.all)
    func order(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            var items: [Pikzonality] = []
            let images = try open.pinned([.withoutFile(9), .withoutFile(4), .withoutFile(9)])
            for second in [3, 0, 4, 1, 2] {
                items.append(try await open.insert("Item \(second)", of: account, images: images, at: .second(second)))
            }
            _ = try await open.insert("Seeded", of: account, outcome: .completed)
            var names: [String] = []
            for expected in [2, 2, 1, 0] {
                let leased = try await open.jobs.lease(limit: 2, policy: policy, at: .second(10))
                #expect(leased.count == expected)
                for job in leased {
                    #expect(job.attempt == 1 && job.leaseExpiresAt == .second(40) && job.references == images)
                    #expect(items.contains(job.item))
                    names.append(job.item.name.text)
                }
            }
            #expect(names == (0..<5).map { "Item \($0)" })
        }
    }

    @Test("Workers that lease at once never get the same job", arguments: House.all)
    func concurrently(on house: House) async throws {
        try await withStorage(on: house, readers: 4) { open in
            let account = try await open.account()
            for number in 0..<60 { _ = try await open.insert("Item \(number)", of: account) }
            let leased = try await withThrowingTaskGroup(of: [LeasedJob].self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var mine: [LeasedJob] = []
                        while true {
                            let more = try await open.jobs.lease(limit: 3, policy: policy, at: .second(1))
                            if more.isEmpty { return mine }
                            mine += more
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(leased.count == 60)
            #expect(
                Set(leased.map(\.id)).count == 60 && Set(leased.map(\.item.id)).count == 60 && Set(leased.map(\.leaseToken)).count == 60)
        }
    }

    @Test("A lease that ran out goes to another worker; the late one gets a conflict and changes nothing", arguments: House.all)
    func expiry(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            let late = try await open.lease(at: 0)
            #expect(try await open.jobs.lease(limit: 1, policy: policy, at: .second(29)).isEmpty)
            let second = try await open.lease(at: 30)
            #expect(second.id == late.id && second.attempt == 2 && second.leaseToken != late.leaseToken)
            #expect(second.leaseExpiresAt == .second(60))

            await expectConflicts(late, at: 31, open)
            #expect(try await open.find(item) == item)
            try await open.jobs.complete(second.id, token: second.leaseToken, portrait: nil, at: .second(32))
            let completed = try await open.find(item)
            await expectConflicts(late, at: 33, open)
            await expectConflicts(second, at: 33, open)
            #expect(try await open.find(item) == completed)
        }
    }

    @Test("A lease that ran out is no good even before another worker has it; a heartbeat in time prolongs it", arguments: House.all)
    func heartbeatProlongs(on house: House) async throws {
        try await withStorage(on: house) { open in
            _ = try await open.insert("Nova", of: try await open.account())
            let job = try await open.lease(at: 0)
            let beat = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: nil, policy: policy, at: .second(29))
            #expect(beat.isCancelled == false && beat.expiresAt == .second(59))
            #expect(try await open.jobs.lease(limit: 1, policy: policy, at: .second(58)).isEmpty)
            await expectConflicts(job, at: 59, open)
            #expect(try await open.lease(at: 59).attempt == 2)
        }
    }

    @Test(
        "After the last attempt the item fails with GENERATION_TIMEOUT, whichever call notices first", arguments: House.all, [true, false])
    func attemptsExhausted(on house: House, isNoticedByExpiry: Bool) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            _ = try await open.lease(at: 0)
            #expect(try await open.jobs.expire(policy: policy, at: .second(29)) == 0)
            #expect(try await open.jobs.expire(policy: policy, at: .second(30)) == 1)
            #expect(try await open.find(item) == item, "there is a second attempt")
            let last = try await open.lease(at: 31)
            if isNoticedByExpiry {
                #expect(try await open.jobs.expire(policy: policy, at: .second(61)) == 1)
            }
            #expect(try await open.jobs.lease(limit: 9, policy: policy, at: .second(61)).isEmpty)
            let failed = try await open.find(item)
            #expect(failed.status == .failed && failed.error?.code == .timeout && failed.progress == 0 && failed.portraitToken == nil)
            #expect(failed.version == item.version + 1 && failed.updatedAt == .second(61))
            await expectConflicts(last, at: 62, open)
            #expect(try await open.jobs.expire(policy: policy, at: .second(1_000)) == 0)
            #expect(try await open.find(item) == failed)
        }
    }

    @Test("A process that takes over ends every lease, however long it runs, as one that ran out at that moment")
    func takeOver() async throws {
        try await withStorage { open in
            let account = try await open.account()
            let items = [try await open.insert("Nova", of: account), try await open.insert("Iris", of: account)]
            let (short, long) = (LeasePolicy(seconds: 30, attemptsMax: 1), LeasePolicy(seconds: 1_000_000, attemptsMax: 2))
            #expect(try await open.jobs.takeOver(policy: short, at: .second(0)) == 0)
            let leased = try await open.jobs.lease(limit: 2, policy: long, at: .second(0))
            #expect(try await open.jobs.takeOver(policy: long, at: .second(1)) == 2)
            for job in leased { await expectConflicts(job, at: 1, open) }
            for item in items { #expect(try await open.find(item) == item) }
            #expect(try await open.jobs.lease(limit: 2, policy: long, at: .second(2)).map(\.attempt) == [2, 2])
            #expect(try await open.jobs.takeOver(policy: long, at: .second(3)) == 2)
            for item in items {
                let failed = try await open.find(item)
                #expect(failed.error?.code == .timeout && failed.updatedAt == .second(3))
            }
            #expect(try await open.jobs.takeOver(policy: long, at: .second(4)) == 0)
        }
    }

    @Test("Where other processes may be at work, one that takes over ends only the leases that ran out")
    func takeOverOfShared() async throws {
        try await withStorage(on: .postgres) { open in
            let account = try await open.account()
            for name in ["Nova", "Iris"] { _ = try await open.insert(name, of: account) }
            let first = try #require(try await open.jobs.lease(limit: 1, policy: policy, at: .second(0)).first)
            let second = try #require(try await open.jobs.lease(limit: 1, policy: policy, at: .second(20)).first)
            #expect(try await open.jobs.takeOver(policy: policy, at: .second(30)) == 1)
            await expectConflicts(first, at: 30, open)
            let beat = try await open.jobs.heartbeat(second.id, token: second.leaseToken, progress: 50, policy: policy, at: .second(30))
            #expect(!beat.isCancelled)
        }
    }

    @Test("A lease given back does not count as an attempt", arguments: House.all)
    func handBack(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            for second in 0..<5 {
                let job = try await open.lease(at: second)
                #expect(job.attempt == 1)
                try await open.jobs.handBack(job.id, token: job.leaseToken, at: .second(second))
                await expectConflicts(job, at: second, open)
            }
            #expect(try await open.find(item) == item)
        }
    }

    @Test("A job survives a restart in every state", arguments: House.all)
    func reopening(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            let (account, jobs) = try await withStorage(on: house, in: directory) { open in
                let account = try await open.account()
                for name in ["done", "broken", "leased", "queued"] {
                    _ = try await open.insert(
                        name, of: account, at: .second(["done", "broken", "leased", "queued"].firstIndex(of: name) ?? 0))
                }
                let jobs = try await open.jobs.lease(limit: 3, policy: policy, at: .second(9))
                try await open.jobs.complete(jobs[0].id, token: jobs[0].leaseToken, portrait: nil, at: .second(10))
                try await open.jobs.fail(
                    jobs[1].id, token: jobs[1].leaseToken, error: .fixture, retryable: false, policy: policy, at: .second(10))
                return (account, jobs)
            }
            try await withStorage(on: house, in: directory) { open in
                let items = try await open.items.page(PikzonalityFilter(), sort: .oldestFirst, after: nil, limit: 9, accountID: account)
                #expect(items.map(\.status) == [.completed, .failed, .processing, .processing])
                await expectConflicts(jobs[0], at: 11, open)
                await expectConflicts(jobs[1], at: 11, open)
                #expect(try await open.lease(at: 11).item.name.text == "queued")
                let beat = try await open.jobs.heartbeat(
                    jobs[2].id, token: jobs[2].leaseToken, progress: 50, policy: policy, at: .second(12))
                #expect(beat.isCancelled == false)
                try await open.jobs.complete(jobs[2].id, token: jobs[2].leaseToken, portrait: nil, at: .second(13))
                #expect(try await open.find(items[2]).status == .completed)
            }
        }
    }
}

@Suite("Reporting on training jobs", .timeLimit(.minutes(1)))
struct TrainingReportTests {
    @Test("A job that ends well completes its item in the same moment; the first reference image serves as portrait", arguments: House.all)
    func complete(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account(), images: try await files(3, open))
            let job = try await open.lease(at: 1)
            #expect(try await open.find(item) == item, "a lease is nothing that a client sees")
            try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(2))
            let completed = try await open.find(item)
            #expect(completed.status == .completed && completed.progress == 100 && completed.error == nil)
            #expect(completed.version == item.version + 1 && completed.updatedAt == .second(2))
            let portrait = try #require(completed.portraitToken)
            #expect(!completed.referenceTokens.contains(portrait) && completed.referenceTokens == item.referenceTokens)
            #expect(try await open.images.open(portrait).image == job.references[0])
        }
    }

    @Test("A portrait of the worker's own is published, with its bytes", arguments: House.all)
    func completeWithPortrait(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account(), images: try await files(3, open))
            let job = try await open.lease(at: 1)
            let sanitized = try SanitizedImage.fixture(77, side: 9)
            let portrait = try await open.store(sanitized)
            try await open.jobs.complete(job.id, token: job.leaseToken, portrait: portrait, at: .second(2))
            open.unpin([portrait])
            #expect(try await open.collector.collect() == 0)
            let content = try await open.images.open(try #require(try await open.find(item).portraitToken))
            #expect(content.image == portrait)
            #expect(try await content.read(at: 0, count: 10_000) == sanitized.bytes)
        }
    }

    @Test("Progress shows at the item, never falls, and stays below 100 until the end", arguments: House.all)
    func progress(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            let job = try await open.lease(at: 0)
            for (second, sent, shown, version) in [
                (1, nil, 0, 1), (2, 40, 40, 2), (3, 20, 40, 2), (4, nil, 40, 2), (5, 41, 41, 3), (6, 100, 99, 4), (7, 99, 99, 4),
            ] {
                _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: sent, policy: policy, at: .second(second))
                let found = try await open.find(item)
                #expect(found.progress == shown && found.version == version && found.status == .processing, "\(sent ?? -1)")
            }
            #expect(try await open.find(item).updatedAt == .second(6))
            // The progress of the first attempt stays for the second.
            let second = try await open.lease(at: 60)
            _ = try await open.jobs.heartbeat(second.id, token: second.leaseToken, progress: 5, policy: policy, at: .second(61))
            #expect(try await open.find(item).progress == 99)
        }
    }

    @Test("A final fault fails the item with the worker's words", arguments: House.all)
    func fail(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            let job = try await open.lease(at: 0)
            _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: 60, policy: policy, at: .second(1))
            try await open.jobs.fail(job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: policy, at: .second(2))
            let failed = try await open.find(item)
            #expect(failed.status == .failed && failed.error == .fixture && failed.progress == 60 && failed.portraitToken == nil)
            #expect(failed.version == 3 && failed.updatedAt == .second(2))
            await expectConflicts(job, at: 3, open)
        }
    }

    @Test("A passing fault sends the job back while attempts are left, and fails the item after the last", arguments: House.all)
    func retryableFault(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            let first = try await open.lease(at: 0)
            try await open.jobs.fail(first.id, token: first.leaseToken, error: .fixture, retryable: true, policy: policy, at: .second(1))
            #expect(try await open.find(item) == item)
            await expectConflicts(first, at: 1, open)
            let second = try await open.lease(at: 2)
            #expect(second.id == first.id && second.attempt == 2)
            try await open.jobs.fail(second.id, token: second.leaseToken, error: .fixture, retryable: true, policy: policy, at: .second(3))
            #expect(try await open.find(item).status == .failed)
            #expect(try await open.find(item).error == .fixture)
            #expect(try await open.jobs.lease(limit: 1, policy: policy, at: .second(100)).isEmpty)
        }
    }

    @Test("A job that never was is not found; a token that never was is a conflict", arguments: House.all)
    func unknown(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            let job = try await open.lease(at: 0)
            func forged(_ id: Identifier) -> LeasedJob {
                LeasedJob(id: id, leaseToken: .random(), leaseExpiresAt: .second(30), attempt: 1, item: item, references: [])
            }
            await expectConflicts(forged(job.id), at: 1, open)
            await expectRefusals(forged(.random()), at: 1, open) { ($0 as? Failure) == .notFound }
            #expect(try await open.find(item) == item)
        }
    }

    @Test(
        "When the account goes, the running worker is told to stop and can report nothing; waiting jobs are not leased",
        arguments: House.all)
    func accountDeleted(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account("acme")
            for name in ["First", "Second"] { _ = try await open.insert(name, of: account) }
            let done = try await open.insert("Done", mode: .style, of: account, outcome: .completed)
            let job = try await open.lease(at: 0)
            try await open.accounts.delete(accountNamed: "acme", at: .second(1))

            let beat = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: 50, policy: policy, at: .second(2))
            #expect(beat.isCancelled)
            await #expect(
                performing: {
                    _ = try await open.jobs.heartbeat(job.id, token: .random(), progress: 50, policy: policy, at: .second(2))
                }, throws: isConflict)
            await #expect(
                performing: {
                    try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(2))
                }, throws: isConflict)
            await #expect(
                performing: {
                    try await open.jobs.fail(
                        job.id, token: job.leaseToken, error: .fixture, retryable: true, policy: policy, at: .second(2))
                }, throws: isConflict)
            #expect(try await open.jobs.lease(limit: 9, policy: policy, at: .second(3)).isEmpty)
            #expect(try await open.jobs.expire(policy: policy, at: .second(100)) == 0)
            await #expect(throws: Failure.notFound) { try await open.images.open(done.referenceTokens[0]) }
            #expect(try open.counts() == ["pikzonality": 0, "image_link": 0, "media": 3, "media_removal": 3, "training_job": 2])

            // A day later no client asks any more.
            #expect(try await open.jobs.expire(policy: policy, at: .second(86_401)) == 0)
            #expect(try open.count("training_job") == 0)
            await #expect(throws: Failure.notFound) {
                try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: 50, policy: policy, at: .second(86_402))
            }
        }
    }

    private func files(_ count: UInt64, _ open: OpenStorage) async throws -> [StoredImage] {
        var images: [StoredImage] = []
        for number in 0..<count { images.append(try await open.store(try .fixture(number))) }
        return images
    }
}

/// Makes sure that a worker's every report is a conflict.
private func expectConflicts(_ job: LeasedJob, at second: Int, _ open: OpenStorage, _ location: SourceLocation = #_sourceLocation) async {
    await expectRefusals(job, at: second, open, location, isConflict)
}

/// Makes sure that a worker's every report is refused with an error that fulfils a condition.
private func expectRefusals(
    _ job: LeasedJob, at second: Int, _ open: OpenStorage, _ location: SourceLocation = #_sourceLocation, _ condition: (any Error) -> Bool
) async {
    let (jobs, now) = (open.jobs, Timestamp.second(second))
    await #expect(
        sourceLocation: location,
        performing: {
            _ = try await jobs.heartbeat(job.id, token: job.leaseToken, progress: 50, policy: policy, at: now)
        }, throws: condition)
    await #expect(
        sourceLocation: location,
        performing: {
            try await jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: now)
        }, throws: condition)
    await #expect(
        sourceLocation: location,
        performing: {
            try await jobs.fail(job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: policy, at: now)
        }, throws: condition)
    await #expect(
        sourceLocation: location, performing: { try await jobs.handBack(job.id, token: job.leaseToken, at: now) }, throws: condition)
}
