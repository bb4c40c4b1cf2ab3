import TestSupport

/// What became of all scenarios, as one table.
package struct OutcomeTable: Sendable {
    private var rows = [["row", "scenario", "what must hold", "what was seen", ""]]
    /// How many things did not hold.
    package private(set) var failures = 0
    /// Whether the last scenario held.
    package private(set) var lastVerdict = ""

    /// An empty one.
    package init() {}

    /// Whether it has no rows.
    package var isEmpty: Bool { rows.count == 1 }

    /// Adds a scenario: what was sent, then a line for each thing that must hold.
    package mutating func add(row: String, name: String, _ outcome: Outcome) {
        rows.append([row, name, outcome.sent, "", ""])
        for check in outcome.checks { rows.append(["", "", "  " + check.rule, check.seen, check.holds ? "pass" : "FAIL"]) }
        failures += outcome.failures.count
        lastVerdict = outcome.failures.isEmpty ? "pass" : "FAIL"
    }

    /// The table.
    package var text: String { Report.aligned(rows) }
}
