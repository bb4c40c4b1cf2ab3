import Foundation
import Personas

/// Events as rows.
struct SQLEventStore: EventStore {
    let writer: any SQLWriter
    let readers: any SQLReader

    private static let counter = FixedQuery("SELECT last_sequence, expired_sequence FROM event_counter WHERE account_id = ?")
    private static let ofAccount = FixedQuery(
        "SELECT \(EventRow.columns) FROM event WHERE account_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3")
    private static let standing = FixedQuery(
        """
        SELECT (SELECT mode FROM pikzonality WHERE id = ?1 AND account_id = ?2),
            (SELECT status FROM pikzonality WHERE id = ?1 AND account_id = ?2),
            coalesce(
                (SELECT mode FROM trash_item WHERE id = ?1 AND account_id = ?2),
                (SELECT mode FROM event WHERE item_id = ?1 AND account_id = ?2 LIMIT 1))
        """)
    private static let ofItem = FixedQuery(
        "SELECT \(EventRow.columns) FROM event WHERE item_id = ?4 AND account_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3")

    func events(_ filter: EventFilter, after sequence: Int64?, limit: Int, accountID: Identifier) async throws(Failure) -> EventPage {
        try await readers.read { connection in
            try Self.page(filter, after: sequence, limit: limit, passing: Limits.eventsPassedMax, accountID, connection)
        }
    }

    func eventsNow(_ filter: EventFilter, after sequence: Int64?, limit: Int, accountID: Identifier) throws(Failure) -> EventPage? {
        try readers.readNow { connection in
            try Self.page(filter, after: sequence, limit: limit, passing: Limits.eventsPassedNowMax, accountID, connection)
        }
    }

    func lastSequence(accountID: Identifier) async throws(Failure) -> Int64 {
        try await readers.read { connection in try Self.counts(accountID, connection).last }
    }

    func lastSequenceNow(accountID: Identifier) throws(Failure) -> Int64? {
        try readers.readNow { connection in try Self.counts(accountID, connection).last }
    }

    func standing(of itemID: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> EventItemStanding {
        try await readers.read { connection in try Self.standing(of: itemID, mode, accountID, connection) }
    }

    func standingNow(of itemID: Identifier, mode: Mode?, accountID: Identifier) throws(Failure) -> EventItemStanding? {
        try readers.readNow { connection in try Self.standing(of: itemID, mode, accountID, connection) }
    }

    private static func standing(
        of itemID: Identifier, _ mode: Mode?, _ accountID: Identifier, _ connection: any SQLConnection
    ) throws -> EventItemStanding {
        try connection.first(
            standing,
            {
                $0.bind(itemID)
                $0.bind(accountID)
            }
        ) { row in
            let present = row.text(0)
            guard let known = present ?? row.text(2) else { return .unknown }
            if let mode, !known.utf8.elementsEqual(mode.rawValue.utf8) { return .unknown }
            guard let status = row.text(1) else { return .settled }
            return status.utf8.elementsEqual(Status.processing.rawValue.utf8) ? .processing : .settled
        } ?? .unknown
    }

    func clear(progressBefore: Timestamp, before: Timestamp, limit: Int) async throws(Failure) -> Int {
        // Looking costs microseconds, a write transaction its turn at the writer.
        let isAnythingOver = try await readers.read { connection in
            let sql = """
                SELECT 1 FROM (SELECT at FROM event WHERE kind = 'progress' ORDER BY number LIMIT ?1) AS oldest WHERE at < ?2
                UNION ALL SELECT 1 FROM (SELECT at FROM event ORDER BY number LIMIT ?1) AS oldest WHERE at < ?3
                UNION ALL SELECT 1 FROM event_reduction LIMIT 1
                """
            let values: SQLValues = [limit, progressBefore.milliseconds, before.milliseconds]
            return try connection.finds(sql, values)
        }
        guard isAnythingOver else { return 0 }
        return try await writer.write { db in
            var done = try Self.clearProgress(before: progressBefore, limit: limit, db)
            if done < limit { done += try Self.clear(before: before, limit: limit - done, db) }
            if done < limit { done += try Self.reduce(limit: limit - done, db) }
            return done
        }
    }

    private static func counts(_ accountID: Identifier, _ connection: any SQLConnection) throws -> (last: Int64, expired: Int64) {
        try connection.first(counter, { $0.bind(accountID) }) { ($0.integer(0), $0.integer(1)) } ?? (0, 0)
    }

    private static func page(
        _ filter: EventFilter, after given: Int64?, limit: Int, passing passedMax: Int, _ accountID: Identifier,
        _ connection: any SQLConnection
    ) throws -> EventPage {
        // First, so that of what comes between this and the walk nothing is taken for looked at that was not there yet.
        let (latest, expired) = try counts(accountID, connection)
        let sequence = given ?? expired
        guard (expired...max(latest, expired)).contains(sequence) else {
            return EventPage(events: [], hasMore: false, last: latest, isGap: true)
        }
        var events: [Event] = []
        var last = sequence
        var passed = 0
        var hasMore = false
        try connection.walk(filter.itemID == nil ? ofAccount : ofItem) { parameters in
            parameters.bind(accountID)
            parameters.bind(sequence)
            // One more than are looked at, by which it is known that there are more.
            parameters.bind(Int64(passedMax + 1))
            if let itemID = filter.itemID { parameters.bind(itemID) }
        } row: { row in
            hasMore = events.count == limit || passed == passedMax
            if hasMore { return false }
            passed += 1
            let event = try EventRow.decode(row, accountID: accountID)
            if filter.matches(event) { events.append(event) }
            last = event.sequence
            return true
        }
        // What expired while it was walked over may be missing among what was found.
        let hasExpired = try given != nil && counts(accountID, connection).expired > sequence
        guard !hasExpired else {
            return EventPage(events: [], hasMore: false, last: max(last, latest), isGap: true)
        }
        return EventPage(events: events, hasMore: hasMore, last: hasMore ? last : max(last, latest))
    }

    private static func clearProgress(before: Timestamp, limit: Int, _ db: any SQLTransaction) throws -> Int {
        try db.change(
            "DELETE FROM event WHERE number IN (SELECT number FROM event WHERE kind = 'progress' ORDER BY number LIMIT ?) AND at < ?",
            [limit, before.milliseconds])
    }

    private static func clear(before: Timestamp, limit: Int, _ db: any SQLTransaction) throws -> Int {
        let oldest = "SELECT number FROM event ORDER BY number LIMIT ?"
        try db.run(
            """
            UPDATE event_counter SET expired_sequence = old.sequence
            FROM (SELECT account_id, max(sequence) AS sequence FROM event WHERE number IN (\(oldest)) AND at < ? AND kind <> 'progress'
                GROUP BY account_id) AS old
            WHERE event_counter.account_id = old.account_id AND event_counter.expired_sequence < old.sequence
            """, [limit, before.milliseconds])
        return try db.change("DELETE FROM event WHERE number IN (\(oldest)) AND at < ?", [limit, before.milliseconds])
    }

    /// Takes names and links out of the events of items that are gone, item by item. What tells of their progress goes as a whole: nothing is left of it to
    /// tell. Of an item with very many events it is known how far that was done, so that each is looked at once.
    private static func reduce(limit: Int, _ db: any SQLTransaction) throws -> Int {
        var done = 0
        let next = "SELECT item_id, sequence FROM event_reduction LIMIT 1"
        while done < limit, let (id, start) = try db.first(next, [], row: { (try $0.identifier(0), $0.integer(1)) }) {
            let some = try db.first(
                "SELECT count(*), max(sequence) FROM (SELECT sequence FROM event WHERE item_id = ? AND sequence > ? ORDER BY sequence LIMIT ?) AS part",
                [id, start, limit - done]
            ) { (count: Int($0.integer(0)), end: $0.integerIfAny(1)) }
            let count = some?.count ?? 0
            if let end = some?.end {
                let place: SQLValues = [id, start, end]
                try db.run("DELETE FROM event WHERE item_id = ? AND sequence > ? AND sequence <= ? AND kind = 'progress'", place)
                try db.run("UPDATE event SET \(cleared) WHERE item_id = ? AND sequence > ? AND sequence <= ? AND name IS NOT NULL", place)
                try db.run("UPDATE event_reduction SET sequence = ? WHERE item_id = ?", [end, id])
            }
            if count < limit - done { try db.run("DELETE FROM event_reduction WHERE item_id = ?", [id]) }
            // The item itself counts, which has events no more or fewer than may be done.
            done += max(1, count)
        }
        return done
    }

    private static let cleared = EventRow.itemColumns.filter { $0 != "item_id" && $0 != "mode" }.map { "\($0) = NULL" }.joined(
        separator: ", ")
}
