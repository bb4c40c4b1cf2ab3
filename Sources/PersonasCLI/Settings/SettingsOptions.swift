import ArgumentParser
import Foundation
import Personas

/// The flags that every command takes.
struct DataOptions: ParsableArguments {
    @Option(name: .customLong("data"), help: SettingsList.data.argumentHelp("DIR"))
    var data: String?

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp("Configuration file: a JSON object of settings (PERSONAS_CONFIG)", valueName: "FILE"))
    var config: String?

    /// The settings in force for a command that has no others.
    func settings() throws(Failure) -> Settings { try settings(with: [:]) }

    /// The settings in force, with further flags by the names of their settings.
    func settings(with flags: [String: String?]) throws(Failure) -> Settings {
        var flags = flags.compactMapValues { $0 }
        flags[SettingsList.data.definition.name] = data
        return try Settings(flags: flags, configurationFile: config, environment: ProcessInfo.processInfo.environment)
    }
}

/// The flag of every command that prints something.
struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print one JSON document instead of a table")
    var isJSON = false
}

/// The flags of what both of those have that run until they are stopped: the server and the worker.
struct ProcessOptions: ParsableArguments {
    @Option(help: SettingsList.logLevel.argumentHelp("LEVEL")) var logLevel: String?
    @Option(help: SettingsList.logFormat.argumentHelp("FORM")) var logFormat: String?
    @Option(help: SettingsList.graceSeconds.argumentHelp("N")) var graceSeconds: String?

    /// What was given, by the names of the settings.
    var flags: [String: String?] {
        [
            SettingsList.logLevel.definition.name: logLevel, SettingsList.logFormat.definition.name: logFormat,
            SettingsList.graceSeconds.definition.name: graceSeconds,
        ]
    }
}

/// The flags of the settings that the service has. Values are taken as texts, so that a bad one is reported like one from anywhere else.
struct ServiceOptions: ParsableArguments {
    @Option(help: SettingsList.host.argumentHelp("ADDRESS")) var host: String?
    @Option(help: SettingsList.port.argumentHelp("PORT")) var port: String?
    @Option(name: .customLong("public-url"), help: SettingsList.publicURL.argumentHelp("URL")) var publicURL: String?
    @Option(help: SettingsList.trainer.argumentHelp("WHO")) var trainer: String?
    @Flag(inversion: .prefixedNo, help: SettingsList.migrate.argumentHelp()) var migrate: Bool?
    @Flag(name: .customLong("trust-request-id"), inversion: .prefixedNo, help: SettingsList.trustRequestID.argumentHelp())
    var trustRequestID: Bool?
    @Flag(inversion: .prefixedNo, help: SettingsList.keepImageMetadata.argumentHelp()) var keepImageMetadata: Bool?
    @Flag(inversion: .prefixedNo, help: SettingsList.developmentDownloads.argumentHelp()) var developmentDownloads: Bool?
    @Option(help: SettingsList.downloadTrustRoots.argumentHelp("FILE")) var downloadTrustRoots: String?
    @Option(help: SettingsList.blockedDownloadPrefixes.argumentHelp("LIST")) var blockedDownloadPrefixes: String?
    @Option(help: SettingsList.leaseSeconds.argumentHelp("N")) var leaseSeconds: String?
    @Option(help: SettingsList.trainingAttemptsMax.argumentHelp("N")) var trainingAttemptsMax: String?
    @Option(help: SettingsList.readers.argumentHelp("N")) var readers: String?
    @Option(help: SettingsList.connectionsMax.argumentHelp("N")) var connectionsMax: String?
    @Option(help: SettingsList.connectionsPerAddressMax.argumentHelp("N")) var connectionsPerAddressMax: String?
    @Option(help: SettingsList.trustedProxies.argumentHelp("LIST")) var trustedProxies: String?
    @Option(help: SettingsList.firstRequestSeconds.argumentHelp("N")) var firstRequestSeconds: String?
    @Option(help: SettingsList.idleTimeoutSeconds.argumentHelp("N")) var idleTimeoutSeconds: String?
    @Option(help: SettingsList.requestReadSeconds.argumentHelp("N")) var requestReadSeconds: String?
    @Option(help: SettingsList.writeStallSeconds.argumentHelp("N")) var writeStallSeconds: String?
    @Option(help: SettingsList.answerBytesPerSecondMin.argumentHelp("N")) var answerBytesPerSecondMin: String?
    @Option(help: SettingsList.bodyBytesMax.argumentHelp("N")) var bodyBytesMax: String?
    @Option(help: SettingsList.largeBodiesMax.argumentHelp("N")) var largeBodiesMax: String?
    @Flag(inversion: .prefixedNo, help: SettingsList.metrics.argumentHelp()) var metrics: Bool?

    @Option(help: SettingsList.bodyBytesInFlightMax.argumentHelp("N")) var bodyBytesInFlightMax: String?
    @Option(help: SettingsList.downloadsMax.argumentHelp("N")) var downloadsMax: String?
    @Option(help: SettingsList.bodyBytesPerSecondMin.argumentHelp("N")) var bodyBytesPerSecondMin: String?
    @Option(help: SettingsList.headerBytesMax.argumentHelp("N")) var headerBytesMax: String?
    @Option(help: SettingsList.headerFieldBytesMax.argumentHelp("N")) var headerFieldBytesMax: String?
    @Option(help: SettingsList.headerFieldsMax.argumentHelp("N")) var headerFieldsMax: String?
    @Option(help: SettingsList.pageItemsMax.argumentHelp("N")) var pageItemsMax: String?
    @Option(help: SettingsList.searchesWaitingMax.argumentHelp("N")) var searchesWaitingMax: String?
    @Option(help: SettingsList.writesWaitingMax.argumentHelp("N")) var writesWaitingMax: String?
    @Option(help: SettingsList.readsPerSecond.argumentHelp("N")) var readsPerSecond: String?
    @Option(help: SettingsList.writesPerSecond.argumentHelp("N")) var writesPerSecond: String?
    @Option(help: SettingsList.overLimitWaitMilliseconds.argumentHelp("N")) var overLimitWaitMilliseconds: String?
    @Option(help: SettingsList.requestsWaitingMax.argumentHelp("N")) var requestsWaitingMax: String?
    @Option(help: SettingsList.requestsInFlightMax.argumentHelp("N")) var requestsInFlightMax: String?

    /// What was given, by the names of the settings.
    var flags: [String: String?] {
        typealias List = SettingsList
        return [
            List.host.definition.name: host, List.port.definition.name: port, List.publicURL.definition.name: publicURL,
            List.trainer.definition.name: trainer, List.migrate.definition.name: migrate.map(String.init),
            List.trustRequestID.definition.name: trustRequestID.map(String.init),
            List.keepImageMetadata.definition.name: keepImageMetadata.map(String.init),
            List.developmentDownloads.definition.name: developmentDownloads.map(String.init),
            List.downloadTrustRoots.definition.name: downloadTrustRoots,
            List.blockedDownloadPrefixes.definition.name: blockedDownloadPrefixes,
            List.leaseSeconds.definition.name: leaseSeconds, List.trainingAttemptsMax.definition.name: trainingAttemptsMax,
            List.readers.definition.name: readers,
            List.connectionsMax.definition.name: connectionsMax,
            List.connectionsPerAddressMax.definition.name: connectionsPerAddressMax,
            List.trustedProxies.definition.name: trustedProxies, List.firstRequestSeconds.definition.name: firstRequestSeconds,
            List.answerBytesPerSecondMin.definition.name: answerBytesPerSecondMin,
            List.idleTimeoutSeconds.definition.name: idleTimeoutSeconds,
            List.requestReadSeconds.definition.name: requestReadSeconds, List.writeStallSeconds.definition.name: writeStallSeconds,
            List.bodyBytesMax.definition.name: bodyBytesMax, List.largeBodiesMax.definition.name: largeBodiesMax,
            List.bodyBytesInFlightMax.definition.name: bodyBytesInFlightMax, List.downloadsMax.definition.name: downloadsMax,
            List.bodyBytesPerSecondMin.definition.name: bodyBytesPerSecondMin, List.headerBytesMax.definition.name: headerBytesMax,
            List.headerFieldBytesMax.definition.name: headerFieldBytesMax, List.headerFieldsMax.definition.name: headerFieldsMax,
            List.pageItemsMax.definition.name: pageItemsMax, List.searchesWaitingMax.definition.name: searchesWaitingMax,
            List.writesWaitingMax.definition.name: writesWaitingMax,
            List.readsPerSecond.definition.name: readsPerSecond, List.writesPerSecond.definition.name: writesPerSecond,
            List.overLimitWaitMilliseconds.definition.name: overLimitWaitMilliseconds,
            List.requestsWaitingMax.definition.name: requestsWaitingMax,
            List.requestsInFlightMax.definition.name: requestsInFlightMax,
            List.metrics.definition.name: metrics.map(String.init),
        ]
    }
}

/// The flags of the settings that a worker has.
struct WorkerOptions: ParsableArguments {
    @Option(help: SettingsList.server.argumentHelp("URL")) var server: String?
    @Option(help: SettingsList.key.argumentHelp("KEY")) var key: String?

    /// What was given, by the names of the settings.
    var flags: [String: String?] { [SettingsList.server.definition.name: server, SettingsList.key.definition.name: key] }
}

extension Setting {
    /// The line of `--help`.
    fileprivate func argumentHelp(_ valueName: String? = nil) -> ArgumentHelp {
        let initial = definition.shownDefault.text.isEmpty ? "" : ", default \(definition.shownDefault.text)"
        return ArgumentHelp("\(definition.help) (\(definition.environmentName)\(initial))", valueName: valueName)
    }
}
