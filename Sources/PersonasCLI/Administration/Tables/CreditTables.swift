import Personas

extension CreditReport: TableRow {
    static let headings = ["account", "balance", "threshold", "amount", "status", "reason"]

    var cells: [String] {
        [
            account, String(balance), threshold.map(String.init) ?? "", amount.map(String.init) ?? "", status?.rawValue ?? "",
            pausedReason ?? "",
        ]
    }
}

extension CreditEntryReport: TableRow {
    static let headings = ["at", "kind", "amount", "balance", "item", "note"]

    var cells: [String] { [at, kind.rawValue, String(amount), String(balanceAfter), itemID?.text ?? "", note ?? ""] }
}
