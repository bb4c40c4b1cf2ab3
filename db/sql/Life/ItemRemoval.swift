import Foundation
import Personas

/// Removes items for good.
enum ItemRemoval {
    /// Removes one: its links are dead with it, the bytes of its images are queued for removal, and what job there is ends.
    ///
    /// Whoever calls it tells of the bytes once it is on disk.
    static func remove(_ item: Pikzonality, at now: Timestamp, requestID: String?, _ db: any SQLTransaction) throws {
        // A training that nobody lets come to its end costs nothing. That of an item which goes with its end has been settled by now.
        try CreditRows().settle(item, isRefunded: true, at: now, requestID: requestID, db)
        try ImageLinks.queueRemoval(ofItemsWhere: "id = ?", [item.id], at: now, db)
        try JobRow.end(ofItemsWhere: "id = ?", [item.id], at: now, db)
        try db.run("DELETE FROM pikzonality WHERE id = ?", [item.id])
        try Outbox.appendDeleted(item.id, item.mode, of: item.accountID, at: now, requestID: requestID, db)
    }
}
