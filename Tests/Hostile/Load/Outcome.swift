/// One thing that must hold while a client misbehaves, and whether it did.
package struct Check: Sendable {
    /// What must hold.
    package let rule: String
    /// What was seen.
    package let seen: String
    /// Whether it held.
    package let holds: Bool

    /// Takes all members.
    package init(_ rule: String, seen: String, holds: Bool) {
        self.rule = rule
        self.seen = seen
        self.holds = holds
    }
}

/// What became of one scenario.
package struct Outcome: Sendable {
    /// What the attackers sent.
    package let sent: String
    /// What was looked at.
    package let checks: [Check]

    /// Takes all members.
    package init(sent: String, checks: [Check]) {
        self.sent = sent
        self.checks = checks
    }

    /// What did not hold.
    package var failures: [Check] { checks.filter { !$0.holds } }
}

/// An attack on a service of its own, and what must hold meanwhile.
package struct Scenario: Sendable {
    /// What it is called on the command line.
    package let row: String
    /// What it is called in the table.
    package let name: String
    /// Runs it to its end.
    package let run: @Sendable (Arena) throws -> Outcome
}
