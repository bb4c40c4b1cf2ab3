import JSONText
package import Personas

/// How credits look on the wire.
extension Representation {
    /// An entry of a ledger.
    package func credits(_ entry: CreditEntry, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", entry.id)
            writer.member("amount", entry.amount)
            writer.member("kind", word: entry.kind)
            writer.member("item_id", entry.itemID?.text)
            writer.member("note", entry.note)
            writer.member("balance_after", entry.balanceAfter)
            writer.member("at", entry.at)
        }
    }
}
