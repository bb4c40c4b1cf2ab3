import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Reading events", .timeLimit(.minutes(1)))
struct EventReadTests {

    /// A page, read both ways, which have to agree.
    private static func page(
        _ open: OpenStorage, _ accountID: Identifier, _ filter: EventFilter = EventFilter(), after: Int64?, limit: Int = 100
    ) async throws -> EventPage {
        let page = try await open.storage.events.events(filter, after: after, limit: limit, accountID: accountID)
        #expect(try open.storage.events.eventsNow(filter, after: after, limit: limit, accountID: accountID) == open.house.atOnce(page))
        return page
    }

    @Test("begins with the oldest that is kept, or behind a place; a place that is gone, or to come, is a gap", arguments: House.all)
    func places(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let empty = try await Self.page(open, account, after: nil)
            #expect(empty == EventPage(events: [], hasMore: false, last: 0))
            #expect(try await Self.page(open, account, after: 0) == empty)
            #expect(try await Self.page(open, account, after: 1) == EventPage(events: [], hasMore: false, last: 0, isGap: true))
            for number in 0..<5 { _ = try await open.insert("Item \(number)", of: account, at: .second(number)) }
            #expect(try await Self.page(open, account, after: nil).events.map(\.sequence) == [1, 2, 3, 4, 5])
            let part = try await Self.page(open, account, after: 1, limit: 2)
            #expect(part.events.map(\.sequence) == [2, 3] && part.hasMore && part.last == 3)
            #expect(try await Self.page(open, account, after: 5) == EventPage(events: [], hasMore: false, last: 5))
            for after in [6, Int64.max] { #expect(try await Self.page(open, account, after: after).isGap) }
            _ = try await open.storage.events.clear(progressBefore: .second(2), before: .second(2), limit: 100)
            #expect(try await Self.page(open, account, after: nil).events.map(\.sequence) == [3, 4, 5])
            #expect(try await Self.page(open, account, after: 2).events.count == 3)
            for after in [0, 1] as [Int64] {
                #expect(try await Self.page(open, account, after: after) == EventPage(events: [], hasMore: false, last: 5, isGap: true))
            }
            #expect(try await open.storage.events.lastSequence(accountID: account) == 5)
        }
    }

    @Test("passes over so many that are not asked for at a time, fewer where an event loop waits")
    func bounds() async throws {
        try await withStorage { open in
            let account = try await open.account()
            let wanted = try await open.insert("Wanted", of: account)
            for number in 0..<(Limits.eventsPassedNowMax + 10) { _ = try await open.insert("Item \(number)", mode: .style, of: account) }
            let filter = EventFilter(types: [.item(.persona, .deleted)])
            let now = try #require(try open.storage.events.eventsNow(filter, after: 0, limit: 5, accountID: account))
            #expect(now.events.isEmpty && now.hasMore && now.last == Int64(Limits.eventsPassedNowMax))
            let rest = try #require(try open.storage.events.eventsNow(filter, after: now.last, limit: 5, accountID: account))
            #expect(rest.events.isEmpty && !rest.hasMore && rest.last == Int64(Limits.eventsPassedNowMax + 11))
            let ofItem = try #require(
                try open.storage.events.eventsNow(EventFilter(itemID: wanted.id), after: 0, limit: 5, accountID: account))
            #expect(ofItem.events.map(\.itemID) == [wanted.id] && !ofItem.hasMore && ofItem.last == rest.last)
        }
    }

    @Test("knows the account's items, those that are gone as well, and nobody else's", arguments: House.all)
    func standing(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account(), try await open.account("other"))
            func standing(_ id: Identifier, _ mode: Mode? = nil, of owner: Identifier? = nil) async throws -> EventItemStanding {
                let found = try await open.storage.events.standing(of: id, mode: mode, accountID: owner ?? account)
                #expect(try open.storage.events.standingNow(of: id, mode: mode, accountID: owner ?? account) == house.atOnce(found))
                return found
            }
            let item = try await open.insert("Nova", of: account)
            let done = try await open.insert("Vega", mode: .style, of: account, outcome: .completed)
            #expect(try await standing(item.id) == .processing)
            #expect(try await standing(item.id, .persona) == .processing)
            #expect(try await standing(done.id) == .settled)
            #expect(try await standing(done.id, .style) == .settled)
            #expect(try await standing(item.id, .style) == .unknown)
            #expect(try await standing(done.id, .persona) == .unknown)
            #expect(try await standing(item.id, of: other) == .unknown)
            #expect(try await standing(.random()) == .unknown)
            _ = try await open.items.delete(done.id, mode: nil, accountID: account, at: .second(1))
            #expect(try await standing(done.id) == .settled)
            #expect(try await standing(done.id, .style) == .settled)
            #expect(try await standing(done.id, .persona) == .unknown)
            let trashed = try await open.insert("Luna", of: account, outcome: .completed)
            try await open.putAway(trashed)
            // What was made before there were events has none, nor has what lies in the trash for longer than they are kept.
            try await open.execute("DELETE FROM event")
            #expect(try await standing(item.id) == .processing)
            #expect(try await standing(done.id) == .unknown)
            #expect(try await standing(trashed.id) == .settled)
            #expect(try await standing(trashed.id, .persona) == .settled)
            #expect(try await standing(trashed.id, .style) == .unknown)
            #expect(try await standing(trashed.id, of: other) == .unknown)
        }
    }

    @Test("has those told who follow when a key, an account or maintenance changes", arguments: House.all)
    func rings(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let rung = Shared(0)
            let bell = open.storage.feed.follow(account) { _ in rung.withLock { $0 += 1 } }
            defer { open.storage.feed.end(bell) }
            func expectRing(_ what: String, _ body: () async throws -> Void) async throws {
                let before = rung.value
                try await body()
                #expect(rung.value > before, "\(what)")
            }
            try await expectRing("suspended") { _ = try await open.accounts.setSuspended(true, accountNamed: "acme") }
            try await expectRing("access") { _ = try await open.accounts.setAPIAccess(false, accountNamed: "acme") }
            try await expectRing("maintenance") {
                try await open.storage.maintenance.set(Maintenance(isOn: true, retryAfterSeconds: 7))
            }
            try await expectRing("deleted") { try await open.accounts.delete(accountNamed: "acme", at: .second(2)) }
        }
    }
}
