import ArgumentParser
import Personas

extension QuotaChange.Bound {
    /// Reads a number of items.
    /// - Throws: what is wrong with it, for the person who wrote it.
    init(items text: String) throws {
        try self.init(text, units: [:], rule: "a whole number from 0 on, or none")
    }

    /// Reads a number of bytes, as in `2G`.
    /// - Throws: what is wrong with it, for the person who wrote it.
    init(bytes text: String) throws {
        let units: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        try self.init(text, units: units, rule: "a whole number of bytes from 0 on, such as 500000, 500K, 20M or 2G, or none")
    }

    private init(_ text: String, units: [Character: Int], rule: String) throws {
        if text.lowercased() == "none" {
            self = .none
            return
        }
        let unit = text.last.flatMap { units[Character($0.uppercased())] }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = Int(digits) else {
            throw ValidationError("must be \(rule)")
        }
        let (product, isTooLarge) = number.multipliedReportingOverflow(by: unit ?? 1)
        guard !isTooLarge else { throw ValidationError("must be \(rule); this is more than can be counted") }
        self = .max(product)
    }
}

extension UsageReport {
    /// As a cell of a table: what there is, and of how much.
    var cell: String { limit.map { "\(used) of \($0)" } ?? String(used) }
}

extension QuotaReport: TableRenderable {
    var tables: [Table] {
        let rows = [("items", items), ("bytes of images", storedBytes)].map { name, usage in
            [name, String(usage.used), usage.limit.map { String($0) } ?? "none"]
        }
        return [Table(headings: ["what", "used", "quota"], rows: rows)]
    }

    /// What the operator may not have meant.
    var warnings: [String] {
        [("items", items), ("bytes of images", storedBytes)].filter(\.1.isExceeded).map { name, usage in
            "personas: account \(account) has \(usage.used) \(name), more than its quota: they stay, and nothing can be created until there are fewer"
        }
    }
}
