import Foundation
import Personas

/// Items on their way into archives and out of them as rows.
struct SQLArchiveStore: ArchiveStore {
    let writer: any SQLWriter
    let readers: any SQLReader
    let items: SQLPikzonalityStore

    func item(after position: PikzonalityPosition?, accountID: Identifier) async throws(Failure) -> StoredItem? {
        let walk = PageWalk(filter: PikzonalityFilter(), sort: .oldestFirst, after: position, limit: 1, accountID: accountID)
        return try await readers.read { connection in
            try connection.atOneMoment {
                guard let item = try walk.items(connection).first else { return nil }
                return StoredItem(
                    item: item, references: try ImageLinks.references(of: item.id, connection),
                    portrait: try ImageLinks.portrait(of: item.id, connection))
            }
        }
    }

    func begin(
        _ key: IdempotencyKey, digest: [UInt8], accountID: Identifier, since oldest: Timestamp, at now: Timestamp
    ) async throws(Failure) -> ImportRecord {
        try await writer.write(of: accountID) { db in
            guard try StoredBytes.usage(accountID, db) != nil else { throw Failure.accountMissing }
            let known = try db.first(
                "SELECT number, archive_digest, begun_at, lines_done FROM import WHERE account_id = ? AND idempotency_key = ?",
                [accountID, key.text]
            ) { row in
                (
                    record: ImportRecord(number: row.integer(0), linesDone: Int(row.integer(3))), digest: Array(row.bytes(1)),
                    begunAt: row.timestamp(2)
                )
            }
            if let known {
                if known.begunAt >= oldest {
                    guard known.digest == digest else { throw Failure.idempotencyKeyReused }
                    return known.record
                }
                try db.run("UPDATE import SET idempotency_key = NULL WHERE number = ?", [known.record.number])
            }
            let number = try db.first(
                """
                INSERT INTO import (account_id, idempotency_key, archive_digest, begun_at, lines_done) VALUES (?, ?, ?, ?, 0)
                RETURNING number
                """, [accountID, key.text, digest, now.milliseconds]
            ) { $0.integer(0) }
            guard let number else { throw Failure.unexpected("An import has no number") }
            return ImportRecord(number: number, linesDone: 0)
        }
    }

    func outcomes(of number: Int64, after line: Int, limit: Int) async throws(Failure) -> [ImportOutcome] {
        try await readers.read { connection in
            var outcomes: [ImportOutcome] = []
            let sql = "SELECT line, item_id, failure FROM import_line WHERE import_number = ? AND line > ? ORDER BY line LIMIT ?"
            try connection.query(sql, [number, line, limit]) { row in
                let failure = try row.text(2).map { try JSONDecoder().decode(Failure.self, from: Data($0.utf8)) }
                outcomes.append(
                    ImportOutcome(line: Int(row.integer(0)), id: try failure.map { .failure($0) } ?? .success(try row.identifier(1))))
            }
            return outcomes
        }
    }

    func create(
        _ lines: [ImportedLine], of record: Int64?, costing prices: CreditPrices?, in context: WriteContext<Void>
    ) async throws(Failure) -> [ImportOutcome] {
        // An archive goes into one account.
        let accountID = lines.lazy.compactMap { try? $0.item.get().accountID }.first
        return try await writer.write(of: accountID) { db in
            let outcomes = try lines.map { ImportOutcome(line: $0.line, id: try create($0.item, costing: prices, in: context, db)) }
            guard let record, let last = outcomes.last else { return outcomes }
            let changed = try db.change(
                "UPDATE import SET lines_done = CASE WHEN lines_done > ?1 THEN lines_done ELSE ?1 END WHERE number = ?2",
                [last.line, record])
            // An import that takes longer than its key means anything is forgotten before its end.
            guard changed > 0 else { return outcomes }
            for outcome in outcomes { try Self.insert(outcome, of: record, db) }
            return outcomes
        }
    }

    /// Creates one item, or says why it is not; nothing is left of one that is not.
    private func create(
        _ item: Result<NewPikzonality, Failure>, costing prices: CreditPrices?, in context: WriteContext<Void>, _ db: any SQLTransaction
    ) throws -> Result<Identifier, Failure> {
        do {
            let new = try item.get()
            // Before the row, because no savepoint takes it back here.
            guard let usage = try StoredBytes.usage(new.accountID, db) else { throw Failure.accountMissing }
            try usage.requireRoom(forImageBytes: new.references.reduce(0) { $0 + $1.byteCount })
            if let prices, new.outcome == nil {
                try items.steps.credits.requireCovered(prices[new.mode], of: new.accountID, at: context.now, db)
            }
            let item = try items.store(new, at: context.now, requestID: context.requestID, db)
            _ = try items.charge(item, costing: prices, at: context.now, requestID: context.requestID, db)
            return .success(item.id)
        } catch let failure as Failure {
            switch failure {
            // The statement that met it is undone, and none was before it but what asks for credits, which is to stay.
            case .nameReserved, .nameTaken, .externalIDTaken, .quotaExceeded, .insufficientCredits, .topUpFailed, .blockedContent,
                .badImages:
                return .failure(failure)
            default: throw failure
            }
        }
    }

    private static func insert(_ outcome: ImportOutcome, of number: Int64, _ db: any SQLTransaction) throws {
        var (id, failure): (Identifier?, String?) = (nil, nil)
        switch outcome.id {
        case .success(let new): id = new
        case .failure(let reason): failure = String(decoding: try JSONEncoder().encode(reason), as: UTF8.self)
        }
        try db.run(
            """
            INSERT INTO import_line (import_number, line, item_id, failure) VALUES (?, ?, ?, ?)
                ON CONFLICT (import_number, line) DO UPDATE SET item_id = excluded.item_id, failure = excluded.failure
            """, [number, outcome.line, id, failure])
    }

    func forgetImports(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int {
        let sql = "SELECT number FROM import WHERE begun_at < ? ORDER BY begun_at LIMIT 1"
        // Looking first spares an idle service a commit every minute.
        let over = try await readers.read { connection in try connection.first(sql, [oldest.milliseconds]) { $0.integer(0) } }
        guard let over else { return 0 }
        return try await writer.write { db in
            try db.run("UPDATE import SET idempotency_key = NULL WHERE number = ?", [over])
            let count = try db.change(
                """
                DELETE FROM import_line WHERE (import_number, line) IN
                    (SELECT import_number, line FROM import_line WHERE import_number = ? ORDER BY line LIMIT ?)
                """, [over, limit])
            if count < limit { try db.run("DELETE FROM import WHERE number = ?", [over]) }
            // The row itself counts, so that whoever clears comes back for the next import.
            return limit
        }
    }
}
