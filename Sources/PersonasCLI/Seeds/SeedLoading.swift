import Personas

/// Loading seeds part by part.
enum SeedLoading {
    /// Loads seeds in their order, all but their keys.
    /// - Parameter load: loads one part.
    static func load(
        _ seeds: [SeedFile], progress: ProgressBar, by load: (LoadSeed) async throws(CommandFailure) -> SeedReport
    ) async throws(CommandFailure) -> SeedReport {
        var progress = progress
        defer { progress.finish() }
        var report = SeedReport()
        var done = 0
        // Accounts, names and terms of all come before the items of any, as they were looked at.
        for parts in [true, false] {
            for seed in seeds {
                for part in parts ? 0..<1 : 1..<seed.partCount {
                    do throws(CommandFailure) {
                        report.add(try await load(LoadSeed(try document(of: seed, part: part))))
                    } catch {
                        throw error.ofSeed.at(seed.title(ofPart: part))
                    }
                    done += 1
                    progress.show(done)
                }
            }
        }
        return report
    }

    private static func document(of seed: SeedFile, part: Int) throws(CommandFailure) -> SeedDocument {
        do throws(Failure) {
            return try seed.part(part)
        } catch {
            throw CommandFailure(error)
        }
    }
}

extension SeedReport {
    /// Adds what another part changed.
    mutating func add(_ other: SeedReport) {
        accounts += other.accounts
        reservedNames += other.reservedNames
        blockedTerms += other.blockedTerms
        personas += other.personas
        styles += other.styles
    }
}

/// What `personas seed` prints: what was loaded, then each key before it is issued, so that no secret is lost with a command that ends in between.
///
/// As JSON it is one document all the same, which is written as far as it is known, and has its end when the command has failed as well.
struct SeedOutput {
    private let isJSON: Bool
    private let tail: String
    private var widths: [Int] = []
    private var keyCount = 0
    private var hasIssued = false

    /// Writes what was loaded.
    /// - Parameter keys: those that are going to be issued.
    init(_ report: SeedReport, keys: [SeedDocument.KeyEntry], asJSON isJSON: Bool) throws(CommandFailure) {
        self.isJSON = isJSON
        guard isJSON else {
            tail = ""
            let rows = [
                ["accounts", String(report.accounts)], ["reserved names", String(report.reservedNames)],
                ["blocked terms", String(report.blockedTerms)], ["personas", String(report.personas)], ["styles", String(report.styles)],
            ]
            Output.table(["what", "created"], rows)
            guard !keys.isEmpty else { return }
            Output.line("")
            let cells = keys.map { Self.cells(account: $0.account, label: $0.label, scopes: $0.scopes ?? APIKey.defaultScopes) }
            let headings = Output.lines([["ACCOUNT", "LABEL", "SCOPES", "KEY"]] + cells, widening: &widths)
            Output.line(headings[0])
            return
        }
        // The members are in the order of their names, as in every document, and so the keys are in the midst of it.
        let head = HeadCounts(accounts: report.accounts, blockedTerms: report.blockedTerms)
        let rest = TailCounts(personas: report.personas, reservedNames: report.reservedNames, styles: report.styles)
        tail = "]," + (try Output.jsonText(rest)).dropFirst() + "\n"
        Output.text((try Output.jsonText(head)).dropLast() + #","keys":["#)
    }

    /// Writes a key, and then has it stored.
    mutating func deliver(_ issued: IssuedKey, _ store: () async throws(CommandFailure) -> Void) async throws(CommandFailure) {
        let delivery = KeyDelivery(issued: issued, purpose: .issue)
        defer { keyCount += 1 }
        if isJSON {
            if keyCount > 0 { Output.text(",") }
            try await delivery.write(json: try Output.jsonText(issued), end: "", store)
            return
        }
        let cells = Self.cells(account: issued.account ?? "", label: issued.label ?? "", scopes: Set(issued.scopes), key: issued.key)
        try await delivery.write(Output.lines([cells], widening: &widths)[0] + "\n", store)
        hasIssued = true
    }

    /// Writes what belongs behind the last key.
    func end() {
        Output.text(tail)
        if hasIssued { Output.note("Each key is shown this once.") }
    }

    private static func cells(account: String, label: String, scopes: Set<Scope>, key: String = "") -> [String] {
        [account, label, scopes.map(\.rawValue).sorted().joined(separator: ","), key].map(Output.printable)
    }

    private struct HeadCounts: Encodable {
        let accounts: Int
        let blockedTerms: Int
    }

    private struct TailCounts: Encodable {
        let personas: Int
        let reservedNames: Int
        let styles: Int
    }
}
