import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

extension OpenStorage {
    var events: any EventStore { storage.events }

    /// All events of an account that are kept, page by page.
    func events(of account: Identifier, _ filter: EventFilter = EventFilter(), after sequence: Int64 = 0) async throws -> [Event] {
        var found: [Event] = []
        var last = sequence
        while true {
            let page = try await events.events(filter, after: last, limit: 100, accountID: account)
            try #require(!page.isGap, "events after \(last) have expired")
            found += page.events
            last = page.last
            if !page.hasMore { return found }
        }
    }

    /// An item as its owner finds it.
    func find(_ id: Identifier, of account: Identifier) async throws -> Pikzonality {
        try await items.find(id, mode: nil, accountID: account)
    }

    /// Leases the only job there is.
    func lease(at time: Timestamp) async throws -> LeasedJob {
        try #require(try await jobs.lease(limit: 1, policy: LeasePolicy(), at: time).first)
    }

    /// Puts an expired moment on events.
    func age(_ condition: String, to time: Timestamp) async throws {
        try await execute("UPDATE event SET at = \(time.milliseconds) WHERE \(condition)")
    }

    /// How many rows of events still hold what an item was like.
    func eventsWithContent(of id: Identifier) async throws -> Int {
        try count(
            "event",
            where: "item_id = \(literal(id)) AND (name IS NOT NULL OR reference_tokens IS NOT NULL OR kind = 'progress')")
    }
}

extension Event {
    /// The item that it tells of, as it was.
    var item: Pikzonality? {
        guard case .item(let item) = subject else { return nil }
        return item
    }

    /// Its kind, where it tells of an item.
    var kind: EventKind? {
        guard case .item(_, let kind) = type else { return nil }
        return kind
    }
}

extension PikzonalityChange {
    /// Other words.
    static func words(_ text: String) -> PikzonalityChange { PikzonalityChange(specialInstructions: text) }
}
