import ArgumentParser
import Personas

/// `personas maintenance`.
struct MaintenanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintenance", abstract: "Turn clients away for a while (SERVICE_UNDER_MAINTENANCE).",
        subcommands: [On.self, Off.self, Status.self])

    struct On: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "on", abstract: "Turn clients away, until `personas maintenance off`.",
            discussion: "Health checks, metrics and these commands still answer. It outlasts a restart of the server.")
        @Option(
            help: ArgumentHelp(
                "What clients are told to wait, 1 to \(Maintenance.retryAfterSecondsMax) (default: \(Maintenance.retryAfterSecondsDefault))",
                valueName: "SECONDS"),
            transform: NumberArgument.within(1...Maintenance.retryAfterSecondsMax))
        var retryAfter: Int?
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetMaintenance { SetMaintenance(isOn: true, retryAfterSeconds: retryAfter) }
    }

    struct Off: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "off", abstract: "Let clients in again.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetMaintenance { SetMaintenance(isOn: false, retryAfterSeconds: nil) }
    }

    struct Status: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "status", abstract: "Tell whether maintenance is on.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ShowMaintenance { ShowMaintenance() }
    }
}
