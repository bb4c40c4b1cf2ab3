import Foundation
import GRDB
import Personas

/// What a database gets its counts of stored bytes by that is from before them.
extension StoredBytes {
    /// Counts the images of all items, so many items at a time. It begins anew after a process that ended in between, because nothing says of an
    /// item that it was counted.
    static func fill(atMost count: Int) -> Migration.Round {
        { db, last in
            if last == nil { try db.execute(sql: "DELETE FROM stored_bytes") }
            let start = last ?? Data()
            let end = try Data.fetchOne(
                db, sql: "SELECT max(id) FROM (SELECT id FROM pikzonality WHERE id > ? ORDER BY id LIMIT ?)", arguments: [start, count])
            guard let end else { return nil }
            try db.execute(
                sql: """
                    INSERT INTO stored_bytes (account_id, count)
                    SELECT account_id, number FROM (\(counted) AND pikzonality.id > ? AND pikzonality.id <= ? GROUP BY account_id) WHERE true
                    ON CONFLICT (account_id) DO UPDATE SET count = count + excluded.count
                    """, arguments: [start, end])
            return end
        }
    }
}
