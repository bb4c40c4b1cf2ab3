import ArgumentParser
import Personas

/// `personas serve`.
struct ServeCommand: PersonasSubcommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the service.",
        discussion: "Applies pending migrations, then answers until it is stopped by SIGTERM or SIGINT. Its log goes to standard error.")
    static var hasLog: Bool { true }

    @Flag(help: "Load the demo as well; prints its key and a curl line that works") var demo = false
    @OptionGroup var data: DataOptions
    @OptionGroup var process: ProcessOptions
    @OptionGroup var service: ServiceOptions

    func perform() async throws(CommandFailure) {
        let settings = try reporting { () throws(Failure) in try data.settings(with: [process, service]) }
        settings.hideSecrets()
        try await Serve.run(settings, withDemo: demo)
    }
}
