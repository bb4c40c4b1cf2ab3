import BuildVersion
import CoreMetrics
import Foundation
import Logging
import Personas
import PersonasDB
import PersonasHTTP
import PersonasMetrics
import PersonasOutbound
import PersonasWire

/// The whole service, put together from its parts: the one place that knows every adapter.
struct Application: Sendable {
    /// What the service remembers.
    let storage: any Stores
    private let opened: OpenStores
    /// The signals between use cases and background work.
    let signals: WorkSignals
    /// The use cases of stored images.
    let images: ImageLibrary
    /// What takes away the bytes of images that no row names.
    let collector: BlobCollector
    /// What trainings are paid for with; nil where they cost nothing.
    let credits: Credits?
    /// The use cases of personas and styles.
    let catalog: Catalog
    /// The use cases of the trash.
    let trash: Trash
    /// The use cases of items' earlier states.
    let revisions: Revisions
    /// The use cases of training.
    let training: Training
    /// What delivers webhooks, as long as this process serves.
    let delivering: Delivering
    /// What asks for top-ups, as long as this process serves; nil where there is nobody to ask.
    let toppingUp: ToppingUp?
    /// Archives of accounts.
    let archives: Archives
    /// Who calls.
    let authentication: Authentication
    /// Endpoints of webhooks and their deliveries.
    let webhooks: Webhooks
    /// What makes POSTs safe to send again.
    let idempotency: Idempotency
    /// What forgets events.
    let eventRetention: EventRetention
    /// Where bodies and images are worked on.
    let decoding: BodyDecoding
    /// Whether this process serves, for the use cases of operators.
    let presence = ServerPresence()
    /// The use cases of operators.
    let administration: Administration
    /// What trains at fal; nil where fal does not train.
    let fal: FalParts?
    /// What is counted and measured; nil where the settings say no. Tests have it told anew at every look.
    var metrics: MetricsSource?

    /// For commands, which report failures themselves.
    static let silentLogger = Logger(label: "personas") { _ in SwiftLogNoOpLogHandler() }

    /// Opens what is stored, under the lock that the caller holds where it is a data folder, and puts everything together. Nothing is migrated yet.
    /// - Parameters:
    ///   - payments: where the payment service is; nil where there is none.
    ///   - fal: the settings of the trainer at fal; nil where this process does not train there.
    init(_ settings: Settings, payments: HTTPPaymentService.Configuration?, fal: FalSettings? = nil, logger: Logger) throws(Failure) {
        let configuration = GuardedImageFetcher.Configuration(settings)
        let trust = try OutboundTrust(file: configuration.trustRootsFile)
        let sender = GuardedWebhookSender(configuration: GuardedWebhookSender.Configuration(settings), trust: trust, logger: logger)
        let service = payments.map { HTTPPaymentService(configuration: $0, trust: trust, logger: logger) }
        let access = fal.map { FalAccess($0, trust: trust, logger: logger) }
        try self.init(settings, sender: sender, payments: service, fal: access, logger: logger) { metrics in
            GuardedImageFetcher(configuration: configuration, trust: trust, logger: logger, metrics: metrics)
        }
    }

    /// The same with another internet, and with what a test has to have in its hands.
    /// - Parameters:
    ///   - place: where the data are, instead of what the settings say.
    ///   - leases: instead of what the settings say, by which no lease is over as soon as it is given.
    ///   - decodingThreads: where bodies are worked on; nil for threads of their own.
    ///   - sender: what sends webhooks, and knows where to.
    ///   - payments: who is asked for top-ups; nil for nobody.
    ///   - clock: what items, leases and everything else are dated by; nil for the clock of the store.
    ///   - fal: what trains; nil for another.
    ///   - makeFetcher: makes what fetches images, given what is to be told of it.
    init(
        _ settings: Settings, place: StorePlace? = nil, leases: LeasePolicy? = nil, decodingThreads: (any TaskExecutor)? = nil,
        clock: WallClock? = nil,
        sender: any WebhookSender & WebhookTargetCheck, payments: (any PaymentService)? = nil, fal: FalAccess? = nil,
        logger: Logger = Self.silentLogger,
        makeFetcher: (any MetricsFactory) throws(Failure) -> any ImageFetcher
    ) throws(Failure) {
        // Handed on rather than installed for the whole process, so that nothing but our own metrics, with the labels that we know, is told.
        let registry = settings.metrics ? MetricsRegistry() : nil
        let factory: any MetricsFactory = registry ?? NOOPMetricsHandler.instance
        let fetcher = try makeFetcher(factory)
        let place = if let place { place } else { try StorePlace(settings) }
        opened = try place.open(settings, asksForTopUps: payments != nil, metrics: factory, clock: clock)
        let (storage, clock) = (opened.stores, opened.stores.clock)
        self.storage = storage
        if let registry { Self.tellVersion(in: registry) }
        metrics = registry.map { MetricsSource(registry: $0, storage: storage) }
        signals = WorkSignals(removals: storage.removals)
        let (keepsMetadata, leases) = (settings.keepImageMetadata, leases ?? LeasePolicy(settings))
        let places = settings.largeBodiesMax
        decoding =
            decodingThreads.map { BodyDecoding(places: places, threads: $0) { _ in } } ?? BodyDecoding(places: places, metrics: factory)
        images = ImageLibrary(index: storage.images, blobs: storage.blobs, signals: signals)
        collector = BlobCollector(index: storage.images, blobs: storage.blobs, clock: clock)
        let toppingUp = ToppingUp(payments, storage: storage, signals: signals, clock: clock, metrics: TopUpMetrics(factory: factory))
        self.toppingUp = toppingUp
        let credits = Credits(settings, storage: storage, topUps: toppingUp?.useCases, clock: clock)
        self.credits = credits
        catalog = Catalog(
            store: storage.pikzonalities, images: images, fetcher: fetcher, decoding: decoding,
            policy: ContentPolicy(terms: storage.terms), signals: signals, clock: clock, keepsImageMetadata: keepsMetadata,
            credits: credits)
        trash = Trash(store: storage.trash, policy: ContentPolicy(terms: storage.terms), signals: signals, clock: clock)
        revisions = Revisions(
            store: storage.revisions, items: storage.pikzonalities, policy: ContentPolicy(terms: storage.terms), clock: clock)
        training = Training(
            jobs: storage.jobs, images: images, decoding: decoding, signals: signals, policy: leases, clock: clock,
            keepsImageMetadata: keepsMetadata)
        archives = Archives(
            store: storage.archives, images: images, items: storage.pikzonalities, policy: ContentPolicy(terms: storage.terms),
            spools: storage.spools, format: ArchiveDocuments(), signals: signals, clock: clock, keepsImageMetadata: keepsMetadata,
            credits: credits)
        authentication = Authentication(keys: storage.keys, clock: clock)
        webhooks = Webhooks(
            endpoints: storage.webhooks, log: storage.deliveryLog, sealing: storage.secrets, targets: sender, sender: sender,
            signals: signals, clock: clock)
        delivering = Delivering(sender: sender, clock: clock, metrics: DeliveryMetrics(factory: factory))
        storage.feed.signalAlways(signals.deliveries)
        let (portraits, bodies) = (FalPortraits(fetcher: fetcher, decoding: decoding, keepsMetadata: keepsMetadata), decoding)
        self.fal = fal.map {
            FalParts(
                $0, storage: storage.falRequests, changes: storage.changes, portraits: portraits, decoding: bodies,
                publicURL: PublicURL(settings.publicURL), clock: clock, metrics: factory, logger: logger)
        }
        idempotency = Idempotency(records: storage.idempotency, clock: clock)
        eventRetention = EventRetention(events: storage.events, clock: clock)
        administration = Administration(
            stores: storage, catalog: catalog, collector: collector, archives: archives, signals: signals, leases: leases,
            presence: presence, clock: clock)
    }

    /// Brings the database to the schema of this binary, and gives a new one its reserved names.
    /// - Parameters:
    ///   - isAllowed: whether pending migrations may be applied. Whoever says no to one command or server says it to all of them.
    ///   - author: who has asked for just that; nil where it is a part of a start.
    ///   - willApply: told which they are, before.
    /// - Returns: the names of the migrations applied now.
    /// - Throws: `schemaMismatch` when some are pending and may not be applied, among others.
    func migrate(
        isAllowed: Bool, for author: Operator? = nil, willApply: ([String]) -> Void = { _ in }
    ) async throws(Failure) -> [String] {
        let pending = try await storage.schema.migrations().filter { $0.state == .pending }.map(\.name)
        if !pending.isEmpty {
            guard isAllowed else { throw .schemaMismatch(.pending(migrations: pending)) }
            willApply(pending)
        }
        let applied = try await storage.migrate(for: author)
        // Whether it is new is told by what it holds, so that a start that was cut short before this line is made good by the next.
        let accounts = try await storage.accounts.accounts(after: nil, limit: 1)
        if accounts.isEmpty, try await storage.names.reservedNames().isEmpty {
            _ = try await administration.perform(LoadSeed(SeedFile.reservedNames().document))
        }
        return applied
    }

    /// What HTTP does with requests.
    var useCases: HTTPUseCases {
        HTTPUseCases(
            catalog: catalog, trash: trash, revisions: revisions, training: training, authentication: authentication, webhooks: webhooks,
            idempotency: idempotency, decoding: decoding, maintenance: storage.maintenance, schema: storage.schema, epoch: storage.epoch,
            changes: storage.changes, events: storage.events, feed: storage.feed, archives: archives, credits: credits,
            falWebhooks: fal?.webhooks, companions: storage.companions)
    }

    /// The service that answers over HTTP.
    /// - Parameters:
    ///   - accessLog: is told of every request that is answered.
    ///   - onListening: is told where, once it does.
    func http(
        _ configuration: HTTPConfiguration, publicURL: PublicURL, logger: Logger, accessLog: any AccessLogWriter,
        onListening: @escaping @Sendable (String) async -> Void = { _ in }
    ) -> HTTPService {
        HTTPService(
            configuration: configuration, useCases: useCases, publicURL: publicURL, logger: logger, accessLog: accessLog,
            metrics: metrics, onListening: onListening)
    }

    /// What delivers webhooks.
    /// - Parameter publicURL: what the links in them begin with.
    func deliveryEngine(publicURL: PublicURL, logger: Logger) -> DeliveryEngine {
        let log = DeliveryLog(logger: logger)
        return DeliveryEngine(
            store: storage.deliveries, sender: delivering.sender, signal: signals.deliveries, clock: delivering.clock,
            body: { publicURL.webhookBody(of: $0) }
        ) { [metrics = delivering.metrics] news in
            metrics.take(news)
            log.take(news)
        }
    }

    /// Looks whether the place of images is there that this process does not have to itself.
    /// - Throws: `storeBusy` where it does not answer, else why it cannot be used.
    func probeImages() async throws(Failure) { try await opened.probe() }

    /// Closes what is stored. Nothing may be under way or follow.
    func close() async { await opened.close() }

    /// Has monitoring see which version it watches.
    private static func tellVersion(in registry: MetricsRegistry) {
        let help = "1, labelled with the version and the commit that it was built from."
        Metric("personas_build_info", help: help).meter(
            [("version", BuildVersion.number), ("commit", BuildVersion.commit ?? "unknown")], in: registry
        ).set(1)
    }
}

/// What delivering needs beside the store.
struct Delivering: Sendable {
    let sender: any WebhookSender
    let clock: WallClock
    let metrics: DeliveryMetrics
}

extension MetricsSource {
    /// What is told of what is stored.
    init(
        registry: MetricsRegistry, storage: any Stores, queueDepthsAgeMax: Duration = .seconds(1), usageAgeMax: Duration = .seconds(10),
        textAgeMax: Duration = .milliseconds(100)
    ) {
        self.init(
            registry: registry, queueDepths: storage.queueDepths, usage: storage.usage, backups: storage.backups,
            maintenance: storage.maintenance, queueDepthsAgeMax: queueDepthsAgeMax, usageAgeMax: usageAgeMax, textAgeMax: textAgeMax)
    }
}

extension Credits {
    /// What trainings are paid for with; nil where they cost nothing.
    fileprivate init?(_ settings: Settings, storage: any Stores, topUps: TopUps?, clock: WallClock) {
        guard let prices = CreditPrices(settings) else { return nil }
        self.init(prices: prices, store: storage.credits, smartBalances: storage.smartBalances, topUps: topUps, clock: clock)
    }
}
