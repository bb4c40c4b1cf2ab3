import ArgumentParser
import Personas

/// `personas config`.
struct ConfigCommand: PersonasSubcommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show every setting with its value, where the value comes from, and what it is for.")
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    @OptionGroup(title: "Settings of processes") var process: ProcessOptions
    @OptionGroup(title: "Settings of the server") var service: ServiceOptions
    @OptionGroup(title: "Settings of a worker") var worker: WorkerOptions

    /// A setting as `--json` prints it.
    struct Row: Encodable {
        let name: String
        let value: ShownValue
        let source: SettingSource
        /// The environment variable.
        let variable: String
        let help: String
    }

    func perform() async throws(CommandFailure) {
        let settings = try reporting { () throws(Failure) in try data.settings(with: [process, service, worker]) }
        // It depends on the process that serves as well, which may have other limits than this one: said, but no reason to fail.
        do throws(Failure) {
            _ = try ProcessLimits.fit(connectionsMax: settings.connectionsMax, isExact: settings.source(of: \.connectionsMax) != .default)
        } catch {
            Output.note("personas: with the limits of this process serve would not start: \(CommandFailure(error).message)")
        }
        let rows = Self.rows(settings)
        if output.isJSON {
            try Output.json(rows)
        } else {
            Output.table(
                ["name", "value", "source", "variable", "help"],
                rows.map { [$0.name, $0.value.text, $0.source.rawValue, $0.variable, $0.help] })
        }
    }

    /// The settings in force, secrets hidden.
    static func rows(_ settings: Settings) -> [Row] {
        settings.entries.map { entry in
            let isHidden = entry.definition.isSecret && entry.shown != .nothing
            return Row(
                name: entry.definition.name, value: isHidden ? .text("(hidden)") : entry.shown, source: entry.source,
                variable: entry.definition.environmentName, help: entry.definition.help)
        }
    }
}
