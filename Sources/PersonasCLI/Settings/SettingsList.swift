import ArgumentParser
import ErrorEnvelopeHummingbird
import Foundation
import Logging
import Personas
import PersonasDB
import PersonasHTTP
import PersonasOutbound

/// Who trains.
enum TrainerChoice: String, Sendable, CaseIterable {
    /// The server itself.
    case embedded
    /// Workers that lease jobs over HTTP.
    case worker
    /// A model at fal.
    case fal
}

/// Whether trainings are paid for.
enum CreditsChoice: String, Sendable, CaseIterable {
    /// With credits.
    case on
    /// They are not.
    case off
}

// Each part of the service owns the defaults of its bounds; the settings take them from there, so that each stands once.
private let http = HTTPConfiguration()
private let storage = Storage.Configuration(directory: "./data")
private let downloads = GuardedImageFetcher.Configuration()
private let leases = LeasePolicy()
/// Whether a person watches the process, who wants to read its log, and to have it stop at once.
private let isWatched = Output.standardErrorIsTerminal

/// Every setting there is, in the order in which they are shown.
///
/// A setting is added by declaring it here and using it, as `settings.writesWaitingMax`. All else follows from the declaration: flag and line of
/// `--help`, environment variable, member of the configuration file, bounds, and row of `personas config`.
struct SettingsList: Sendable {
    let dataDirectory = Setting.text(
        "data", value: "DIR", of: .everyCommand, completion: .directory, default: storage.directory,
        "Folder of everything that must survive: the database and the images")
    let database = Setting.optionalText(
        "database", value: "URL", of: .everyCommand, isSecret: true,
        "PostgreSQL database that any number of servers share, postgres://user@host,standby/name, instead of a data folder; with media")
    let media = Setting.optionalText(
        "media", value: "URL", of: .everyCommand,
        "Bucket of the images, s3://bucket/prefix?endpoint=https://s3.example&region=eu-1, with its keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
    let secretsKeyFile = Setting.optionalText(
        "secrets-key-file", value: "FILE", of: .everyCommand, completion: .file(),
        "File of the key that secrets of webhooks are sealed with (mode 0600); without it secrets.key in the data folder, which is in backups"
    )
    let host = Setting.text("host", value: "ADDRESS", default: http.host, "Address to listen on")
    let port = Setting.integer("port", value: "PORT", default: http.port, in: 0...65_535, "TCP port to listen on; 0 picks a free one")
    let publicURL = Setting.optionalText(
        "public-url", value: "URL",
        "Address under which clients reach the service, for links in answers; without it that of the listening port", check: publicAddress)
    let corsOrigins = Setting.origins(
        "cors-origins",
        "Origins whose pages may call the service: https://app.example, https://*.example for subdomains, * for all; by default none")
    let trainer = Setting.choice(
        "trainer", value: "WHO", default: TrainerChoice.embedded,
        "Who trains: embedded (the server itself), worker (workers over HTTP) or fal (a model at fal, with the settings that begin with fal)"
    )
    let credits = Setting.choice(
        "credits", value: "on|off", default: CreditsChoice.off,
        "Whether trainings are paid for with credits, which operators grant; off: they cost nothing, and nothing of it shows")
    let personaPrice = Setting.integer(
        "persona-price", value: "CREDITS", default: 1, in: 0...CreditAmount.max, "Credits that the training of a persona costs")
    let stylePrice = Setting.integer(
        "style-price", value: "CREDITS", default: 1, in: 0...CreditAmount.max, "Credits that the training of a style costs")
    let paymentURL = Setting.optionalText(
        "payment-url", value: "URL",
        "Address of your payment service, which is asked for top-ups of accounts that want them (Smart Balance); with payment-secret",
        check: paymentAddress)
    let paymentSecret = Setting.optionalText(
        "payment-secret", value: "SECRET", isSecret: true,
        "What requests to the payment service are signed with: whsec_ and 24 to 64 bytes in base64 (Standard Webhooks)",
        check: signingSecret)
    let falKey = Setting.optionalText("fal-key", value: "KEY", isSecret: true, "Key of the operator's account at fal")
    let falModel = Setting.optionalText("fal-model", value: "OWNER/APP", "Model at fal that trains")
    let falInput = Setting.optionalText(
        "fal-input", value: "FILE", completion: .file(),
        "What the model is given: JSON with {{reference_urls}} or {{reference_url_0}} to _2, {{name}}, {{special_instructions}}")
    let falPortraitPointer = Setting.optionalText(
        "fal-portrait-pointer", value: "POINTER", "Where a result has the address of the portrait, such as /images/0/url (RFC 6901)")
    let falQueueURL = Setting.text("fal-queue-url", value: "URL", default: "https://queue.fal.run", "Address of fal's queue")
    let falKeysURL = Setting.text(
        "fal-jwks-url", value: "URL", default: FalWebhookKeys.defaultURLs[0],
        "Where fal publishes the keys of its webhooks; without it also where they were before")
    let falTimeoutSeconds = Setting.integer(
        "fal-timeout-seconds", default: 3_600, in: 1...604_800,
        "Seconds from the first attempt to send an item to fal until it fails with FAL_TIMEOUT")
    let falPollPause = Setting.seconds(
        "fal-poll-seconds", default: .seconds(10), in: 1...3_600,
        "Seconds after which fal is asked for a result whose webhook does not come")
    let demoTrainingDuration = Setting.seconds(
        "demo-training-seconds", default: .seconds(20), in: 0...3_600,
        "Seconds that the server itself takes for a training with --demo, so that there is something to see; 0 for no wait")
    let migrate = Setting.toggle("migrate", default: true, "Apply pending migrations at start rather than refuse to start")
    let logLevel = Setting.choice(
        "log-level", value: "LEVEL", of: .processes, default: Logger.Level.info, "Least important events to log")
    let logFormat = Setting.choice(
        "log-format", value: "FORM", of: .processes, default: isWatched ? LogFormat.text : .json,
        defaultWords: "text where standard error is a terminal, else json", "Form of log lines: json or text")
    let trustRequestID = Setting.toggle(
        "trust-request-id", default: http.trustsIncomingRequestID,
        "Take X-Request-Id from requests; only behind a proxy that sets it")
    let keepImageMetadata = Setting.toggle(
        "keep-image-metadata", default: false, "Keep location, camera and other metadata in stored images")
    let developmentDownloads = Setting.toggle(
        "development-downloads", default: downloads.isDevelopment,
        "Fetch images by plain HTTP and from private addresses; never in production")
    let downloadTrustRoots = Setting.optionalText(
        "download-trust-roots", value: "FILE", completion: .file(),
        "PEM file of certificate authorities to trust for image downloads instead of the system's", check: certificateFile)
    let blockedDownloadPrefixes = Setting.networks(
        "blocked-download-prefixes", "Further networks that images are never fetched from, such as 203.0.113.0/24")
    let leaseSeconds = Setting.integer(
        "lease-seconds", default: leases.seconds, in: 1...3_600, "Seconds that a worker keeps a job without a sign of life")
    let trainingAttemptsMax = Setting.integer(
        "training-attempts-max", default: leases.attemptsMax, in: 1...100, "Workers that a job is given to before its item fails")
    let trashDays = Setting.integer(
        "trash-days", default: storage.trashDays, in: 1...3_650,
        "Days for which an item that is put into the trash from now on can be restored")
    let graceSeconds = Setting.integer(
        "grace-seconds", of: .processes, default: 10, in: 1...3_600,
        "Seconds that running requests get to finish when the process is stopped")
    let drainSeconds = Setting.integer(
        "drain-seconds", default: isWatched ? 0 : 5, defaultWords: "0 where standard error is a terminal, else 5", in: 0...600,
        "Seconds before the grace during which a server that is stopped answers on, with /readyz 503, for balancers to notice")
    let readers = Setting.integer("readers", default: storage.readers, in: 1...64, "Read connections to the database")
    let databaseMappedBytes = Setting.integer(
        "database-mmap-bytes", default: storage.mappedBytesMax, in: 0...1_099_511_627_776,
        "Bytes of the database that readers map instead of copying; an I/O error then ends the process (SIGBUS); 0 for none")
    let connectionsMax = Setting.integer(
        "connections-max", default: http.connections.connectionsMax, in: 1...65_535,
        "Client connections at once; a quiet one gives way to a new one")
    let connectionsPerAddressMax = Setting.integer(
        "connections-per-address-max", default: http.connections.connectionsPerAddressMax, in: 0...65_535,
        "Client connections at once of one address; 0 for no limit")
    let trustedProxies = Setting.networks(
        "trusted-proxies",
        "Networks of proxies in front, such as 10.0.0.0/8: their connections count towards no address, their X-Forwarded-For is logged")
    let firstRequestTimeout = Setting.seconds(
        "first-request-seconds", default: http.limits.firstRequestTimeout, in: 1...3_600,
        "Seconds that a new connection has until its first request arrives")
    let idleTimeout = Setting.seconds(
        "idle-timeout-seconds", default: http.limits.idleTimeout, in: 1...3_600, "Seconds after which an idle connection is closed")
    let requestReadTimeout = Setting.seconds(
        "request-read-seconds", default: http.limits.requestReadTimeout, in: 1...3_600, "Seconds that a client has to send a request")
    let writeStallTimeout = Setting.seconds(
        "write-stall-seconds", default: http.limits.writeStallTimeout, in: 1...3_600,
        "Seconds after which a client that reads nothing is cut off")
    let answerBytesPerSecondMin = Setting.integer(
        "answer-bytes-per-second-min", default: http.limits.answerBytesPerSecondMin, in: 1...1_073_741_824,
        "Bytes of an answer that earn a client who takes them a further second to do so")
    let bodyBytesMax = Setting.integer(
        "body-bytes-max", default: http.limits.bodyBytesMax, in: 1_024...1_073_741_824, "Bytes of the largest request body")
    let importBytesMax = Setting.integer(
        "import-bytes-max", default: http.importBytesMax, in: 1_048_576...1_099_511_627_776,
        "Bytes of the largest archive that an account may import; one of each account comes in at a time")
    let largeBodiesMax = Setting.integer(
        "large-bodies-max", default: 2, in: 1...1_024,
        "Bodies and images over 1 MiB decoded at once, and as many over 64 KiB; one account has half")
    let bodyBytesInFlightMax = Setting.integer(
        "body-bytes-in-flight-max", default: http.bodyBytesInFlightMax, in: 1_048_576...68_719_476_736,
        "Bytes of request bodies and images coming in, in memory at once; one account may hold half")
    let downloadsMax = Setting.integer(
        "downloads-max", default: downloads.downloadsMax, in: 1...256,
        "Images downloaded at once; one account has half, and the rest wait their turn")
    let bodyBytesPerSecondMin = Setting.integer(
        "body-bytes-per-second-min", default: http.limits.bodyBytesPerSecondMin, in: 1...1_073_741_824,
        "Bytes of a body that earn its client a further second to send it")
    let headerBytesMax = Setting.integer(
        "header-bytes-max", default: http.limits.headerListBytesMax, in: 1_024...1_048_576,
        "Bytes of a request's header, all fields and the target together")
    let headerFieldBytesMax = Setting.integer(
        "header-field-bytes-max", default: http.limits.headerFieldBytesMax, in: 1_024...1_048_576,
        "Bytes of one header field, and of the target")
    let headerFieldsMax = Setting.integer(
        "header-fields-max", default: http.limits.headerFieldsMax, in: 8...1_000, "Fields of a request's header")
    let pageItemsMax = Setting.integer("page-items-max", default: http.pageItemsMax, in: 1...1_000, "Items of one page of a list")
    let searchesWaitingMax = Setting.integer(
        "searches-waiting-max", default: storage.searchesWaitingMax, in: 1...10_000,
        "Searches that wait for one of two at once, of one account a quarter; further ones are refused")
    let writesWaitingMax = Setting.integer(
        "writes-waiting-max", default: storage.writesWaitingMax, in: 16...100_000,
        "Writes that wait for the next commit; further ones are refused")
    let readsPerSecond = Setting.integer(
        "reads-per-second", default: http.rateLimits.readsPerSecond, in: 1...1_000_000,
        "Requests a second that one key may read with; after a pause those of 10 s at once")
    let writesPerSecond = Setting.integer(
        "writes-per-second", default: http.rateLimits.writesPerSecond, in: 1...1_000_000,
        "Requests a second that one key may create, change and delete with; after a pause those of 10 s at once")
    let overLimitWait = Setting.milliseconds(
        "over-limit-wait-milliseconds", default: http.overLimitWait, in: 0...10_000,
        "How long a request waits for others of its key to end, and how long a refusal is held back")
    let requestsWaitingMax = Setting.integer(
        "requests-waiting-max", default: http.rateLimits.waitingMax, in: 0...65_535,
        "Requests of one key that wait for others to end; further ones are refused")
    let requestsInFlightMax = Setting.integer(
        "requests-in-flight-max", default: http.rateLimits.inFlightMax, in: 1...65_535,
        "Requests of one key that run at once, waits for a training job or for a change aside")
    let waitsMax = Setting.integer(
        "waits-max", default: http.waitsMax, in: 1...1_000_000,
        "Requests that wait for an item to change; one account has half, and further ones are refused")
    let streamsMax = Setting.integer(
        "streams-max", default: http.streams.allMax, in: 0...1_000_000, "Streams of events at once; further ones are refused")
    let streamsPerAccountMax = Setting.integer(
        "streams-per-account-max", default: http.streams.perAccountMax, in: 0...1_000_000, "Streams of events of one account at once")
    let immediateReads = Setting.toggle(
        "immediate-reads", default: http.answersImmediately,
        "Answer reads that need no waiting on the event loop; without it each takes the way of all requests")
    let metrics = Setting.toggle(
        "metrics", default: true, "Answer GET /metrics for Prometheus, without a key; keep that path from the public at the proxy")
    let server = Setting.optionalText(
        "server", value: "URL", of: .worker, "Address of the server that a worker works for", check: webAddress)
    let key = Setting.optionalText("key", value: "KEY", of: .worker, isSecret: true, "API key of a worker, with the scope trainer")

    /// The declarations.
    static let declared = SettingsList()

    /// What there is to say about each of them, in their order.
    static let all: [SettingDefinition] = Mirror(reflecting: declared).children.compactMap {
        ($0.value as? any DeclaredSetting)?.definition
    }

    /// An address that paths are appended to, without a slash at its end.
    @Sendable private static func webAddress(_ text: String) throws(SettingProblem) -> String {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(), ["http", "https"].contains(scheme),
            let host = parts.host, !host.isEmpty, parts.user == nil, parts.query == nil, parts.fragment == nil
        else {
            throw SettingProblem(reason: "must be an address such as https://host or http://host:8080")
        }
        return String(text.reversed().drop { $0 == "/" }.reversed())
    }

    /// A web address as pages have to know it: the console's policy names it as a place that images come from.
    @Sendable private static func publicAddress(_ text: String) throws(SettingProblem) -> String {
        let address = try webAddress(text)
        guard PublicURL.isAddress(address) else {
            throw SettingProblem(reason: "must be an address with a host in ASCII, such as https://host or http://host:8080")
        }
        return address
    }

    @Sendable private static func paymentAddress(_ text: String) throws(SettingProblem) -> String {
        guard PaymentURL(text) != nil else { throw SettingProblem(reason: PaymentURL.rule) }
        return text
    }

    @Sendable private static func signingSecret(_ text: String) throws(SettingProblem) -> String {
        guard let secret = WebhookSecret(text), WebhookSecret.bytesGiven.contains(secret.bytes.count) else {
            throw SettingProblem(reason: "must be whsec_ and the base64 of 24 to 64 bytes")
        }
        return text
    }

    @Sendable private static func certificateFile(_ path: String) throws(SettingProblem) -> String {
        guard GuardedImageFetcher.Configuration.holdsCertificates(file: path) else {
            throw SettingProblem(reason: "must be a file of certificates in PEM form that can be read, which \(path) is not")
        }
        return path
    }
}
