import CoreMetrics
import Foundation
import Personas
import PersonasDB
import PersonasS3

/// Where everything lies that must survive.
enum StorePlace: Sendable {
    /// In a folder of this machine, which one process has at a time.
    case folder(String)
    /// In a database and a bucket, which any number of processes share.
    case shared(SharedPlace)

    /// Takes what the settings say, and the keys of the bucket from the environment.
    /// - Throws: `configuration` where half of what belongs together is given, or what excludes each other, or the bucket's address or keys are wrong.
    init(_ settings: Settings, environment: [String: String] = ProcessInfo.processInfo.environment) throws(Failure) {
        guard settings.database != nil || settings.media != nil else {
            self = .folder(settings.dataDirectory)
            return
        }
        let (database, media) = (try settings.required(\.database), try settings.required(\.media))
        guard settings.source(of: \.dataDirectory) == .default else {
            throw .configuration(setting: "data", reason: "is of no use with --database and --media, which take the place of the folder")
        }
        guard let secretsKeyFile = settings.secretsKeyFile else {
            throw .configuration(
                setting: "secrets-key-file",
                reason: "is missing: all servers of a database seal secrets with the key of one file, which each is given")
        }
        self = .shared(
            SharedPlace(
                database: database, words: try PostgresStorage.words(for: database), media: try S3Location(media),
                credentials: try S3Credentials(environment: environment),
                secretsKeyFile: URL(fileURLWithPath: secretsKeyFile).standardizedFileURL.path))
    }

    /// How it is called in messages; never with a password.
    var words: String {
        switch self {
        case .folder(let directory): directory
        case .shared(let place): place.words
        }
    }

    /// The same, with the folder's path as it means the same everywhere.
    var absoluteWords: String {
        guard case .folder(let directory) = self else { return words }
        return URL(fileURLWithPath: directory).standardizedFileURL.path
    }

    /// The same for a command, which reports what is wrong with the settings.
    static func of(_ settings: Settings) throws(CommandFailure) -> StorePlace {
        do throws(Failure) {
            return try StorePlace(settings)
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Opens what is there. Nothing is migrated yet.
    /// - Parameters:
    ///   - asksForTopUps: whether there is somebody to ask for them.
    ///   - clock: what everything is dated by; nil for the machine's, or the one of the database that several share.
    func open(
        _ settings: Settings, asksForTopUps: Bool, metrics: any MetricsFactory, clock: WallClock?
    ) throws(Failure) -> OpenStores {
        switch self {
        case .folder:
            var configuration = Storage.Configuration(settings, metrics: metrics, clock: clock ?? .system)
            configuration.asksForTopUps = asksForTopUps
            return OpenStores(stores: try Storage.open(configuration), objects: nil)
        case .shared(let place):
            var configuration = PostgresStorage.Configuration(settings, place, metrics: metrics, clock: clock)
            configuration.asksForTopUps = asksForTopUps
            let objects = S3ObjectStore(location: place.media, credentials: place.credentials, clock: clock ?? .system, factory: metrics)
            return OpenStores(stores: try PostgresStorage(configuration, blobs: objects), objects: objects)
        }
    }
}

/// What is stored, as long as it is open.
struct OpenStores: Sendable {
    let stores: any Stores
    /// The bucket of the images; nil where they lie in the data folder.
    fileprivate let objects: S3ObjectStore?

    /// Looks whether the bucket is there, and lets itself be listed, for a start: a name that is wrong would be found by clients otherwise.
    /// - Throws: as `S3ObjectStore.probe`; `storeBusy` where it may be there, and does not answer.
    func probe() async throws(Failure) { try await objects?.probe() }

    /// Ends all connections. No call may be under way or follow.
    func close() async {
        stores.close()
        await objects?.close()
    }
}

/// A database and a bucket that belong together.
struct SharedPlace: Sendable {
    /// The text that names the database, with a password where one stands in it.
    let database: String
    /// What it is called in messages.
    let words: String
    let media: S3Location
    let credentials: S3Credentials
    /// The file of the key that secrets are sealed with, as an absolute path.
    let secretsKeyFile: String
}
