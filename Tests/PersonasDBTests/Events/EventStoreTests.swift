import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Stored events", .timeLimit(.minutes(1)))
struct EventStoreTests {
    @Test("Pages follow one another without a hole, whatever their size, and the last says where to go on", arguments: House.all)
    func pages(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            for number in 0..<7 { _ = try await open.insert("Item \(number)", of: account) }
            for limit in 1...8 {
                var (last, found) = (Int64(0), [Int64]())
                while true {
                    let page = try await open.events.events(EventFilter(), after: last, limit: limit, accountID: account)
                    #expect(try open.events.eventsNow(EventFilter(), after: last, limit: limit, accountID: account) == house.atOnce(page))
                    #expect(page.events.count <= limit && !page.isGap)
                    found += page.events.map(\.sequence)
                    last = page.last
                    if !page.hasMore { break }
                }
                #expect(found == Array(1...7) && last == 7)
            }
            let page = try await open.events.events(EventFilter(), after: 7, limit: 5, accountID: account)
            #expect(page == EventPage(events: [], hasMore: false, last: 7))
            #expect(try open.events.lastSequenceNow(accountID: account) == house.atOnce(7))
            let nobody = try await open.events.events(EventFilter(), after: 0, limit: 5, accountID: .random())
            #expect(nobody == EventPage(events: [], hasMore: false, last: 0))
        }
    }

    @Test("Filters find their events alone, of one item as of all, and never those of another account", arguments: House.all)
    func filters(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account(), try await open.account("other"))
            var items: [Pikzonality] = []
            for mode in Mode.allCases {
                items.append(try await open.insert("Nova", mode: mode, of: account))
                let job = try await open.lease(at: .second(1))
                try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(2))
            }
            let types: Set<EventType> = [.item(.persona, .completed), .item(.style, .created)]
            #expect(try await open.events(of: account, EventFilter(types: types)).map(\.sequence) == [2, 3])
            #expect(try await open.events(of: account, EventFilter(itemID: items[1].id)).map(\.sequence) == [3, 4])
            #expect(try await open.events(of: account, EventFilter(types: types, itemID: items[1].id)).map(\.sequence) == [3])
            #expect(try await open.events(of: account, EventFilter(types: []), after: 1).isEmpty)
            for filter in [EventFilter(), EventFilter(itemID: items[0].id)] {
                #expect(try await open.events(of: other, filter).isEmpty)
            }
            let none = try await open.events.events(EventFilter(types: []), after: 1, limit: 1, accountID: account)
            #expect(none == EventPage(events: [], hasMore: false, last: 4), "what was looked at in vain is not looked at again")
        }
    }

    @Test("One call passes over a thousand events at most, and the next goes on behind them", arguments: House.all)
    func passedOver(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account)
            try await copyLast(of: account, 2_500, open)
            let filter = EventFilter(types: [.item(.persona, .completed)])
            var (last, calls) = (Int64(0), [Int64]())
            for _ in 0..<3 {
                let page = try await open.events.events(filter, after: last, limit: 10, accountID: account)
                #expect(page.events.isEmpty)
                last = page.last
                calls.append(last)
                #expect(page.hasMore == (calls.count < 3))
            }
            #expect(calls == [1_000, 2_000, 2_501])
            let ofItem = try await open.events.events(
                EventFilter(types: [], itemID: item.id), after: 5, limit: 10, accountID: account)
            #expect(ofItem.last == 1_005 && ofItem.hasMore)
        }
    }

    @Test(
        "What has expired goes in bounded steps: progress after a day, the rest after a month; only the rest leaves a gap",
        arguments: House.all)
    func expiry(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account(), try await open.account("other"))
            for number in 0..<6 {
                _ = try await open.insert("Item \(number)", of: account)
                let job = try await open.lease(at: .second(1))
                _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: 40, policy: LeasePolicy(), at: .second(2))
                try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(3))
            }
            _ = try await open.insert("Other", of: other)
            func clear(_ progressBefore: Int, _ before: Int, limit: Int) async throws -> Int {
                try await open.events.clear(progressBefore: .second(progressBefore), before: .second(before), limit: limit)
            }
            #expect(try await clear(1, 0, limit: 4) == 0)
            #expect(try await clear(10, 0, limit: 4) == 4)
            #expect(try await clear(10, 0, limit: 4) == 2)
            #expect(try await clear(10, 0, limit: 4) == 0)
            let kept = try await open.events(of: account)
            #expect(kept.map(\.kind) == Array(repeating: [.created, .completed], count: 6).flatMap { $0 })
            #expect(kept.map(\.sequence) == Array(1...18).filter { $0 % 3 != 2 })

            // The first two items have expired: four of their events are left, the last of which has the number 6.
            try await open.age("account_id = \(open.literal(account)) AND sequence <= 6", to: .second(-100))
            #expect(try await clear(-90, -90, limit: 3) == 3)
            #expect(try await clear(-90, -90, limit: 3) == 1)
            #expect(try await clear(-90, -90, limit: 3) == 0)
            for after in [Int64(0), 1, 4, 5] {
                let page = try await open.events.events(EventFilter(), after: after, limit: 5, accountID: account)
                #expect(page == EventPage(events: [], hasMore: false, last: 18, isGap: true))
            }
            #expect(try await open.events(of: account, after: 6).map(\.sequence) == [7, 9, 10, 12, 13, 15, 16, 18])
            #expect(try await open.events(of: other).map(\.sequence) == [1], "the gap is the account's own")
            _ = try await open.insert("Next", of: account)
            #expect(try await open.events.lastSequence(accountID: account) == 19, "no number is given twice")
        }
    }

    @Test("Once all events of an account have expired, its numbers go on all the same", arguments: House.all)
    func allExpired(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            for number in 0..<3 { _ = try await open.insert("Item \(number)", of: account) }
            #expect(try await open.events.clear(progressBefore: .second(9), before: .second(9), limit: 100) == 3)
            #expect(try open.count("event") == 0)
            let page = try await open.events.events(EventFilter(), after: 2, limit: 5, accountID: account)
            #expect(page.isGap && page.last == 3)
            #expect(try await open.events(of: account, after: 3) == [])
            _ = try await open.insert("Next", of: account, at: .second(10))
            #expect(try await open.events(of: account, after: 3).map(\.sequence) == [4])
        }
    }

    @Test(
        "What an item was like leaves its events in bounded steps once it is gone, and at once leaves what is told",
        arguments: House.all, [1, 3, 4, 100])
    func reduction(on house: House, limit: Int) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            var gone: [Identifier] = []
            for number in 0..<4 {
                let item = try await open.insert("Item \(number)", of: account, instructions: "secret", metadata: ["a": "secret"])
                let job = try await open.lease(at: .second(1))
                _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: 40, policy: LeasePolicy(), at: .second(2))
                try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: .second(3))
                if number < 3 {
                    _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(4))
                    gone.append(item.id)
                }
            }
            let before = try await open.events(of: account)
            #expect(before.count == 15 && before.compactMap(\.item).count == 3)
            var (steps, done) = (0, limit)
            while done == limit {
                done = try await open.events.clear(progressBefore: .second(0), before: .second(0), limit: limit)
                #expect(done <= limit)
                steps += 1
            }
            #expect(steps <= 4 * 4 * 3 / limit + 2)
            #expect(try open.count("event_reduction") == 0)
            for id in gone { #expect(try await open.eventsWithContent(of: id) == 0) }
            let after = try await open.events(of: account)
            #expect(after == before.filter { $0.kind != .progress || $0.item != nil }, "of what is gone progress alone is told no more")
            #expect(try open.count("event", where: "metadata IS NOT NULL OR special_instructions IS NOT NULL") == 3)
        }
    }

    @Test("An item with very many events is reduced with one look at each of them", arguments: House.all)
    func longReduction(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, outcome: .completed)
            try await copyLast(of: account, 2_000, open)
            _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(1))
            var rows = 0
            while true {
                let done = try await open.events.clear(progressBefore: .second(0), before: .second(0), limit: 100)
                rows += done
                if done < 100 { break }
            }
            #expect(rows == 2_002)
            #expect(try await open.eventsWithContent(of: item.id) == 0 && open.count("event_reduction") == 0)
        }
    }

    /// Adds copies of the last event of an account, numbered on.
    private func copyLast(of account: Identifier, _ count: Int, _ open: OpenStorage) async throws {
        let columns = ["kind", "at", "changed", "request_id"] + EventRow.itemColumns
        try await open.execute(
            """
            WITH RECURSIVE more (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM more WHERE number < \(count))
            INSERT INTO event (account_id, sequence, event_id, \(columns.joined(separator: ", ")))
            SELECT account_id, sequence + more.number, \(open.anyIdentifier), \(columns.map { "event.\($0)" }.joined(separator: ", "))
            FROM event, more WHERE account_id = \(open.literal(account))
                AND sequence = (SELECT last_sequence FROM event_counter WHERE account_id = \(open.literal(account)));
            UPDATE event_counter SET last_sequence = last_sequence + \(count) WHERE account_id = \(open.literal(account))
            """)
    }
}
