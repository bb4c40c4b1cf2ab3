import Personas

extension CreditReport: TableRow {
    static let headings = ["account", "balance"]

    var cells: [String] { [account, String(balance)] }
}

extension CreditEntryReport: TableRow {
    static let headings = ["at", "kind", "amount", "balance", "item", "note"]

    var cells: [String] { [at, kind.rawValue, String(amount), String(balanceAfter), itemID?.text ?? "", note ?? ""] }
}
