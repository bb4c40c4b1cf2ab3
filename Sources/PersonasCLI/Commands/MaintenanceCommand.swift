import ArgumentParser
import Personas

/// `personas maintenance`.
struct MaintenanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintenance", abstract: "Turning clients away for a while.", subcommands: [On.self, Off.self, Status.self])

    struct On: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "on", abstract: "Turn clients away.")
        @Option(help: ArgumentHelp("What clients are told to wait", valueName: "SECONDS")) var retryAfter: Int?
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
