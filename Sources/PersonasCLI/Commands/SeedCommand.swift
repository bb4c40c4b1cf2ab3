import ArgumentParser
import Personas

/// `personas seed`.
struct SeedCommand: OperatorCommand {
    typealias Operation = LoadSeed

    static let configuration = CommandConfiguration(
        commandName: "seed", abstract: "Load seeds, through the same rules as the API; a second time changes nothing.",
        discussion: """
            A seed is reserved-names, demo, or a JSON file with any of the members accounts, keys, reserved_names, blocked_terms, personas \
            and styles; image files are named relative to it. Without arguments reserved-names is loaded.
            """)
    @Argument(help: ArgumentHelp("reserved-names, demo, or files", valueName: "NAME or FILE"), completion: .file()) var seeds: [String] = [
        "reserved-names"
    ]
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func perform() async throws(CommandFailure) {
        let client = try client()
        // All files are read before the first is loaded, so that a typing error leaves nothing half done.
        var loaded: [SeedFile] = []
        for name in seeds { loaded.append(try SeedLoading.read(name)) }
        let seeds = loaded
        let report = try await client.withSession(.making) {
            (load: (LoadSeed) async throws(CommandFailure) -> SeedReport) throws(CommandFailure) in
            let progress = ProgressBar("Seeding", total: seeds.reduce(0) { $0 + $1.partCount })
            return try await SeedLoading.load(seeds, progress: progress, by: load)
        }
        try report.show(asJSON: output.isJSON)
    }
}

/// Loading seeds part by part.
enum SeedLoading {
    /// Loads seeds in their order.
    /// - Parameter load: loads one part.
    static func load(
        _ seeds: [SeedFile], progress: ProgressBar, by load: (LoadSeed) async throws(CommandFailure) -> SeedReport
    ) async throws(CommandFailure) -> SeedReport {
        var progress = progress
        defer { progress.finish() }
        var report = SeedReport()
        var done = 0
        for seed in seeds {
            for part in 0..<seed.partCount {
                do throws(CommandFailure) {
                    report.add(try await load(LoadSeed(try document(of: seed, part: part))))
                } catch {
                    throw error.ofSeed.at(seed.title(ofPart: part))
                }
                done += 1
                progress.show(done)
            }
        }
        return report
    }

    /// The seed of a name or file.
    static func read(_ name: String) throws(CommandFailure) -> SeedFile {
        do throws(Failure) {
            return try SeedFile.named(name)
        } catch {
            throw CommandFailure(error).ofSeed
        }
    }

    private static func document(of seed: SeedFile, part: Int) throws(CommandFailure) -> SeedDocument {
        do throws(Failure) {
            return try seed.part(part)
        } catch {
            throw CommandFailure(error)
        }
    }
}
