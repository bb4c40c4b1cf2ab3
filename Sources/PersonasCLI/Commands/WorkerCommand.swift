import ArgumentParser
import Personas

/// `personas worker`.
struct WorkerCommand: PersonasSubcommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Train over HTTP: lease jobs, check their images, complete them.",
        usage: "personas worker --server URL [--key KEY] [--once] [<options>]",
        discussion: """
            It trains no model: it publishes the reference images, the first as portrait. The key needs the scope trainer; \
            given as PERSONAS_KEY it is never part of the command line that other users of the machine can list.
            """)
    static var hasLog: Bool { true }

    @OptionGroup var worker: WorkerOptions
    @Flag(help: "Handle one job, if one is waiting, then end") var once = false
    @OptionGroup var data: DataOptions
    @OptionGroup var process: ProcessOptions

    func perform() async throws(CommandFailure) {
        let settings = try reporting { () throws(Failure) in try data.settings(with: [process, worker]) }
        settings.hideSecrets()
        let server = try reporting { () throws(Failure) in try settings.required(\.server) }
        let key = try reporting { () throws(Failure) in try settings.required(\.key) }
        try await WorkerProcess.run(server: server, key: key, once: once, settings)
    }
}
