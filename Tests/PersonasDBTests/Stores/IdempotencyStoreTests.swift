import Personas
import TestSupport
import Testing

@testable import PersonasDB

/// Records under idempotency keys, together with what they tell of.
@Suite("Idempotency records")
struct IdempotencyStoreTests {
    private static func request(_ key: String = "key", of accountID: Identifier, fingerprint: UInt8 = 7) throws -> IdempotentRequest {
        let scope = IdempotentRequest.Scope(accountID: accountID, operation: "POST /v2/personas", key: try IdempotencyKey(quotable: key))
        return IdempotentRequest(scope: scope, fingerprint: [UInt8](repeating: fingerprint, count: 32))
    }

    private static func new(_ name: String, of accountID: Identifier, _ open: OpenStorage) throws(Failure) -> NewPikzonality {
        NewPikzonality(
            id: .random(), accountID: accountID, mode: .persona, details: PikzonalityDetails(name: Name(stored: name)),
            references: try open.pinnedImages())
    }

    /// A write under a claim of its own.
    private static func context(_ request: IdempotentRequest, _ open: OpenStorage) async throws -> WriteContext<StartedItem> {
        let claim = try await begin(request, open)
        return WriteContext(at: .second(0), claim: IdempotencyClaim(id: claim, request: request) { record($0.item) })
    }

    /// Keeps an answer under a claim of its own, which is over then.
    private static func keep(_ answer: [UInt8], for request: IdempotentRequest, at now: Timestamp, _ open: OpenStorage) async throws {
        let store = open.storage.idempotency
        guard case .claimed(let claim) = try await store.claim(request, until: now.adding(seconds: 90), at: now) else {
            throw Failure.unexpected("Something is kept already")
        }
        try await store.keep(answer, for: request, under: claim, at: now)
        await store.release(claim, of: request)
    }

    private static func record(_ item: Pikzonality) -> [UInt8] { Array("/\(item.id.text) v\(item.version)".utf8) }

    /// Claims a key under which nothing is kept.
    @discardableResult
    private static func claim(_ request: IdempotentRequest, _ open: OpenStorage) async throws -> ClaimID {
        let outcome = try await open.storage.idempotency.claim(request, until: .second(90), at: .second(0))
        guard case .claimed(let claim) = outcome else { throw Failure.unexpected("Something is kept already: \(outcome)") }
        return claim
    }

    /// Claims of requests that write next, and that end with the next look.
    private static let begun = Shared<[IdempotentRequest.Scope: ClaimID]>([:])

    /// Claims a key for a request that writes next.
    private static func begin(_ request: IdempotentRequest, _ open: OpenStorage) async throws -> ClaimID {
        let claim = try await claim(request, open)
        begun.withLock { $0[request.scope] = claim }
        return claim
    }

    /// What a request that asks at a moment is told, once the one before it has ended.
    private static func found(_ request: IdempotentRequest, at now: Timestamp, _ open: OpenStorage) async throws -> IdempotencyRecord? {
        if let claim = begun.withLock({ $0.removeValue(forKey: request.scope) }) {
            await open.storage.idempotency.release(claim, of: request)
        }
        switch try await open.storage.idempotency.claim(request, until: now.adding(seconds: 90), at: now) {
        case .recorded(let record): return record
        case .claimed(let claim):
            await open.storage.idempotency.release(claim, of: request)
            return nil
        }
    }

    @Test("are there when the item is there, outlive the process, and count for a day", arguments: House.all)
    func together(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            let (request, item) = try await withStorage(on: house, in: directory) { open in
                let request = try Self.request(of: try await open.account())
                let item = try await open.items.insert(
                    try Self.new("Nova", of: request.scope.accountID, open), in: try await Self.context(request, open))
                return (request, item)
            }
            try await withStorage(on: house, in: directory) { open in
                let kept = try #require(try await Self.found(request, at: .second(86_400), open))
                #expect(kept.fingerprint == request.fingerprint)
                #expect(kept.answer == Self.record(item))
                #expect(try await Self.found(request, at: .second(86_401), open) == nil)
            }
        }
    }

    @Test("are not there when the item could not be stored", arguments: House.all)
    func refusedItem(on house: House) async throws {
        try await withStorage(on: house) { open in
            let accountID = try await open.account()
            _ = try await open.insert("Nova", of: accountID)
            let request = try Self.request(of: accountID)
            await #expect(throws: Failure.self) {
                try await open.items.insert(try Self.new("nova", of: accountID, open), in: try await Self.context(request, open))
            }
            #expect(try open.count("idempotency_record", where: "answer IS NOT NULL") == 0)
        }
    }

    @Test("undo the item when they cannot be kept themselves", arguments: House.all)
    func refusedAnswer(on house: House) async throws {
        try await withStorage(on: house) { open in
            let accountID = try await open.account()
            let request = try Self.request(of: accountID)
            let context = try await Self.context(request, open)
            try await open.refuse(house == .postgres ? "UPDATE" : "INSERT", on: "idempotency_record")
            await #expect(throws: Failure.self) {
                try await open.items.insert(try Self.new("Nova", of: accountID, open), in: context)
            }
            for (table, count) in try open.counts() { #expect(count == 0, "\(table)") }
            #expect(try open.count("idempotency_record", where: "answer IS NOT NULL") == 0)
        }
    }

    @Test("come with changes and deletions of items, were they made under a claim", arguments: House.all)
    func items(on house: House) async throws {
        try await withStorage(on: house) { open in
            let accountID = try await open.account()
            let item = try await open.insert("Nova", of: accountID, outcome: .completed)
            let (change, deletion) = (try Self.request("change", of: accountID), try Self.request("deletion", of: accountID))
            let changed = try await open.items.update(
                item.id, mode: nil, accountID: accountID, change: PikzonalityChange(specialInstructions: "Smile"),
                if: .none,
                in: WriteContext(
                    at: .second(1), claim: IdempotencyClaim(id: try await Self.begin(change, open), request: change) { Self.record($0) }))
            #expect(changed.updatedAt == .second(1))
            #expect(try await Self.found(change, at: .second(2), open)?.answer == Self.record(changed))
            let claim = IdempotencyClaim<Mode>(id: try await Self.begin(deletion, open), request: deletion) { Array($0.rawValue.utf8) }
            _ = try await open.items.delete(
                item.id, mode: nil, accountID: accountID, if: .none, endingTraining: false, in: WriteContext(at: .second(3), claim: claim))
            #expect(try await Self.found(deletion, at: .second(4), open)?.answer == Array("persona".utf8))
        }
    }

    @Test("come with leases, heartbeats and both ends of a job", arguments: House.all)
    func jobs(on house: House) async throws {
        try await withStorage(on: house) { open in
            let accountID = try await open.account()
            for name in ["First", "Second"] { _ = try await open.insert(name, of: accountID) }
            let policy = LeasePolicy()
            func context<Value>(_ key: String, at second: Int, _ type: Value.Type = Value.self) async throws -> WriteContext<Value> {
                let request = try Self.request(key, of: accountID)
                let claim = try await Self.begin(request, open)
                return WriteContext(at: .second(second), claim: IdempotencyClaim(id: claim, request: request) { _ in Array(key.utf8) })
            }
            let jobs = try await open.jobs.lease(limit: 2, policy: policy, in: try await context("lease", at: 1))
            let (first, second) = (jobs[0], jobs[1])
            _ = try await open.jobs.heartbeat(
                first.id, token: first.leaseToken, progress: 5, policy: policy, in: try await context("beat", at: 2))
            try await open.jobs.complete(first.id, token: first.leaseToken, portrait: nil, in: try await context("complete", at: 3))
            try await open.jobs.fail(
                second.id, token: second.leaseToken, error: .fixture, retryable: false, policy: policy, in: try await context("fail", at: 3)
            )
            // Where there is no job, and where the lease is over, nothing was done that could be recorded.
            let none = try await open.jobs.lease(limit: 2, policy: policy, in: try await context("none", at: 4))
            #expect(none.isEmpty)
            await #expect(throws: Failure.staleLease) {
                try await open.jobs.complete(first.id, token: first.leaseToken, portrait: nil, in: try await context("stale", at: 4))
            }
            for key in ["lease", "beat", "complete", "fail"] {
                #expect(try await Self.found(try Self.request(key, of: accountID), at: .second(5), open)?.answer == Array(key.utf8))
            }
            #expect(try open.count("idempotency_record", where: "answer IS NOT NULL") == 4)
        }
    }

    @Test("come with leases that are handed back or ended, were that done under a claim", arguments: House.all)
    func endedLeases(on house: House) async throws {
        try await withStorage(on: house) { open in
            let accountID = try await open.account()
            _ = try await open.insert("First", of: accountID)
            let policy = LeasePolicy(seconds: 30, attemptsMax: 9)
            func claim<Value>(_ key: String, _ type: Value.Type = Value.self) async throws -> IdempotencyClaim<Value> {
                let request = try Self.request(key, of: accountID)
                return IdempotencyClaim(id: try await Self.begin(request, open), request: request) { _ in Array(key.utf8) }
            }
            // Without a lease to end nothing is done.
            let none: IdempotencyClaim<Int> = try await claim("none")
            #expect(try await open.jobs.expire(policy: policy, in: WriteContext(at: .second(0), claim: none)) == 0)
            #expect(try await open.jobs.takeOver(policy: policy, in: WriteContext(at: .second(0), claim: none)) == 0)
            #expect(try open.count("idempotency_record", where: "answer IS NOT NULL") == 0)
            let job = try #require(try await open.jobs.lease(limit: 1, policy: policy, at: .second(0)).first)
            try await open.jobs.handBack(job.id, token: job.leaseToken, in: WriteContext(at: .second(1), claim: try await claim("back")))
            _ = try await open.jobs.lease(limit: 1, policy: policy, at: .second(2))
            #expect(try await open.jobs.expire(policy: policy, in: WriteContext(at: .second(32), claim: try await claim("expire"))) == 1)
            _ = try await open.jobs.lease(limit: 1, policy: policy, at: .second(33))
            // Where others may be at work nothing is taken over.
            let taken = house == .sqlite ? 1 : 0
            #expect(
                try await open.jobs.takeOver(policy: policy, in: WriteContext(at: .second(34), claim: try await claim("over"))) == taken)
            for key in ["back", "expire", "over"].prefix(2 + taken) {
                #expect(try await Self.found(try Self.request(key, of: accountID), at: .second(40), open)?.answer == Array(key.utf8))
            }
            #expect(try open.count("idempotency_record", where: "answer IS NOT NULL") == 2 + taken)
        }
    }

    @Test("are looked for once no other request has the key, which each claim gives back", arguments: House.all)
    func claims(on house: House) async throws {
        try await withStorage(on: house) { open in
            let records = open.storage.idempotency
            let accountID = try await open.account()
            let request = try Self.request(of: accountID)
            let claim = try await Self.claim(request, open)
            // Not even one whose time is over, as long as its process lives, where that is known.
            for second in house == .sqlite ? [0, 89, 90, 100_000] : [0, 89] {
                await #expect(throws: Failure.idempotencyKeyInUse) {
                    try await records.claim(
                        try Self.request(of: accountID, fingerprint: 8), until: .second(second + 90), at: .second(second))
                }
            }
            let other = try await Self.claim(try Self.request("other", of: accountID), open)
            #expect(other != claim)
            // Only the claim that holds can be given back.
            for late in [other, .random()] { await records.release(late, of: request) }
            await #expect(throws: Failure.idempotencyKeyInUse) { try await Self.claim(request, open) }
            try await records.keep([1, 2], for: request, under: claim, at: .second(1))
            await records.release(claim, of: request)
            // A record is no claim: the next one gets it as well.
            for _ in 0..<2 {
                let found = try await records.claim(request, until: .second(92), at: .second(2))
                #expect(found == .recorded(IdempotencyRecord(fingerprint: request.fingerprint, answer: [1, 2])))
            }
        }
    }

    @Test("get a new claim for the same request sent again", arguments: House.all)
    func newClaim(on house: House) async throws {
        try await withStorage(on: house) { open in
            let request = try Self.request(of: try await open.account())
            let first = try await Self.claim(request, open)
            await open.storage.idempotency.release(first, of: request)
            let second = try await Self.claim(request, open)
            #expect(second != first)
            await open.storage.idempotency.release(first, of: request)
            await #expect(throws: Failure.idempotencyKeyInUse) { try await Self.claim(request, open) }
        }
    }

    @Test("that cannot be looked for leave the key free", arguments: House.all)
    func brokenLookUp(on house: House) async throws {
        try await withStorage(on: house) { open in
            let request = try Self.request(of: try await open.account())
            try await open.execute("ALTER TABLE idempotency_record RENAME TO away")
            await #expect(throws: Failure.self) { try await Self.found(request, at: .second(0), open) }
            try await open.execute("ALTER TABLE away RENAME TO idempotency_record")
            #expect(try await Self.found(request, at: .second(0), open) == nil)
        }
    }

    @Test("are forgotten the oldest first, and in portions", arguments: House.all)
    func forgetting(on house: House) async throws {
        try await withStorage(on: house) { open in
            let accountID = try await open.account()
            let records = open.storage.idempotency
            for second in 0..<10 {
                try await Self.keep([1], for: try Self.request("key-\(second)", of: accountID), at: .second(second), open)
            }
            #expect(try await records.forget(before: .second(7), limit: 4) == 4)
            #expect(try open.count("idempotency_record", where: "idempotency_key = 'key-4'") == 1)
            #expect(try await records.forget(before: .second(7), limit: 4) == 3)
            #expect(try await records.forget(before: .second(7), limit: 4) == 0)
            #expect(try open.count("idempotency_record") == 3)
        }
    }

    @Test("give way to a new answer once their time is over, and go with their account", arguments: House.all)
    func replacing(on house: House) async throws {
        try await withStorage(on: house) { open in
            let accountID = try await open.account("short-lived")
            for (second, answer) in [(0, 44), (86_401, 49)] as [(Int, UInt8)] {
                let request = try Self.request(of: accountID, fingerprint: UInt8(second % 100))
                try await Self.keep([answer], for: request, at: .second(second), open)
            }
            let kept = try #require(try await Self.found(try Self.request(of: accountID), at: .second(86_402), open))
            #expect(kept.answer == [49] && kept.fingerprint.first == 1)
            try await open.accounts.delete(accountNamed: "short-lived", at: .second(200))
            #expect(try open.count("idempotency_record", where: "answer IS NOT NULL") == 0)
        }
    }
}
