import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("What the store says of changes", .timeLimit(.minutes(1)))
struct ItemNotificationTests {
    private typealias Heard = Shared<[String]>

    /// Notes what is heard of an item: whether it has changed, and whether it has settled with that.
    private static func listen(_ open: OpenStorage, to item: Pikzonality, _ heard: Heard) -> [ItemChanges.Watch] {
        [ItemChanges.Interest.anyChange, .settlement].map { interest in
            open.storage.changes.watch(item.id, of: item.accountID, for: interest) { _ in
                heard.withLock { $0.append("\(interest)") }
            }
        }
    }

    /// Expects that a call, and nothing before, was heard of.
    private static func expect(
        _ expected: [ItemChanges.Interest], from heard: Heard, sourceLocation: SourceLocation = #_sourceLocation,
        _ call: () async throws -> Void
    ) async throws {
        try await call()
        let found = heard.withLock { heard in
            defer { heard = [] }
            return heard
        }
        #expect(found.sorted() == expected.map { "\($0)" }.sorted(), sourceLocation: sourceLocation)
    }

    private static let changed: [ItemChanges.Interest] = [.anyChange]
    private static let settled: [ItemChanges.Interest] = [.anyChange, .settlement]

    @Test("Training is heard of where it shows, and where it ends", arguments: House.all)
    func training(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account)
            let heard = Heard([])
            let watches = Self.listen(open, to: item, heard)
            let policy = LeasePolicy(seconds: 30, attemptsMax: 2)
            var job: LeasedJob?
            try await Self.expect([], from: heard) {
                job = try await open.jobs.lease(limit: 1, policy: policy, at: .second(1)).first
            }
            var leased = try #require(job)
            try await Self.expect(Self.changed, from: heard) {
                _ = try await open.jobs.heartbeat(leased.id, token: leased.leaseToken, progress: 30, policy: policy, at: .second(2))
            }
            try await Self.expect([], from: heard) {
                _ = try await open.jobs.heartbeat(leased.id, token: leased.leaseToken, progress: 30, policy: policy, at: .second(3))
            }
            try await Self.expect([], from: heard) { _ = try await open.jobs.expire(policy: policy, at: .second(100)) }
            leased = try #require(try await open.jobs.lease(limit: 1, policy: policy, at: .second(101)).first)
            try await Self.expect(Self.settled, from: heard) { _ = try await open.jobs.expire(policy: policy, at: .second(200)) }
            #expect(try await open.items.find(item.id, mode: nil, accountID: account).status == .failed)
            withExtendedLifetime(watches) {}
        }
    }

    @Test("An end is heard of, whether it is a good one", arguments: House.all, [true, false])
    func end(on house: House, isGood: Bool) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", of: try await open.account())
            let heard = Heard([])
            let watches = Self.listen(open, to: item, heard)
            let job = try #require(try await open.jobs.lease(limit: 1, policy: LeasePolicy(), at: .second(1)).first)
            try await Self.expect(Self.settled, from: heard) {
                if isGood {
                    try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(2))
                } else {
                    try await open.jobs.fail(
                        job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: LeasePolicy(), at: .second(2))
                }
            }
            withExtendedLifetime(watches) {}
        }
    }

    @Test("A cancel is heard of as an end, a retry as a change, and an item that is to go where that shows", arguments: House.all)
    func life(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account)
            let heard = Heard([])
            let watches = Self.listen(open, to: item, heard)
            func settle(_ settlement: Settlement) async throws {
                _ = try await open.items.settle(
                    item.id, mode: nil, accountID: account, to: settlement, if: .none, in: WriteContext(at: .second(1)))
            }
            try await Self.expect(Self.changed, from: heard) { try await settle(.trash) }
            try await Self.expect([], from: heard) { try await settle(.trash) }
            try await Self.expect([], from: heard) { try await settle(.deleted) }
            try await Self.expect(Self.changed, from: heard) {
                _ = try await open.items.update(
                    item.id, mode: nil, accountID: account, change: PikzonalityChange(deleteWhenSettled: false), at: .second(2))
            }
            for goes in [false, true] {
                if goes { try await Self.expect(Self.changed, from: heard) { try await settle(.deleted) } }
                try await Self.expect(Self.settled, from: heard) {
                    _ = try await open.items.cancel(
                        item.id, mode: nil, accountID: account, if: .none, in: WriteContext(at: .second(3)))
                }
                if goes { break }
                try await Self.expect(Self.changed, from: heard) {
                    _ = try await open.items.retry(
                        item.id, mode: nil, accountID: account, with: nil, if: .none, in: WriteContext(at: .second(4)))
                }
            }
            withExtendedLifetime(watches) {}
        }
    }

    @Test("Owners' changes are heard of unless they change nothing or fail, and so is the end of an item", arguments: House.all)
    func owners(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, outcome: .completed)
            let heard = Heard([])
            let watches = Self.listen(open, to: item, heard)
            func update(_ change: PikzonalityChange, if precondition: Precondition = .none) async throws(Failure) {
                _ = try await open.items.update(
                    item.id, mode: nil, accountID: account, change: change, if: precondition, at: .second(1))
            }
            try await Self.expect(Self.changed, from: heard) { try await update(PikzonalityChange(specialInstructions: "Warm")) }
            try await Self.expect([], from: heard) { try await update(PikzonalityChange(specialInstructions: "Warm")) }
            try await Self.expect([], from: heard) {
                _ = await result { () throws(Failure) in
                    try await update(PikzonalityChange(specialInstructions: "Cold"), if: Precondition(excluding: .all))
                }
            }
            try await Self.expect(Self.settled, from: heard) {
                _ = try await open.items.delete(item.id, mode: nil, accountID: nil, at: .second(2))
            }
            withExtendedLifetime(watches) {}
        }
    }

    @Test("An account that goes is heard of at each of its items, and at no other's", arguments: House.all)
    func account(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (mine, theirs) = (try await open.account("acme"), try await open.account("other"))
            let (heard, unheard) = (Heard([]), Heard([]))
            var watches: [ItemChanges.Watch] = []
            for name in ["One", "Two"] { watches += Self.listen(open, to: try await open.insert(name, of: mine), heard) }
            watches += Self.listen(open, to: try await open.insert("Three", of: theirs), unheard)
            try await Self.expect(Self.settled + Self.settled, from: heard) {
                try await open.accounts.delete(accountNamed: "acme", at: .second(1))
            }
            #expect(unheard.value.isEmpty)
            withExtendedLifetime(watches) {}
        }
    }
}
