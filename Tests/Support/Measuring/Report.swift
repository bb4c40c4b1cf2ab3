/// What was measured, as one table.
package struct Report {
    /// What a figure must be.
    package enum Target {
        /// This or more.
        case atLeast(Double)
        /// Less than this.
        case below(Double)
        /// This or less.
        case atMost(Double)

        func isMet(by value: Double) -> Bool {
            switch self {
            case .atLeast(let bound): value >= bound
            case .below(let bound): value < bound
            case .atMost(let bound): value <= bound
            }
        }
    }

    private var descriptions: [[String]] = []
    private var rows = [["what", "measured", "", "target", ""]]

    /// An empty one.
    package init() {}

    /// Says under which circumstances all of it was measured.
    package mutating func describe(_ name: String, _ text: String) { descriptions.append([name, text]) }

    /// Adds a figure; one without a target is for information.
    /// - Parameter isDisturbed: whether others used the machine at every attempt, so that the figure says less than it should.
    package mutating func add(
        _ what: String, _ measured: String, value: Double? = nil, unit: String = "", target: Target? = nil, isDisturbed: Bool = false
    ) {
        let shownTarget =
            switch target {
            case .atLeast(let bound): "≥ \(Self.number(bound))\(unit)"
            case .below(let bound): "< \(Self.number(bound))\(unit)"
            case .atMost(let bound): "≤ \(Self.number(bound))\(unit)"
            case nil: ""
            }
        let verdict = target.flatMap { target in value.map { target.isMet(by: $0) ? "pass" : "FAIL" } } ?? ""
        let verdicts = [verdict, isDisturbed ? "disturbed" : ""].filter { !$0.isEmpty }
        rows.append([what, measured, value.map { Self.number($0) + unit } ?? "", shownTarget, verdicts.joined(separator: ", ")])
    }

    /// The table.
    package var text: String { "\n" + Self.aligned(descriptions) + "\n\n" + Self.aligned(rows) }

    /// A number with about three digits that matter.
    package static func number(_ value: Double) -> String {
        if abs(value) >= 100 { return String(Int(value.rounded())) }
        let digits = abs(value) >= 10 ? 10.0 : 100.0
        let text = String((value * digits).rounded() / digits)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// Rows of cells with their columns below one another.
    package static func aligned(_ rows: [[String]]) -> String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }
}

extension [Double] {
    /// The middle one, or the mean of the two in the middle; 0 of none.
    package var median: Double {
        let sorted = self.sorted()
        guard !sorted.isEmpty else { return 0 }
        return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }
}
