import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("The check of events", .timeLimit(.minutes(1)))
struct EventCheckTests {
    @Test(
        "What goes on as it should leaves nothing to find: changes, expiry, items that go, and an account from before there were events",
        arguments: House.all)
    func nothing(on house: House) async throws {
        try await withScene(on: house) { open, _ in
            #expect(try await found(open) == [])
            _ = try await open.events.clear(progressBefore: .second(100), before: .second(2), limit: 100)
            #expect(try await found(open) == [])
            try await open.execute("DELETE FROM event; DELETE FROM event_counter; DELETE FROM event_reduction")
            #expect(try await found(open) == [])
        }
    }

    @Test(
        "Events that cannot be right are found, with what they are of",
        arguments: House.all,
        [
            ("DELETE FROM event WHERE sequence = 8", "account"), ("UPDATE event_counter SET last_sequence = 3", "account"),
            ("DELETE FROM event_counter", "account"), ("UPDATE event_counter SET expired_sequence = last_sequence + 1", "account"),
            ("UPDATE pikzonality SET name = 'Other', name_key = 'other' WHERE name = 'Kept'", "kept"),
            ("UPDATE pikzonality SET version = version + 1 WHERE name = 'Kept'", "kept"),
            ("UPDATE event SET special_instructions = 'others' WHERE sequence = 9", "kept"),
            ("UPDATE event SET version = 99 WHERE sequence = 11", "training"),
            ("DELETE FROM event_reduction", "gone"),
            ("INSERT INTO event_reduction (item_id) SELECT id FROM pikzonality WHERE name = 'Kept'", "kept"),
        ])
    func faults(on house: House, fault: (String, String)) async throws {
        let (sql, subject) = fault
        try await withScene(on: house) { open, subjects in
            try await open.execute(sql)
            #expect(Set(try await found(open)) == [try #require(subjects[subject])])
        }
    }

    /// What the check finds about events, ten seconds after the last.
    private func found(_ open: OpenStorage) async throws -> [String] {
        try await open.storage.integrity.check(repairingWith: nil, at: .second(20)) { _ in }.findings
            .filter { $0.kind == .eventsDisagree }.map(\.subject)
    }

    /// An account with an item that is gone (events 1 to 4), one that is kept (5 to 9), and one in training (10, 11).
    private func withScene(on house: House, _ body: (OpenStorage, [String: String]) async throws -> Void) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let gone = try await train("Gone", of: account, open)
            _ = try await open.items.delete(gone, mode: nil, accountID: account, at: .second(5))
            let kept = try await train("Kept", of: account, open)
            for second in 6...7 {
                _ = try await open.items.update(
                    kept, mode: nil, accountID: account, change: .words("\(second)"), at: .second(second))
            }
            let training = try await open.insert("Training", of: account, at: .second(8))
            let job = try await open.lease(at: .second(9))
            for milliseconds in [0, 10] {
                let now = Timestamp(milliseconds: Timestamp.second(10).milliseconds + Int64(milliseconds))
                _ = try await open.jobs.heartbeat(
                    job.id, token: job.leaseToken, progress: 40 + milliseconds, policy: LeasePolicy(), at: now)
            }
            #expect(try await open.events(of: account).map(\.sequence) == Array(1...11))
            try await body(open, ["account": account.text, "gone": gone.text, "kept": kept.text, "training": training.id.text])
        }
    }

    private func train(_ name: String, of account: Identifier, _ open: OpenStorage) async throws -> Identifier {
        let item = try await open.insert(name, of: account, at: .second(1))
        let job = try await open.lease(at: .second(2))
        _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: 40, policy: LeasePolicy(), at: .second(3))
        try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(4))
        return item.id
    }
}
