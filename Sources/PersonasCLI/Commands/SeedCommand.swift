import ArgumentParser
import Personas
import PersonasDB

/// `personas seed`.
struct SeedCommand: OperatorCommand {
    typealias Operation = LoadSeed

    static let furtherOperations: [any AdministrationOperation.Type] = [CheckSeed.self, PrepareKey.self, CreateKey.self]
    static let configuration = CommandConfiguration(
        commandName: "seed", abstract: "Load seeds, through the same rules as the API; a second time changes nothing.",
        discussion: """
            A seed is reserved-names, demo, or a JSON file with any of the members accounts, keys, reserved_names, blocked_terms, personas \
            and styles; image files are named relative to it. Without arguments reserved-names is loaded.

            All of it is checked before any of it is loaded, and each fault is told with its file and line. Keys come last; each is printed, \
            this once, and issued after that. If the command ends early, run it again: what is there stays as it is, and what is missing is made.
            """)
    @Argument(help: ArgumentHelp("reserved-names, demo, or files", valueName: "NAME or FILE"), completion: .file()) var seeds: [String] = [
        "reserved-names"
    ]
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        if seeds.contains("") { throw ValidationError("A seed is reserved-names, demo, or the name of a file, and not empty.") }
    }

    func perform() async throws(CommandFailure) {
        let settings = try reporting(data.settings)
        let seeds = SeedSet(seeds.map(SeedFile.named))
        let faults = seeds.faults(keepingMetadata: settings.keepImageMetadata)
        // A seed with faults makes no data folder either.
        if case .folder(let directory) = try StorePlace.of(settings), !DataFolder(directory).hasDatabase {
            let surroundings = SeedSurroundings(reserving: SeedFile.reservedNames().document.reservedNames ?? [])
            let problems = SeedCheck.problems(of: seeds.document, amid: surroundings)
            if let failure = seeds.failure(faults + seeds.faults(problems)) { throw failure }
        }
        try await client().withConnection(.making) { (connection) throws(CommandFailure) in
            let findings = try await connection.perform(CheckSeed(seeds.document))
            if let failure = seeds.failure(faults + seeds.faults(findings.problems)) { throw failure }
            let progress = ProgressBar("Seeding", total: seeds.files.reduce(0) { $0 + $1.partCount })
            let report = try await SeedLoading.load(seeds.files, progress: progress) { (part) throws(CommandFailure) in
                try await connection.perform(part)
            }
            let keys = findings.missingKeys.compactMap { seeds.document.keys?[$0] }
            try await issue(keys, SeedOutput(report, keys: keys, asJSON: output.isJSON), connection)
        }
    }

    private func issue(
        _ keys: [SeedDocument.KeyEntry], _ output: SeedOutput, _ connection: AdministrationConnection
    ) async throws(CommandFailure) {
        var output = output
        defer { output.end() }
        for key in keys {
            do throws(CommandFailure) {
                let issued = try await connection.perform(
                    PrepareKey(accountName: key.account, label: key.label, scopes: key.scopes ?? APIKey.defaultScopes))
                try await output.deliver(issued) { () throws(CommandFailure) in _ = try await connection.perform(CreateKey(issued)) }
            } catch {
                let message = error.at("key \(key.label.debugDescription) of account \(key.account.debugDescription)").message
                throw error.saying("\(message); what was loaded stays, and another run issues the keys that are missing")
            }
        }
    }
}
