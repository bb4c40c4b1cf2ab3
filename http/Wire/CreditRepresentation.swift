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

    /// How an account stands, and what trainings cost it.
    package static func credits(_ standing: CreditStanding, prices: CreditPrices, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("balance", standing.balance)
            writer.name("prices")
            writer.object { writer in
                writer.member("persona", prices.persona)
                writer.member("style", prices.style)
            }
            writer.name("smart_balance")
            if let found = standing.smartBalance { smartBalance(found, &writer) } else { writer.string(nil) }
        }
    }
}
