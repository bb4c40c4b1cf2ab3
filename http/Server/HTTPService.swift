import CoreMetrics
package import ErrorEnvelopeHummingbird
import HTTPTypes
package import Hummingbird
package import Logging
import NIOCore
package import Personas
import PersonasMetrics
import ServiceLifecycle

/// Where and how the service speaks HTTP.
package struct HTTPConfiguration: Sendable {
    /// The address to listen on.
    package var host = "127.0.0.1"
    /// The port to listen on; 0 picks a free one.
    package var port = 8_080
    /// Whether a trusted proxy in front sets `X-Request-Id`.
    package var trustsIncomingRequestID = false
    /// Networks of proxies in front, whose connections are those of many clients and count towards no address, and who are believed where they
    /// say in `X-Forwarded-For` whose request it is.
    package var trustedProxies: [AddressPrefix] = []
    /// Whose pages may call the service from a browser.
    package var allowedOrigins = AllowedOrigins()
    /// Items of one page of a list at most; a client that asks for more gets these.
    package var pageItemsMax = Limits.pageItemsMax
    /// Bytes of request bodies, and of images on their way in, held in memory at once, of all requests together; one account may hold half of
    /// them.
    package var bodyBytesInFlightMax = 512 * 1_024 * 1_024
    /// Bytes of the largest archive that is taken in.
    package var importBytesMax = 10 * 1_024 * 1_024 * 1_024
    /// Whether reads that need no waiting are answered on the event loop.
    package var answersImmediately = true
    /// What one API key may have.
    package var rateLimits = RateLimitPolicy()
    /// Reads that wait for their item to change, of all accounts together; one may have half.
    package var waitsMax = 20_000
    /// Streams of events.
    package var streams = EventStreamBounds()
    /// How long a request that is over a rate limit waits before it is refused.
    package var overLimitWait = Duration.seconds(1)
    /// How many connections there may be, in all and of one address. Where all are taken the one that was quiet longest gives way to a new one.
    package var connections = ConnectionRegistry.Limits()
    /// Bounds of a connection and of one request. The default body takes three images of 10 MB as base64, with room to say that one is too
    /// large.
    package var limits = RequestGuard.Limits()

    /// The defaults.
    package init() {}

    /// How many connections there may be, beyond those that are served, that are only told so. Each is told within a moment, so that more
    /// places do not help many more.
    package static func refusedConnections(of connectionsMax: Int) -> Int { min(256, max(8, connectionsMax / 16)) }

    /// Images that are sent at once, of so many connections. Any client may ask for one and read it as slowly as is waited for, so that half of
    /// the connections is left to calls; and each takes a file descriptor and a piece of the image in memory, which idle connections do not.
    package static func mediaAnswers(of connectionsMax: Int) -> Int { min(1_024, max(1, connectionsMax / 2)) }

    /// What tells clients from the proxies in front.
    fileprivate var clientAddresses: ClientAddresses { ClientAddresses(trustedProxies: trustedProxies) }

    /// `limits`, with those of single routes.
    fileprivate var requestLimits: RequestGuard.Limits {
        var limits = limits
        limits.bodyBytesMaxByPath[AccountRoutes.importPath] = importBytesMax
        return limits
    }

    /// `connections`, with what follows from their number, from the proxies in front, and from the routes.
    fileprivate var connectionLimits: ConnectionRegistry.Limits {
        var limits = connections
        limits.refusedMax = Self.refusedConnections(of: limits.connectionsMax)
        limits.isShared = { [clientAddresses] in clientAddresses.isTrustedProxy($0) }
        limits.servedPaths = HealthRoutes.paths.sorted()
        return limits
    }
}

/// The use cases that HTTP offers.
package struct HTTPUseCases: Sendable {
    /// Personas and styles.
    package let catalog: Catalog
    /// What owners have put away.
    package let trash: Trash
    /// How items were before they were changed.
    package let revisions: Revisions
    /// What workers call.
    package let training: Training
    /// Who calls.
    package let authentication: Authentication
    /// Endpoints of webhooks and their deliveries.
    package let webhooks: Webhooks
    /// What makes POSTs safe to send again.
    package let idempotency: Idempotency
    /// Where bodies and images are worked on.
    package let decoding: BodyDecoding
    /// Whether clients are turned away.
    package let maintenance: any MaintenanceStore
    /// Whether the store is ready.
    package let schema: any SchemaStore
    /// What tells this life of the store from others.
    package let epoch: any EpochStore
    /// What tells of changes of items.
    package let changes: ItemChanges
    /// What became of items.
    package let events: any EventStore
    /// What tells of that.
    package let feed: EventFeed
    /// Archives of accounts.
    package let archives: Archives
    /// What trainings are paid for with; nil where they cost nothing, and then nothing of it shows.
    package let credits: Credits?
    /// What fal reports; nil where fal does not train.
    package let falWebhooks: FalWebhooks?
    /// The other processes that hold keys to their rates.
    package let companions: any Companions

    package init(
        catalog: Catalog, trash: Trash, revisions: Revisions, training: Training, authentication: Authentication, webhooks: Webhooks,
        idempotency: Idempotency, decoding: BodyDecoding, maintenance: any MaintenanceStore, schema: any SchemaStore,
        epoch: any EpochStore, changes: ItemChanges, events: any EventStore, feed: EventFeed, archives: Archives,
        credits: Credits? = nil, falWebhooks: FalWebhooks? = nil, companions: any Companions = NoCompanions()
    ) {
        self.catalog = catalog
        self.trash = trash
        self.revisions = revisions
        self.training = training
        self.authentication = authentication
        self.webhooks = webhooks
        self.idempotency = idempotency
        self.decoding = decoding
        self.maintenance = maintenance
        self.schema = schema
        self.epoch = epoch
        self.changes = changes
        self.events = events
        self.feed = feed
        self.archives = archives
        self.credits = credits
        self.falWebhooks = falWebhooks
        self.companions = companions
    }
}

/// The HTTP server: every route, every layer, in one place.
package struct HTTPService: Service {
    /// Connections that wait to be taken; of further ones the system drops the first packet, which costs the client a second.
    private static let backlog = 4_096

    private let configuration: HTTPConfiguration
    private let useCases: HTTPUseCases
    private let publicURL: PublicURL
    private let logger: Logger
    private let accessLog: any AccessLogWriter
    private let metrics: MetricsSource?
    private let factory: any MetricsFactory
    private let limits: LimitCounters
    private let errors: ErrorCounters
    private let connections: ConnectionRegistry
    private let streams: EventStreams
    private let onListening: @Sendable (String) async -> Void
    private let stopping = StoppingFlag()

    /// - Parameters:
    ///   - accessLog: told of every request that is answered.
    ///   - metrics: what `GET /metrics` tells; without it nothing is counted, and there is no such call.
    ///   - onListening: told the address once connections are taken, `http://127.0.0.1:8080`; by then links carry it.
    package init(
        configuration: HTTPConfiguration, useCases: HTTPUseCases, publicURL: PublicURL, logger: Logger,
        accessLog: any AccessLogWriter, metrics: MetricsSource? = nil, onListening: @escaping @Sendable (String) async -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.useCases = useCases
        self.publicURL = publicURL
        self.logger = logger
        self.accessLog = accessLog
        self.metrics = metrics
        factory = metrics?.registry ?? NOOPMetricsHandler.instance
        limits = LimitCounters(factory: factory)
        errors = ErrorCounters(factory: factory)
        connections = ConnectionRegistry(limits: configuration.connectionLimits)
        streams = EventStreams(feed: useCases.feed, bounds: configuration.streams, factory: factory)
        self.onListening = onListening
    }

    /// Serves until graceful shutdown, and returns once the last request is answered.
    package func run() async throws {
        // Connections are taken a moment before anybody is told so, and a client that comes back after a restart is served then. Its links have to be whole.
        // Where the system chooses the port, no client can know it yet.
        if configuration.port > 0 { publicURL.listening(at: PublicURL.address(host: configuration.host, port: configuration.port)) }
        try await application().run()
    }

    /// Says from now on that the service is not ready, and has connections end with their next answers, while everything goes on being answered: so balancers
    /// and clients turn elsewhere before the socket closes. What waits for a change goes on waiting, because whoever were answered now would come back
    /// to the same server at once; it is answered when the socket closes. Streams end now, of all answers first: their clients come back in some seconds,
    /// and miss nothing wherever they are led by then.
    package func drain() {
        stopping.set()
        connections.drain()
        streams.drain()
    }

    /// Counts from now on the requests that are cut off, because nobody waits for them any longer.
    package func countCutOffRequests() { connections.countCutOffRequests() }

    /// How many there were.
    package var cutOffRequestCount: Int { connections.cutOffRequestCount }

    /// The server as Hummingbird runs it, which tests drive as well.
    package func application() -> some ApplicationProtocol {
        // Hummingbird tells at this level that it listens, which whoever is told by `onListening` tells better.
        var serverLogger = logger
        if serverLogger.logLevel == .info { serverLogger.logLevel = .notice }
        let (responder, immediate) = ways()
        let crossOrigin = immediate.crossOrigin
        return Application(
            responder: responder,
            server: .guardedHTTP1(
                limits: configuration.requestLimits, connections: connections,
                immediate: configuration.answersImmediately ? immediate : nil,
                refusalFields: { crossOrigin.fields(ofRefusing: $0) }, logger: logger, onRefusal: { [errors] in errors.count($0) },
                onLimit: { [limits] in limits.hit(ClientLimit($0)) }),
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), serverName: nil, backlog: Self.backlog,
                availableConnectionsDelegate: boundedConnections()),
            onServerRunning: { channel in
                await pauseWhenShort(channel)
                await listening(port: channel.localAddress?.port ?? configuration.port)
            },
            logger: serverLogger)
    }

    private func boundedConnections() -> BoundedConnections {
        let open = Metric("personas_http_connections", help: "Client connections that are open.").meter(in: factory)
        return BoundedConnections(registry: connections) { open.set($0) }
    }

    /// Has the listening channel wait while there is no descriptor for a further connection, and makes one free.
    private func pauseWhenShort(_ channel: any Channel) async {
        let shortages = LogOnce(logger: logger)
        do {
            try await AcceptPause.add(to: channel) { [limits, connections] error in
                limits.hit(.fileDescriptors)
                shortages.warning("connections cannot be taken for want of file descriptors or memory", reason: error)
                connections.spareOne()
            }
        } catch {
            logger.error("the listening socket is not watched for shortages", error: error)
        }
    }

    /// The two ways to an answer: Hummingbird's, which every request can go, measured from outside, where all routes are known; and that of reads
    /// which need no waiting.
    func ways() -> (responder: some HTTPResponder<PersonasRequestContext>, immediate: ImmediateReads) {
        let parts = parts()
        let router = router(parts)
        let requests = RequestMetrics(routes: Set(router.routes.map(\.path.description)), factory: factory)
        let immediate = ImmediateReads(
            routes: ReadRoutes(parts.surfaces, hasCredits: parts.credits != nil), table: RouteTable(router.routes),
            trustsIncomingRequestID: configuration.trustsIncomingRequestID, authentication: parts.authentication, limiter: parts.limiter,
            rateLimitFields: parts.rateLimitFields, crossOrigin: parts.crossOrigin, maintenance: parts.maintenance, health: parts.health,
            media: parts.media, me: parts.me, credits: parts.credits, events: parts.events, accessLog: parts.accessLog, metrics: requests)
        return (MeasuredResponder(inner: RequestTask(inner: router.buildResponder()), metrics: requests), immediate)
    }

    /// What both ways pass through.
    func parts() -> HTTPParts {
        let limiter = RateLimiter(policy: configuration.rateLimits)
        useCases.companions.share(limiter)
        let tags = EntityTags(epoch: useCases.epoch, publicURL: publicURL)
        let waits = ItemWaits(changes: useCases.changes, waitsMax: configuration.waitsMax, factory: factory)
        let maintenance = MaintenanceMiddleware(maintenance: useCases.maintenance)
        return HTTPParts(
            accessLog: AccessLog(writer: accessLog, addresses: configuration.clientAddresses), limiter: limiter,
            rateLimitFields: RateLimitFields(
                policy: configuration.rateLimits, limiter: limiter, authentication: useCases.authentication),
            crossOrigin: CrossOriginMiddleware(allowedOrigins: configuration.allowedOrigins, hasCredits: useCases.credits != nil),
            maintenance: maintenance, authentication: useCases.authentication,
            health: HealthRoutes(schema: useCases.schema, stopping: stopping),
            media: MediaRoutes(
                catalog: useCases.catalog,
                places: AsyncSemaphore(count: HTTPConfiguration.mediaAnswers(of: configuration.connections.connectionsMax)),
                connections: connections, limits: limits),
            me: MeRoutes(
                authentication: useCases.authentication, catalog: useCases.catalog, credits: useCases.credits,
                configuration: configuration),
            credits: useCases.credits.map {
                CreditRoutes(credits: $0, publicURL: publicURL, pageItemsMax: configuration.pageItemsMax)
            },
            tags: tags,
            events: EventReads(
                events: useCases.events, feed: useCases.feed, epoch: useCases.epoch, publicURL: publicURL, streams: streams,
                authentication: useCases.authentication, maintenance: maintenance, pageItemsMax: configuration.pageItemsMax),
            surfaces: PikzonalityReads.Surface.all.map {
                PikzonalityReads(
                    surface: $0, catalog: useCases.catalog, publicURL: publicURL, tags: tags, waits: waits,
                    pageItemsMax: configuration.pageItemsMax)
            })
    }

    /// Every route behind its layers.
    ///
    /// The envelope stands twice: outermost, where it gives the request its id and answers whatever fails in the layers themselves, and inside
    /// the access log and the security headers, so that these see errors as the answers they become.
    func router(_ parts: HTTPParts) -> Router<PersonasRequestContext> {
        let router = Router(context: PersonasRequestContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ErrorEnvelopeMiddleware(trustsIncomingRequestID: configuration.trustsIncomingRequestID))
        router.add(middleware: parts.accessLog)
        router.add(middleware: SecurityHeaders())
        router.add(middleware: parts.crossOrigin)
        router.add(middleware: parts.rateLimitFields)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.add(middleware: parts.maintenance)

        parts.health.add(to: router)
        if let metrics { MetricsRoutes(metrics).add(to: router) }
        parts.media.add(to: router)
        DocumentRoutes.embedded.add(to: router, publicURL: publicURL)
        FalWebhookRoutes(webhooks: useCases.falWebhooks, places: AsyncSemaphore(count: FalRules.webhooksMax)).add(to: router)

        let bodyReader = BodyReader(
            bodyBytesMax: configuration.limits.bodyBytesMax, memory: MemoryBudget(bytesMax: configuration.bodyBytesInFlightMax),
            decoding: useCases.decoding)
        let rates = RateLimitMiddleware(limiter: parts.limiter, overLimitWait: configuration.overLimitWait, limits: limits)
        let callers = router.group()
            .add(middleware: AuthenticationMiddleware(authentication: parts.authentication))
            .add(middleware: rates)
            .group(context: CallerContext.self)
        let calls = IdempotentCalls(idempotency: useCases.idempotency)
        for reads in parts.surfaces {
            PikzonalityRoutes(
                reads: reads, catalog: useCases.catalog, trash: useCases.trash, maintenance: parts.maintenance,
                authentication: parts.authentication,
                bodyReader: bodyReader, calls: calls, publicURL: publicURL
            ).add(to: callers)
            RevisionRoutes(reads: reads, revisions: useCases.revisions, bodyReader: bodyReader, calls: calls).add(to: callers)
        }
        TrashRoutes(
            trash: useCases.trash, tags: parts.tags, bodyReader: bodyReader, calls: calls, publicURL: publicURL,
            pageItemsMax: configuration.pageItemsMax
        ).add(to: callers)
        EventRoutes(reads: parts.events).add(to: callers)
        parts.me.add(to: callers)
        if let credits = parts.credits {
            credits.add(to: callers)
            SmartBalanceRoutes(routes: credits, bodyReader: bodyReader, calls: calls).add(to: callers)
        }
        AccountRoutes(
            archives: useCases.archives, importBytesMax: configuration.importBytesMax, authentication: parts.authentication,
            maintenance: parts.maintenance
        ).add(to: callers)
        TrainingRoutes(training: useCases.training, bodyReader: bodyReader, calls: calls, publicURL: publicURL).add(to: callers)
        WebhookRoutes(
            webhooks: useCases.webhooks, bodyReader: bodyReader, calls: calls, tags: parts.tags, publicURL: publicURL,
            pageItemsMax: configuration.pageItemsMax
        ).add(to: callers)
        WebhookDeliveryRoutes(
            webhooks: useCases.webhooks, bodyReader: bodyReader, calls: calls, publicURL: publicURL,
            pageItemsMax: configuration.pageItemsMax
        ).add(to: callers)
        router.refuseOtherMethods()
        return router
    }

    private func listening(port: Int) async {
        let address = PublicURL.address(host: configuration.host, port: port)
        publicURL.listening(at: address)
        await onListening(address)
    }
}

/// What the layers and routes of the router share with the reads that are answered without it.
struct HTTPParts {
    let accessLog: AccessLog
    let limiter: RateLimiter
    let rateLimitFields: RateLimitFields
    let crossOrigin: CrossOriginMiddleware
    let maintenance: MaintenanceMiddleware
    let authentication: Authentication
    let health: HealthRoutes
    let media: MediaRoutes
    let me: MeRoutes
    let credits: CreditRoutes?
    let tags: EntityTags
    let events: EventReads
    let surfaces: [PikzonalityReads]
}
