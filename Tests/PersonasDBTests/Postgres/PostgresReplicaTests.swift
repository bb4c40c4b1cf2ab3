import Personas
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    /// What holds between processes that share a database: rules that SQLite's one writer keeps by itself.
    @Suite("Replicas of one database", .timeLimit(.minutes(2)))
    struct Replicas {
        /// Two storages on one database and one store of objects.
        private static func withReplicas(_ body: ([OpenStorage]) async throws -> Void) async throws {
            try await withDataFolder(on: .postgres) { directory in
                try await withStorage(on: .postgres, in: directory) { first in
                    try await withStorage(on: .postgres, in: directory) { second in try await body([first, second]) }
                }
            }
        }

        /// Does something many times at once, at either replica in turn.
        private static func race<Value: Sendable>(
            _ count: Int, _ replicas: [OpenStorage],
            _ body: @escaping @Sendable (_ open: OpenStorage, _ number: Int) async throws(Failure) -> Value
        ) async -> [Result<Value, Failure>] {
            await withTaskGroup(of: Result<Value, Failure>.self) { group in
                for number in 0..<count {
                    group.addTask {
                        await result { () throws(Failure) in try await body(replicas[number % replicas.count], number) }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
        }

        @Test("Of many who want one name one gets it, and all others are told whose it is")
        func names() async throws {
            try await Self.withReplicas { replicas in
                let account = try await replicas[0].account()
                for round in 0..<5 {
                    let results = await Self.race(16, replicas) { (open, number) throws(Failure) in
                        // Names that differ in case alone are one.
                        try await open.insert(number % 2 == 0 ? "Nova \(round)" : "NOVA \(round)", of: account).id
                    }
                    let winners = results.compactMap { try? $0.get() }
                    try #require(winners.count == 1)
                    #expect(results.count { $0 == .failure(.nameTaken(.persona, winners[0])) } == 15, "\(results)")
                }
                #expect(try replicas[0].count("pikzonality") == 5 && replicas[0].count("training_job") == 5)
            }
        }

        @Test("Each job is leased once, whoever asks wherever")
        func leases() async throws {
            try await Self.withReplicas { replicas in
                let account = try await replicas[0].account()
                for number in 0..<40 { _ = try await replicas[0].insert("Item \(number)", of: account) }
                let results = await Self.race(24, replicas) { (open, _) throws(Failure) in
                    try await open.jobs.lease(limit: 3, policy: LeasePolicy(), at: .second(1)).map(\.id)
                }
                var leased = try results.flatMap { try $0.get() }
                // Who passes over jobs that others are about to take may come back with fewer than there are.
                while case let more = try await replicas[0].jobs.lease(limit: 50, policy: LeasePolicy(), at: .second(1)).map(\.id),
                    !more.isEmpty
                {
                    leased += more
                }
                #expect(leased.count == 40 && Set(leased).count == 40)
                #expect(try replicas[0].count("training_job", where: "state = 'leased' AND attempts = 1") == 40)
            }
        }

        @Test("Of a hundred requests under one key one has the claim; one that lost its claim meanwhile has no effect")
        func claims() async throws {
            try await Self.withReplicas { replicas in
                let account = try await replicas[0].account()
                let scope = IdempotentRequest.Scope(
                    accountID: account, operation: "POST /v2/personas", key: try IdempotencyKey(quotable: "key"))
                let request = IdempotentRequest(scope: scope, fingerprint: [UInt8](repeating: 7, count: 32))
                let results = await Self.race(100, replicas) { (open, _) throws(Failure) in
                    try await open.storage.idempotency.claim(request, until: .second(90), at: .second(0))
                }
                let claimed = results.compactMap { (try? $0.get()).flatMap { if case .claimed(let claim) = $0 { claim } else { nil } } }
                try #require(claimed.count == 1)
                #expect(results.count { $0 == .failure(.idempotencyKeyInUse) } == 99)
                // Its time runs out, and another process takes the key over.
                let later = try await replicas[1].storage.idempotency.claim(request, until: .second(180), at: .second(90))
                guard case .claimed(let second) = later else { throw Unexpected("\(later)") }
                func insert(_ open: OpenStorage, under claim: ClaimID) async throws(Failure) -> Pikzonality {
                    let new = NewPikzonality.credited("Nova", of: account, images: try open.pinnedImages())
                    let context = WriteContext<StartedItem>(
                        at: .second(91), claim: IdempotencyClaim(id: claim, request: request) { Array($0.item.id.text.utf8) })
                    return try await open.items.insert(new, in: context)
                }
                let late = await result { () throws(Failure) in try await insert(replicas[0], under: claimed[0]) }
                #expect(late == .failure(.idempotencyKeyInUse))
                #expect(try replicas[0].counts().values.allSatisfy { $0 == 0 } && replicas[0].count("event") == 0)
                let item = try await insert(replicas[1], under: second)
                let found = try await replicas[0].storage.idempotency.claim(request, until: .second(200), at: .second(92))
                #expect(
                    found == .recorded(IdempotencyRecord(fingerprint: request.fingerprint, answer: Array(item.id.text.utf8))))
                await replicas[0].storage.idempotency.release(claimed[0], of: request)
                #expect(try replicas[0].count("idempotency_record") == 1, "a late release takes nothing away")
            }
        }

        @Test("However creates, deletions and removals of one image mix, no link is without its object, and no object is left")
        func images() async throws {
            try await Self.withReplicas { replicas in
                let account = try await replicas[0].account()
                let images = try (0..<3).map { try SanitizedImage.fixture(UInt64($0), side: 4) }
                // For these no image is ever held: what stands against them is the link alone.
                let ahead = WallClock { .now.adding(seconds: 3_600) }
                let collectors = replicas.map {
                    BlobCollector(index: $0.storage.images, blobs: $0.storage.blobs, clock: ahead)
                }
                let isOver = Shared(false)
                let removed = Shared(0)
                let removing = Task {
                    await withTaskGroup { group in
                        for collector in collectors {
                            group.addTask {
                                while !isOver.value {
                                    let count = await result { () throws(Failure) in try await collector.collect() }
                                    if case .success(let count) = count { removed.withLock { $0 += count } }
                                }
                            }
                        }
                    }
                }
                let refused = Shared(0)
                let results = await Self.race(6, replicas) { (open, worker) throws(Failure) in
                    for round in 0..<20 {
                        var made: Pikzonality?
                        while made == nil {
                            do throws(Failure) {
                                made = try await open.images.withStored(images) { (stored) async throws(Failure) in
                                    try await open.insert("\(worker) \(round)", of: account, images: stored, outcome: .completed)
                                }
                            } catch .storeBusy {
                                refused.withLock { $0 += 1 }
                            }
                        }
                        guard let made else { continue }
                        for token in made.referenceTokens { try await open.images.verify(try await open.images.image(token)) }
                        if round < 19 { _ = try await open.items.delete(made.id, mode: nil, accountID: account, at: .second(round)) }
                    }
                }
                isOver.withLock { $0 = true }
                await removing.value
                for result in results { try result.get() }
                #expect(removed.value > 0, "objects went while others came")
                let keys = try await replicas[0].reader.read { connection in
                    try connection.all("SELECT DISTINCT digest, object FROM image_link", []) {
                        BlobKey(digest: Array($0.bytes(0)), object: try $0.identifier(1))
                    }
                }
                #expect(!keys.isEmpty)
                for key in keys { #expect(try await replicas[1].storage.blobs.isIntact(key)) }
                // All that is left to be removed goes, and nothing but that.
                for prefix in UInt8.min...UInt8.max { _ = try await collectors[0].sweep(prefix) }
                while try await collectors[0].collect() > 0 {}
                #expect(try replicas[0].imageFiles().count == keys.count && replicas[0].count("media") == keys.count)
                #expect(try replicas[0].count("object_removal") == 0)
            }
        }

        @Test("Quotas hold to the item, and no balance is spent twice, however many create at once")
        func bounds() async throws {
            try await Self.withReplicas { replicas in
                let (limited, paying) = (try await replicas[0].account("limited"), try await replicas[0].account("paying"))
                _ = try await replicas[0].accounts.change(QuotaChange(items: .max(7)), accountNamed: "limited")
                try await replicas[0].grant(31, to: paying)
                let limit = await Self.race(40, replicas) { (open, number) throws(Failure) in
                    try await open.insert("Item \(number)", of: limited).id
                }
                #expect(limit.count { (try? $0.get()) != nil } == 7)
                #expect(limit.count { if case .failure(.quotaExceeded) = $0 { true } else { false } } == 33)
                #expect(try replicas[0].count("pikzonality") == 7)
                let paid = await Self.race(40, replicas) { (open, number) throws(Failure) in
                    try await open.start("Item \(number)", of: paying).creditsRemaining
                }
                #expect(paid.compactMap { try? $0.get() }.compactMap { $0 }.sorted() == stride(from: 1, through: 28, by: 3).map { $0 })
                #expect(paid.count { if case .failure(.insufficientCredits) = $0 { true } else { false } } == 30)
                #expect(try await replicas[1].balance(of: paying) == 1)
                #expect(try await replicas[1].creditFindingsNow() == [])
                // The trainings end at both, and what failed is given back once.
                let ended = await Self.race(20, replicas) { (open, number) throws(Failure) in
                    for job in try await open.jobs.lease(limit: 2, policy: LeasePolicy(), at: .second(1)) {
                        try await open.jobs.fail(
                            job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: LeasePolicy(), at: .second(2))
                    }
                }
                for result in ended { try result.get() }
                while let job = try await replicas[0].jobs.lease(limit: 1, policy: LeasePolicy(), at: .second(1)).first {
                    try await replicas[1].jobs.fail(
                        job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: LeasePolicy(), at: .second(2))
                }
                #expect(try await replicas[0].balance(of: paying) == 31)
                #expect(try await replicas[0].creditFindingsNow() == [] && replicas[0].count("open_charge") == 0)
                let sequences = try await replicas[1].events(of: paying).map(\.sequence)
                #expect(sequences == Array(1...Int64(sequences.count)), "each number is given once, and none is left out")
            }
        }
    }
}
