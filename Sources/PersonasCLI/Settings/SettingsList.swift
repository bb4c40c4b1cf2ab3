import Foundation
import Logging
import Personas

/// Who trains.
enum TrainerChoice: String, Sendable, CaseIterable {
    /// The server itself.
    case embedded
    /// Workers that lease jobs over HTTP.
    case worker
}

/// Every setting there is.
enum SettingsList {
    static let data = Setting.text("data", default: "./data", "Folder of everything that must survive: the database and the images")
    static let host = Setting.text("host", default: "127.0.0.1", "Address to listen on")
    static let port = Setting.integer("port", default: 8_080, in: 0...65_535, "TCP port to listen on; 0 picks a free one")
    static let publicURL = Setting.optionalText(
        "public-url", "Address under which clients reach the service, for links in answers; without it that of the listening port",
        check: webAddress)
    static let trainer = Setting<TrainerChoice>.choice(
        "trainer", default: .embedded, "Who trains: embedded (the server itself) or worker (workers over HTTP)")
    static let migrate = Setting.toggle("migrate", default: true, "Apply pending migrations at start rather than refuse to start")
    static let logLevel = Setting<Logger.Level>.choice("log-level", default: .info, "Least important events to log")
    static let logFormat = Setting<LogFormat>.choice("log-format", default: .json, "Form of log lines: json or text")
    static let trustRequestID = Setting.toggle(
        "trust-request-id", default: false, "Take X-Request-Id from requests; only behind a proxy that sets it")
    static let keepImageMetadata = Setting.toggle(
        "keep-image-metadata", default: false, "Keep location, camera and other metadata in stored images")
    static let developmentDownloads = Setting.toggle(
        "development-downloads", default: false, "Fetch images by plain HTTP and from private addresses; never in production")
    static let downloadTrustRoots = Setting.optionalText(
        "download-trust-roots", "PEM file of certificate authorities to trust for image downloads instead of the system's",
        check: readableFile)
    static let blockedDownloadPrefixes = Setting.networks(
        "blocked-download-prefixes", "Further networks that images are never fetched from, such as 203.0.113.0/24")
    static let leaseSeconds = Setting.integer(
        "lease-seconds", default: Limits.leaseSeconds, in: 1...3_600, "Seconds that a worker keeps a job without a sign of life")
    static let trainingAttemptsMax = Setting.integer(
        "training-attempts-max", default: Limits.trainingAttemptsMax, in: 1...100, "Workers that a job is given to before its item fails")
    static let graceSeconds = Setting.integer(
        "grace-seconds", default: 10, in: 1...3_600, "Seconds that running requests get to finish when the process is stopped")
    static let readers = Setting.integer("readers", default: 4, in: 1...64, "Read connections to the database")
    static let connectionsMax = Setting.integer(
        "connections-max", default: 512, in: 1...65_535, "Client connections at once; a quiet one gives way to a new one")
    static let connectionsPerAddressMax = Setting.integer(
        "connections-per-address-max", default: 0, in: 0...65_535, "Client connections at once of one address; 0 for no limit")
    static let trustedProxies = Setting.networks(
        "trusted-proxies", "Networks of proxies in front, such as 10.0.0.0/8, whose connections count towards no address")
    static let firstRequestSeconds = Setting.integer(
        "first-request-seconds", default: 10, in: 1...3_600, "Seconds that a new connection has until its first request arrives")
    static let idleTimeoutSeconds = Setting.integer(
        "idle-timeout-seconds", default: 60, in: 1...3_600, "Seconds after which an idle connection is closed")
    static let requestReadSeconds = Setting.integer(
        "request-read-seconds", default: 30, in: 1...3_600, "Seconds that a client has to send a request")
    static let writeStallSeconds = Setting.integer(
        "write-stall-seconds", default: 30, in: 1...3_600, "Seconds after which a client that reads nothing is cut off")
    static let answerBytesPerSecondMin = Setting.integer(
        "answer-bytes-per-second-min", default: 8_192, in: 1...1_073_741_824,
        "Bytes of an answer that earn a client who takes them a further second to do so")
    static let bodyBytesMax = Setting.integer(
        "body-bytes-max", default: 64 * 1_024 * 1_024, in: 1_024...1_073_741_824, "Bytes of the largest request body")
    static let largeBodiesMax = Setting.integer(
        "large-bodies-max", default: 2, in: 1...1_024,
        "Bodies and images over 1 MiB decoded at once, and as many over 64 KiB; one account has half")
    static let bodyBytesInFlightMax = Setting.integer(
        "body-bytes-in-flight-max", default: 512 * 1_024 * 1_024, in: 1_048_576...68_719_476_736,
        "Bytes of request bodies and images coming in, in memory at once; one account may hold half")
    static let downloadsMax = Setting.integer(
        "downloads-max", default: 12, in: 1...256, "Images downloaded at once; one account has half, and the rest wait their turn")
    static let bodyBytesPerSecondMin = Setting.integer(
        "body-bytes-per-second-min", default: 4_096, in: 1...1_073_741_824,
        "Bytes of a body that earn its client a further second to send it")
    static let headerBytesMax = Setting.integer(
        "header-bytes-max", default: 16_384, in: 1_024...1_048_576, "Bytes of a request's header, all fields and the target together")
    static let headerFieldBytesMax = Setting.integer(
        "header-field-bytes-max", default: 8_192, in: 1_024...1_048_576, "Bytes of one header field, and of the target")
    static let headerFieldsMax = Setting.integer(
        "header-fields-max", default: 64, in: 8...1_000, "Fields of a request's header")
    static let pageItemsMax = Setting.integer(
        "page-items-max", default: Limits.pageItemsMax, in: 1...1_000, "Items of one page of a list")
    static let searchesWaitingMax = Setting.integer(
        "searches-waiting-max", default: 64, in: 1...10_000, "Searches that wait for one of two at once; further ones are refused")
    static let writesWaitingMax = Setting.integer(
        "writes-waiting-max", default: 2_048, in: 16...100_000, "Writes that wait for the next commit; further ones are refused")
    static let readsPerSecond = Setting.integer(
        "reads-per-second", default: 2_000, in: 1...1_000_000,
        "Requests a second that one key may read with; after a pause those of 10 s at once")
    static let writesPerSecond = Setting.integer(
        "writes-per-second", default: 500, in: 1...1_000_000,
        "Requests a second that one key may create, change and delete with; after a pause those of 10 s at once")
    static let overLimitWaitMilliseconds = Setting.integer(
        "over-limit-wait-milliseconds", default: 1_000, in: 0...10_000,
        "How long a request waits for others of its key to end, and how long a refusal is held back")
    static let requestsWaitingMax = Setting.integer(
        "requests-waiting-max", default: 100, in: 0...65_535, "Requests of one key that wait for others to end; further ones are refused")
    static let requestsInFlightMax = Setting.integer(
        "requests-in-flight-max", default: 10, in: 1...65_535, "Requests of one key that run at once, waits for a training job aside")
    static let metrics = Setting.toggle(
        "metrics", default: true, "Answer GET /metrics for Prometheus, without a key; keep that path from the public at the proxy")
    static let server = Setting.optionalText("server", "Address of the server that a worker works for", check: webAddress)
    static let key = Setting.optionalText("key", isSecret: true, "API key of a worker, with the scope trainer")

    /// All of them, in the order in which they are shown.
    static let all: [SettingDefinition] = [
        data.definition, host.definition, port.definition, publicURL.definition, trainer.definition, migrate.definition,
        logLevel.definition,
        logFormat.definition, trustRequestID.definition, keepImageMetadata.definition, developmentDownloads.definition,
        downloadTrustRoots.definition, blockedDownloadPrefixes.definition, leaseSeconds.definition, trainingAttemptsMax.definition,
        graceSeconds.definition, readers.definition, connectionsMax.definition, connectionsPerAddressMax.definition,
        trustedProxies.definition, firstRequestSeconds.definition, idleTimeoutSeconds.definition, requestReadSeconds.definition,
        writeStallSeconds.definition, answerBytesPerSecondMin.definition, bodyBytesMax.definition, largeBodiesMax.definition,
        bodyBytesInFlightMax.definition, downloadsMax.definition, bodyBytesPerSecondMin.definition, headerBytesMax.definition,
        headerFieldBytesMax.definition,
        headerFieldsMax.definition, pageItemsMax.definition, searchesWaitingMax.definition,
        writesWaitingMax.definition, readsPerSecond.definition, writesPerSecond.definition, overLimitWaitMilliseconds.definition,
        requestsWaitingMax.definition,
        requestsInFlightMax.definition, metrics.definition,
        server.definition, key.definition,
    ]

    /// An address that paths are appended to, without a slash at its end.
    @Sendable private static func webAddress(_ text: String) throws(SettingProblem) -> String {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(), ["http", "https"].contains(scheme),
            let host = parts.host, !host.isEmpty, parts.user == nil, parts.query == nil, parts.fragment == nil
        else {
            throw SettingProblem(reason: "must be an address such as https://host or http://host:8080")
        }
        return String(text.reversed().drop { $0 == "/" }.reversed())
    }

    @Sendable private static func readableFile(_ path: String) throws(SettingProblem) -> String {
        guard FileManager.default.isReadableFile(atPath: path) else { throw SettingProblem(reason: "must be a file that can be read") }
        return path
    }
}
