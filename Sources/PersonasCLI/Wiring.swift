import Foundation
import Logging
import Personas
import PersonasDB
import PersonasOutbound

/// The whole service, put together from its parts: the one place that knows every adapter.
struct Wiring: Sendable {
    /// What the service remembers.
    let storage: Storage
    /// The bells between use cases and background work.
    let signals: CatalogSignals
    /// The use cases of personas and styles.
    let catalog: Catalog
    /// The use cases of training.
    let training: Training
    /// Who calls.
    let authentication: Authentication
    /// What makes POSTs safe to send again.
    let idempotency: Idempotency
    /// The use cases of operators.
    let administration: Administration

    /// For commands, which report failures themselves.
    static let silentLogger = Logger(label: "personas") { _ in SwiftLogNoOpLogHandler() }

    /// Opens the data folder, whose lock the caller holds, and puts everything together. Nothing is migrated yet.
    init(_ settings: Settings, logger: Logger) throws(Failure) {
        let fetcher = try GuardedImageFetcher(configuration: try Self.downloads(settings), logger: logger)
        storage = try Storage.open(Storage.Configuration(directory: settings.dataDirectory, readers: settings[SettingsList.readers]))
        signals = CatalogSignals()
        let keepsMetadata = settings[SettingsList.keepImageMetadata]
        catalog = Catalog(
            store: storage.pikzonalities, media: storage.media, fetcher: fetcher, policy: ContentPolicy(terms: storage.terms),
            signals: signals,
            keepsImageMetadata: keepsMetadata)
        training = Training(
            jobs: storage.jobs, media: storage.media, signals: signals,
            policy: LeasePolicy(seconds: settings[SettingsList.leaseSeconds], attemptsMax: settings[SettingsList.trainingAttemptsMax]),
            keepsImageMetadata: keepsMetadata)
        authentication = Authentication(keys: storage.keys)
        idempotency = Idempotency(answers: storage.answers)
        administration = Administration(
            accounts: storage.accounts, keys: storage.keys, names: storage.names, terms: storage.terms, maintenance: storage.maintenance,
            items: storage.pikzonalities, schema: storage.schema, catalog: catalog, signals: signals)
    }

    /// Brings the database to the schema of this binary, and gives a new one its reserved names.
    /// - Returns: the names of the migrations applied now.
    func migrate() async throws(Failure) -> [String] {
        let applied = try await storage.migrate()
        // Whether it is new is told by what it holds, so that a start that was cut short before this line is made good by the next.
        let accounts = try await storage.accounts.accounts()
        if accounts.isEmpty, try await storage.names.reservedNames().isEmpty {
            _ = try await administration.perform(.seed(try Seed.reservedNames().document))
        }
        return applied
    }

    /// The migrations that were not applied yet.
    func pendingMigrations() async throws(Failure) -> [String] {
        try await storage.schema.migrations().filter { $0.state == .pending }.map(\.name)
    }

    /// Closes the data folder. Nothing may be under way or follow.
    func close() { storage.close() }

    private static func downloads(_ settings: Settings) throws(Failure) -> GuardedImageFetcher.Configuration {
        var configuration = GuardedImageFetcher.Configuration()
        configuration.isDevelopment = settings[SettingsList.developmentDownloads]
        configuration.trustRootsFile = settings[SettingsList.downloadTrustRoots]
        for text in settings[SettingsList.blockedDownloadPrefixes] {
            guard let prefix = AddressPrefix(text) else {
                throw .configuration(
                    setting: SettingsList.blockedDownloadPrefixes.definition.name,
                    reason: "must be a list of networks such as 203.0.113.0/24")
            }
            configuration.blockedPrefixes.append(prefix)
        }
        return configuration
    }
}
