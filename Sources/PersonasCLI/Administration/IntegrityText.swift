import Personas

extension IntegrityReport: Presentable {
    /// Findings of one kind that people are named; of all, `--json` names more.
    static let namedMax = Limits.findingsOfKindMin

    func show(asJSON isJSON: Bool) throws(CommandFailure) {
        if isJSON { return try Output.json(self) }
        for line in lines { Output.line(line) }
    }

    /// What was looked at, what was found by kind, and the verdict, in lines that a terminal takes whole.
    var lines: [String] {
        let rows = [
            ("personas and styles", Quantities.number(counts.items)), ("images", Quantities.number(counts.images)),
            ("bytes of images", Quantities.number(counts.imageBytes)), ("image files", Quantities.number(counts.files)),
            ("removals pending", Quantities.number(counts.pendingRemovals)),
            ("seconds of the oldest", Quantities.number(counts.oldestRemovalSeconds)), ("findings", Quantities.number(counts.findings)),
            ("repaired", Quantities.number(counts.repaired)),
        ]
        let kinds = Finding.Kind.allCases.flatMap { kind in lines(of: kind) }
        return Output.tableLines(["what", "count"], rows.map { [$0.0, $0.1] }) + kinds + ["", verdict]
    }

    /// What was found of one kind: some by name, and how many there are besides.
    private func lines(of kind: Finding.Kind) -> [String] {
        guard let count = counts.findingsByKind[kind.rawValue] else { return [] }
        let named = findings.filter { $0.kind == kind }.prefix(Self.namedMax)
        var lines = ["", "\(kind.rawValue): \(Quantities.count(count, "finding"))"]
        for finding in named {
            lines += Output.wrapped(finding.subject, indentation: 2)
            lines += Output.wrapped(finding.detail + (finding.repaired ? " (repaired)" : ""), indentation: 4)
        }
        if count > named.count { lines.append("  and \(Quantities.number(count - named.count)) more") }
        return lines
    }

    /// The one line that says what comes of all this.
    var verdict: String {
        let repaired = counts.repaired == 0 ? "" : ", \(Quantities.number(counts.repaired)) repaired"
        guard !sound else {
            return "sound: \(Quantities.count(counts.items, "item")), \(Quantities.count(counts.images, "image")) checked\(repaired)"
        }
        return "not sound: \(Quantities.count(counts.findings - counts.repaired, "finding"))\(repaired)"
    }

    /// Why a check of such data has failed, and what can be done.
    var failure: CommandFailure {
        let repairable = Finding.Kind.allCases.filter(\.isRepairable).reduce(0) { $0 + (counts.findingsByKind[$1.rawValue] ?? 0) }
        let open = counts.findings - counts.repaired
        var words = "the data are not sound: \(Quantities.count(open, "finding"))"
        // What a repair has left is not for another.
        let mendable = counts.repaired == 0 ? repairable : 0
        let mended = mendable < open ? "\(Quantities.number(mendable)) of them" : open == 1 ? "it" : "them"
        if mendable > 0 { words += "; personas check --repair makes \(mended) good" }
        if mendable < open { words += "; what is damaged or missing comes back from a backup alone, see personas restore --help" }
        return CommandFailure(.failed, words)
    }
}
