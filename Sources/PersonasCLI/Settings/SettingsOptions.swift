import ArgumentParser
import Foundation
import Personas

/// The flags that every command takes.
struct DataOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp("JSON file of settings, such as {\"port\": 8081} (PERSONAS_CONFIG)", valueName: "FILE"), completion: .file())
    var config: String?

    /// The settings in force for a command that has no others.
    func settings() throws(Failure) -> Settings { try settings(with: []) }

    /// The settings in force, with the flags of further groups.
    func settings(with groups: [any SettingFlags]) throws(Failure) -> Settings {
        let flags = groups.reduce(common.given) { $0.merging($1.given) { first, _ in first } }
        return try Settings(flags: flags, configurationFile: config, environment: ProcessInfo.processInfo.environment)
    }
}

/// The flag of every command that prints something.
struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print one JSON document, and a failure as JSON on standard error")
    var isJSON = false
}

/// The flags of the settings that every command has.
struct CommonOptions: SettingFlags {
    static let group = SettingGroup.everyCommand
    var given: [String: String] = [:]
}

/// The flags of the settings that both of those have that run until they are stopped: the server and the worker.
struct ProcessOptions: SettingFlags {
    static let group = SettingGroup.processes
    var given: [String: String] = [:]
}

/// The flags of the settings that the service has.
struct ServiceOptions: SettingFlags {
    static let group = SettingGroup.server
    var given: [String: String] = [:]
}

/// The flags of the settings that a worker has.
struct WorkerOptions: SettingFlags {
    static let group = SettingGroup.worker
    var given: [String: String] = [:]
}
