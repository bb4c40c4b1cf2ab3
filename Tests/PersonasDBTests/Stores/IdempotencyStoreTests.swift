import GRDB
import Personas
import Testing

@testable import PersonasDB

/// Answers under idempotency keys, together with what they acknowledge.
@Suite("Kept answers")
struct IdempotencyStoreTests {
    private static func request(_ key: String = "key", of accountID: Identifier, fingerprint: UInt8 = 7) throws -> IdempotentRequest {
        let scope = IdempotentRequest.Scope(accountID: accountID, route: "POST /v2/personas", key: try IdempotencyKey(quotable: key))
        return IdempotentRequest(scope: scope, fingerprint: [UInt8](repeating: fingerprint, count: 32))
    }

    private static func new(_ name: String, of accountID: Identifier, at time: Timestamp = .second(0)) -> NewPikzonality {
        NewPikzonality(
            id: .random(), accountID: accountID, mode: .persona, name: Name(stored: name), specialInstructions: nil,
            references: StoredImage.three, createdAt: time)
    }

    private static func answer(_ item: Pikzonality) -> IdempotencyRecord {
        IdempotencyRecord(
            requestID: "r", status: 201, location: "/\(item.id.text)", entityTag: "\"v\(item.version)\"", body: Array("{}".utf8))
    }

    @Test("are there when the item is there, and outlive the process")
    func together() async throws {
        try await withDataFolder { directory in
            let (request, item) = try await withStorage(in: directory) { open in
                let request = try Self.request(of: try await open.account())
                let item = try await open.items.insert(
                    Self.new("Nova", of: request.scope.accountID), acknowledging: Acknowledgement(request: request, answer: Self.answer))
                return (request, item)
            }
            try await withStorage(in: directory) { open in
                let kept = try #require(try open.storage.answers.find(request.scope, since: .second(0)))
                #expect(kept.fingerprint == request.fingerprint)
                #expect(kept.answer == Self.answer(item))
                #expect(try open.storage.answers.find(request.scope, since: .second(1)) == nil)
            }
        }
    }

    @Test("are not there when the item could not be stored")
    func refusedItem() async throws {
        try await withStorage { open in
            let accountID = try await open.account()
            _ = try await open.insert("Nova", of: accountID)
            let request = try Self.request(of: accountID)
            await #expect(throws: Failure.self) {
                try await open.items.insert(
                    Self.new("nova", of: accountID), acknowledging: Acknowledgement(request: request, answer: Self.answer))
            }
            #expect(try open.count("kept_answer") == 0)
        }
    }

    @Test("undo the item when they cannot be kept themselves")
    func refusedAnswer() async throws {
        try await withStorage { open in
            let accountID = try await open.account()
            let request = try Self.request(of: accountID)
            try await open.execute("CREATE TRIGGER refuse BEFORE INSERT ON kept_answer BEGIN SELECT RAISE(ABORT, 'no'); END")
            await #expect(throws: Failure.self) {
                try await open.items.insert(
                    Self.new("Nova", of: accountID), acknowledging: Acknowledgement(request: request, answer: Self.answer))
            }
            for (table, count) in try open.counts() { #expect(count == 0, "\(table)") }
            #expect(try open.count("kept_answer") == 0)
        }
    }

    @Test("come with leases, heartbeats and both ends of a job")
    func jobs() async throws {
        try await withStorage { open in
            let accountID = try await open.account()
            for name in ["First", "Second"] { _ = try await open.insert(name, of: accountID) }
            let policy = LeasePolicy()
            func acknowledgement<Value>(_ key: String, _ type: Value.Type = Value.self) throws -> Acknowledgement<Value> {
                Acknowledgement(request: try Self.request(key, of: accountID)) { _ in
                    IdempotencyRecord(requestID: key, status: 200, body: [])
                }
            }
            let jobs = try await open.jobs.lease(limit: 2, policy: policy, at: .second(1), acknowledging: try acknowledgement("lease"))
            let (first, second) = (jobs[0], jobs[1])
            _ = try await open.jobs.heartbeat(
                first.id, token: first.leaseToken, progress: 5, policy: policy, at: .second(2), acknowledging: try acknowledgement("beat"))
            try await open.jobs.complete(
                first.id, token: first.leaseToken, portrait: nil, at: .second(3), acknowledging: try acknowledgement("complete"))
            try await open.jobs.fail(
                second.id, token: second.leaseToken, error: .fixture, retryable: false, policy: policy, at: .second(3),
                acknowledging: try acknowledgement("fail"))
            // Where there is no job, and where the lease is over, nothing was done that could be acknowledged.
            let none = try await open.jobs.lease(limit: 2, policy: policy, at: .second(4), acknowledging: try acknowledgement("none"))
            #expect(none.isEmpty)
            await #expect(throws: TrainingJob.staleLease) {
                try await open.jobs.complete(
                    first.id, token: first.leaseToken, portrait: nil, at: .second(4), acknowledging: try acknowledgement("stale"))
            }
            for key in ["lease", "beat", "complete", "fail"] {
                let kept = try open.storage.answers.find(try Self.request(key, of: accountID).scope, since: .second(0))
                #expect(kept?.answer.requestID == key)
            }
            #expect(try open.count("kept_answer") == 4)
        }
    }

    @Test("are forgotten the oldest first, and in portions")
    func forgetting() async throws {
        try await withStorage { open in
            let accountID = try await open.account()
            for second in 0..<10 {
                try await open.storage.answers.keep(
                    IdempotencyRecord(requestID: "r", status: 404, body: [1]), for: try Self.request("key-\(second)", of: accountID),
                    at: .second(second))
            }
            #expect(try await open.storage.answers.forget(before: .second(7), limit: 4) == 4)
            #expect(try open.count("kept_answer", where: "idempotency_key = 'key-4'") == 1)
            #expect(try await open.storage.answers.forget(before: .second(7), limit: 4) == 3)
            #expect(try await open.storage.answers.forget(before: .second(7), limit: 4) == 0)
            #expect(try open.count("kept_answer") == 3)
        }
    }

    @Test("give way to a new answer once their time is over, and go with their account")
    func replacing() async throws {
        try await withStorage { open in
            let accountID = try await open.account("short-lived")
            for (second, status) in [(0, 404), (100, 409)] {
                let request = try Self.request(of: accountID, fingerprint: UInt8(second))
                try await open.storage.answers.keep(
                    IdempotencyRecord(requestID: "r", status: status, body: [1]), for: request, at: .second(second))
            }
            let kept = try #require(try open.storage.answers.find(try Self.request(of: accountID).scope, since: .second(0)))
            #expect(kept.answer.status == 409 && kept.fingerprint.first == 100)
            try await open.accounts.delete(accountNamed: "short-lived", at: .second(200))
            #expect(try open.count("kept_answer") == 0)
        }
    }
}
