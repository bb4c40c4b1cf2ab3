import BuildVersion
import CoreMetrics
import ErrorEnvelopeHummingbird
import Foundation
import Personas
import PersonasDB
import PersonasHTTP
import PersonasOutbound

// What each part of the service is given of the settings.

extension Storage.Configuration {
    init(_ settings: Settings, metrics: any MetricsFactory, clock: WallClock) {
        // Absolute, because the owner of the folder, as whom root goes on, may not be allowed to look at the working directory.
        self.init(
            directory: URL(fileURLWithPath: settings.dataDirectory).standardizedFileURL.path, readers: settings.readers, metrics: metrics)
        self.clock = clock
        version = BuildVersion.text
        searchesWaitingMax = settings.searchesWaitingMax
        writesWaitingMax = settings.writesWaitingMax
        mappedBytesMax = settings.databaseMappedBytes
        trashDays = settings.trashDays
        secretsKeyFile = settings.secretsKeyFile.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
    }
}

extension PostgresStorage.Configuration {
    init(_ settings: Settings, _ place: SharedPlace, metrics: any MetricsFactory, clock: WallClock?) {
        // An archive on its way in has a name there for no longer than it takes to open it.
        self.init(
            database: place.database, secretsKeyFile: place.secretsKeyFile,
            spoolFolder: FileManager.default.temporaryDirectory.standardizedFileURL.path)
        readers = settings.readers
        searchesWaitingMax = settings.searchesWaitingMax
        writesWaitingMax = settings.writesWaitingMax
        trashDays = settings.trashDays
        self.metrics = metrics
        self.clock = clock
    }
}

extension GuardedImageFetcher.Configuration {
    init(_ settings: Settings) {
        self.init()
        isDevelopment = settings.developmentDownloads
        downloadsMax = settings.downloadsMax
        trustRootsFile = settings.downloadTrustRoots
        blockedPrefixes = settings.blockedDownloadPrefixes
    }
}

extension GuardedWebhookSender.Configuration {
    init(_ settings: Settings) {
        self.init()
        isDevelopment = settings.developmentDownloads
        blockedPrefixes = settings.blockedDownloadPrefixes
    }
}

extension CreditPrices {
    /// What trainings cost; nil where they cost nothing.
    init?(_ settings: Settings) {
        guard settings.credits == .on else { return nil }
        self.init(persona: settings.personaPrice, style: settings.stylePrice)
    }
}

extension HTTPPaymentService.Configuration {
    /// The payment service; nil where there is none.
    /// - Throws: `configuration` that names the setting which is missing, or which means nothing because trainings cost nothing.
    init?(_ settings: Settings) throws(Failure) {
        let (address, text) = (settings.paymentURL, settings.paymentSecret)
        guard address != nil || text != nil else { return nil }
        let given = address == nil ? "payment-secret" : "payment-url"
        guard settings.credits == .on else { throw .configuration(setting: given, reason: "means nothing without --credits on") }
        guard let text, let secret = WebhookSecret(text) else {
            throw .configuration(
                setting: "payment-secret", reason: "is missing: payment-url takes the secret that requests are signed with")
        }
        guard let address, let url = PaymentURL(address) else {
            throw .configuration(setting: "payment-url", reason: "is missing: payment-secret is of no use without it")
        }
        self.init(url: url, secret: secret)
    }
}

extension LeasePolicy {
    init(_ settings: Settings) {
        switch settings.trainer {
        case .fal: self = FalRules.leasePolicy(timeoutSeconds: settings.falTimeoutSeconds)
        case .embedded, .worker: self.init(seconds: settings.leaseSeconds, attemptsMax: settings.trainingAttemptsMax)
        }
    }
}

extension HTTPConfiguration {
    /// - Parameter connectionsMax: the connections that are set, or as many of them as the process can have.
    init(_ settings: Settings, connectionsMax: Int) {
        self.init()
        host = settings.host
        port = settings.port
        trustsIncomingRequestID = settings.trustRequestID
        trustedProxies = settings.trustedProxies
        allowedOrigins = settings.corsOrigins
        answersImmediately = settings.immediateReads
        bodyBytesInFlightMax = settings.bodyBytesInFlightMax
        importBytesMax = settings.importBytesMax
        pageItemsMax = settings.pageItemsMax
        rateLimits = RateLimitPolicy(settings)
        overLimitWait = settings.overLimitWait
        waitsMax = settings.waitsMax
        streams.allMax = settings.streamsMax
        streams.perAccountMax = settings.streamsPerAccountMax
        connections.connectionsMax = connectionsMax
        connections.connectionsPerAddressMax = settings.connectionsPerAddressMax
        limits = RequestGuard.Limits(settings)
    }
}

extension RateLimitPolicy {
    fileprivate init(_ settings: Settings) {
        self.init(
            readsPerSecond: settings.readsPerSecond, writesPerSecond: settings.writesPerSecond, inFlightMax: settings.requestsInFlightMax,
            waitingMax: settings.requestsWaitingMax)
    }
}

extension RequestGuard.Limits {
    fileprivate init(_ settings: Settings) {
        self.init()
        headerListBytesMax = settings.headerBytesMax
        headerFieldBytesMax = settings.headerFieldBytesMax
        headerFieldsMax = settings.headerFieldsMax
        bodyBytesMax = settings.bodyBytesMax
        bodyBytesPerSecondMin = settings.bodyBytesPerSecondMin
        firstRequestTimeout = settings.firstRequestTimeout
        idleTimeout = settings.idleTimeout
        requestReadTimeout = settings.requestReadTimeout
        writeStallTimeout = settings.writeStallTimeout
        answerBytesPerSecondMin = settings.answerBytesPerSecondMin
    }
}
