import Foundation
import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("The outbox", .timeLimit(.minutes(1)))
struct OutboxTests {
    @Test(
        "Every change that a client can see has one event with the item as it then was, and what was otherwise before",
        arguments: House.all, Mode.allCases)
    func everyKind(on house: House, mode: Mode) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let new = NewPikzonality(
                id: .random(), accountID: account, mode: mode, details: PikzonalityDetails(name: Name(stored: "Nova")),
                references: try open.pinnedImages())
            var states = [try await open.items.insert(new, in: WriteContext(at: .second(1), requestID: "req-1"))]
            let job = try await open.lease(at: .second(2))
            _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: 40, policy: LeasePolicy(), at: .second(3))
            states.append(try await open.find(new.id, of: account))
            try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(4))
            states.append(try await open.find(new.id, of: account))
            let change = PikzonalityChange(
                name: Name(stored: "Vega"), specialInstructions: "words", externalID: "own", metadata: .merge(["a": "b"]))
            states.append(
                try await open.items.update(
                    new.id, mode: mode, accountID: account, change: change, if: .none, in: WriteContext(at: .second(5), requestID: "req-2"))
            )

            let events = try await open.events(of: account)
            #expect(events.map(\.type) == [.created, .progress, .completed, .updated].map { .item(mode, $0) })
            #expect(events.map(\.item) == states)
            #expect(events.map(\.sequence) == [1, 2, 3, 4] && events.allSatisfy { $0.accountID == account })
            #expect(events.map(\.at) == [1, 3, 4, 5].map { .second($0) })
            #expect(events.map(\.requestID) == ["req-1", nil, nil, "req-2"])
            #expect(
                events.map(\.changed) == [
                    [], ["progress"], ["status", "progress", "portrait_url", "reference"],
                    ["name", "special_instructions", "external_id", "metadata"],
                ])
            #expect(Set(events.map(\.id)).count == 4)

            _ = try await open.items.delete(
                new.id, mode: nil, accountID: account, if: .none, endingTraining: false,
                in: WriteContext(at: .second(6), requestID: "req-3"))
            let after = try await open.events(of: account)
            #expect(after == events.map(\.reduced) + [try #require(after.last)], "nobody is told any more what is gone")
            #expect(after.last?.subject == .gone(new.id, mode) && after.last?.kind == .deleted && after.last?.requestID == "req-3")
            #expect(try await open.events.lastSequence(accountID: account) == 5)
        }
    }

    @Test(
        "An item that fails, by its worker or for want of one, has an event, and one that was stored as it is has one", arguments: House.all
    )
    func failing(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let first = try await open.insert("First", of: account)
            let job = try await open.lease(at: .second(1))
            try await open.jobs.fail(
                job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: LeasePolicy(), at: .second(2))
            let second = try await open.insert("Second", of: account, at: .second(3))
            _ = try await open.lease(at: .second(4))
            #expect(try await open.jobs.expire(policy: LeasePolicy(attemptsMax: 1), at: .second(400)) == 1)
            let third = try await open.insert("Third", mode: .style, of: account, outcome: .completed, at: .second(401))
            let events = try await open.events(of: account)
            #expect(events.map(\.kind) == [.created, .failed, .created, .failed, .created])
            #expect(events.map(\.itemID) == [first.id, first.id, second.id, second.id, third.id])
            #expect(events[1].changed == ["status", "error"] && events[3].changed == ["status", "error"])
            #expect(events[1].item == (try await open.find(first.id, of: account)))
            #expect(events[3].item == (try await open.find(second.id, of: account)))
            #expect(events[4].item == third && third.status == .completed)
        }
    }

    @Test("What changes nothing that a client can see has no event, and neither has what failed", arguments: House.all)
    func nothing(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, instructions: "words")
            let other = try await open.insert("Other", of: account, outcome: .completed)
            let count = try open.count("event")
            _ = try await open.items.update(item.id, mode: nil, accountID: account, change: .words("words"), at: .second(1))
            _ = await result { () throws(Failure) in try await open.insert("nova", of: account) }
            _ = await result { () throws(Failure) in try await open.insert("Own", of: .random()) }
            _ = await result { () throws(Failure) in
                try await open.items.update(
                    item.id, mode: nil, accountID: account, change: .words("others"), if: .notFulfilled, at: .second(1))
            }
            _ = await result { () throws(Failure) in
                try await open.items.update(
                    item.id, mode: nil, accountID: account, change: PikzonalityChange(name: other.name), at: .second(1))
            }
            _ = await result { () throws(Failure) in try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(1)) }
            for second in 1...2 {
                let job = try await open.lease(at: .second(second))
                _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: nil, policy: LeasePolicy(), at: .second(second))
                if second == 1 {
                    try await open.jobs.handBack(job.id, token: job.leaseToken, at: .second(second))
                } else {
                    try await open.jobs.fail(
                        job.id, token: job.leaseToken, error: .fixture, retryable: true, policy: LeasePolicy(attemptsMax: 9), at: .second(2)
                    )
                }
            }
            #expect(try open.count("event") == count)
            #expect(try await open.find(item.id, of: account) == item)
        }
    }

    @Test("Progress of an item is told once a second at most, and beside that of others", arguments: House.all)
    func progress(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            for name in ["First", "Second"] { _ = try await open.insert(name, of: account) }
            let jobs = try await open.jobs.lease(limit: 2, policy: LeasePolicy(), at: .second(1))
            var progress = 0
            for milliseconds in [0, 10, 999, 1_000, 1_500, 1_999, 2_000, 20_000] {
                progress += 5
                for job in jobs {
                    let now = Timestamp(milliseconds: Timestamp.second(10).milliseconds + Int64(milliseconds))
                    _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: progress, policy: LeasePolicy(), at: now)
                }
            }
            for job in jobs {
                let events = try await open.events(of: account, EventFilter(itemID: job.item.id))
                #expect(events.compactMap(\.item).map(\.progress) == [0, 5, 20, 35, 40])
                #expect(try await open.find(job.item.id, of: account).progress == 40)
            }
            #expect(try await open.events(of: account).map(\.sequence) == Array(1...10))
        }
    }

    @Test("An operation that fails within a group takes its events with it, and the others follow one another without a hole")
    func failingInGroup() async throws {
        try await withStorage { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account)
            let told = Told(open, account, after: 1)
            let running = await RunningWrite(of: open.index.writer)
            let tasks = (0..<40).map { number in
                Task {
                    await result { () throws(Failure) in
                        try await open.items.update(
                            item.id, mode: nil, accountID: account, change: .words("\(number)"),
                            if: number % 3 == 0 ? .notFulfilled : .none,
                            at: .second(number))
                    }
                }
            }
            while open.index.writer.waitingCount < 40 { await Task.yield() }
            try await running.end()
            var done = 0
            for task in tasks { if case .success = await task.value { done += 1 } }
            #expect(done == 26)
            let events = try await open.events(of: account)
            #expect(events.map(\.sequence) == Array(1...27))
            #expect(events.last?.item == (try await open.find(item.id, of: account)))
            #expect(told.events == Array(events.dropFirst()), "what is told while it happens is what is stored")
        }
    }

    @Test("A commit that fails tells nothing and gives no number away", arguments: ["deferred", "rollback"])
    func failingCommit(cause: String) async throws {
        try await withStorage { open in
            let account = try await open.account()
            let first = try await open.insert("First", of: account)
            try await open.execute(
                """
                CREATE TABLE parent (value INTEGER PRIMARY KEY);
                CREATE TABLE child (value INTEGER REFERENCES parent (value) DEFERRABLE INITIALLY DEFERRED)
                """)
            let told = Told(open, account, after: 1)
            let running = await RunningWrite(of: open.index.writer)
            let created = Task { await result { () throws(Failure) in try await open.insert("Second", of: account) } }
            while open.index.writer.waitingCount < 1 { await Task.yield() }
            let bad = Task {
                await result { () throws(Failure) in
                    try await open.index.writer.writeDirectly { db in
                        if cause == "deferred" { return try db.execute(sql: "INSERT INTO child VALUES (1)") }
                        try db.execute(sql: "ROLLBACK")
                        throw Failure.storeBusy("full")
                    }
                }
            }
            while open.index.writer.waitingCount < 2 { await Task.yield() }
            try await running.end()
            guard case .failure = await created.value, case .failure = await bad.value else {
                Issue.record("the commit did not fail")
                return
            }
            #expect(told.events == [] && open.storage.feed.recent(after: 1, limit: 9, accountID: account) == [])
            #expect(try await open.events(of: account).map(\.itemID) == [first.id])
            let third = try await open.insert("Third", of: account)
            #expect(told.events.map(\.sequence) == [2] && told.events.map(\.itemID) == [third.id])
            #expect(try await open.events(of: account).map(\.sequence) == [1, 2])
        }
    }

    @Test("Accounts count by themselves, and an account that goes takes its events and its count with it", arguments: House.all)
    func accounts(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, other) = (try await open.account(), try await open.account("other"))
            for number in 0..<3 {
                _ = try await open.insert("Item \(number)", of: acme, outcome: .completed)
                _ = try await open.insert("Item \(number)", of: other)
            }
            let gone = try await open.insert("Gone", of: acme, outcome: .completed)
            _ = try await open.items.delete(gone.id, mode: nil, accountID: nil, at: .second(1))
            #expect(try await open.events(of: acme).map(\.sequence) == [1, 2, 3, 4, 5])
            #expect(try await open.events(of: other).map(\.sequence) == [1, 2, 3])
            #expect(try await open.events(of: other, EventFilter(itemID: gone.id)) == [])
            try await open.accounts.delete(accountNamed: "acme", at: .second(2))
            #expect(try open.count("event") == 3 && open.count("event_counter") == 1)
            #expect(try await open.events.lastSequence(accountID: acme) == 0)
            _ = try await open.events.clear(progressBefore: .second(0), before: .second(0), limit: 10)
            #expect(try open.count("event_reduction") == 0)
        }
    }

    @Test("Whatever many callers do at once, followers are told what is stored, in its order, each once", arguments: House.all)
    func manyAtOnce(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let told = Told(open, account, after: 0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<8 {
                    group.addTask {
                        var random = SplitMix64(seed: UInt64(client))
                        for number in 0..<15 {
                            let item = try await open.insert("Item \(client) \(number % 4)", of: account, outcome: .completed)
                            for _ in 0..<Int.random(in: 0..<3, using: &random) {
                                _ = try await open.items.update(
                                    item.id, mode: nil, accountID: account, change: .words("\(random.next())"), at: .second(number))
                            }
                            _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(number))
                        }
                    }
                }
                try await group.waitForAll()
            }
            let events = try await open.events(of: account)
            #expect(events.map(\.sequence) == Array(1...Int64(events.count)) && events.count >= 240)
            // Where other processes write as well, followers are rung and read what there is.
            #expect(house == .sqlite ? told.events.map(\.id) == events.map(\.id) : told.rings > 0)
            #expect(events.allSatisfy { $0.item == nil }, "all of the items are gone")
        }
    }
}

extension Precondition {
    /// What no item is.
    fileprivate static let notFulfilled = Precondition(demanding: .only([]))
}

/// What a follower of an account is told from the feed, from when it begins.
private final class Told: Sendable {
    private let state: Shared<(last: Int64, events: [Event], rings: Int)>

    var events: [Event] { state.value.events }
    /// How often it was told that there is something.
    var rings: Int { state.value.rings }

    init(_ open: OpenStorage, _ account: Identifier, after sequence: Int64) {
        let state = Shared((last: sequence, events: [Event](), rings: 0))
        self.state = state
        let feed = open.storage.feed
        _ = feed.follow(account) { _ in
            state.withLock { state in
                state.rings += 1
                state.events += feed.recent(after: state.last, limit: .max, accountID: account) ?? []
                state.last = state.events.last?.sequence ?? state.last
            }
        }
    }
}
