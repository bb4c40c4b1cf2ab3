import BuildVersion
import ErrorEnvelopeHummingbird
import Foundation
import Logging
import NIOCore
import Personas
import PersonasDB
import PersonasHTTP
import PersonasOutbound
import ServiceLifecycle
import UnixSignals

/// The server process, from the lock on its data to the last line of its log.
enum Serve {
    /// How long another command may still hold the data folder.
    private static let lockTimeout = Duration.seconds(2)

    /// Runs until SIGTERM or SIGINT.
    static func run(_ settings: Settings, withDemo: Bool) async throws(CommandFailure) {
        Allocator.returnLargeBlocks()
        let log = LogWriter()
        let logger = LineLogHandler.bootstrap(settings, writer: log)
        defer { log.flush() }
        let place = try StorePlace.of(settings)
        switch place {
        case .folder(let directory): try FolderUse.making.requireDatabase(in: directory, settings)
        case .shared:
            // Its key is kept in the folder.
            guard !withDemo else { throw CommandFailure(.usage, "--demo needs a data folder; leave out --database and --media") }
        }
        UnknownVariables.warn(logger)
        let lock = try await lock(place)
        defer { withExtendedLifetime(lock) {} }
        let app = try await open(settings, place, logger: logger)
        let cutOffCount: Int
        do throws(CommandFailure) {
            let demoKey =
                withDemo
                ? try await Demo.load(
                    into: app, by: Operator(logging: logger, uid: getuid()), in: DataFolder(settings.dataDirectory)) : nil
            cutOffCount = try await run(app, settings, place, demoKey: demoKey, log: log, logger: logger)
        } catch {
            await app.close()
            throw error
        }
        await app.close()
        guard cutOffCount > 0 else { return logger.info("stopped") }
        logger.warning("stopped", metadata: ["requests_cut_off": .stringConvertible(cutOffCount)])
        throw CommandFailure(
            .failed, "\(cutOffCount) \(cutOffCount == 1 ? "request" : "requests") cut off (grace-seconds is \(settings.graceSeconds))")
    }

    /// Takes the right to write to a data folder; nil where there is none, and everybody may.
    private static func lock(_ place: StorePlace) async throws(CommandFailure) -> DataFolderLock? {
        guard case .folder(let directory) = place else { return nil }
        return try await lock(directory)
    }

    /// Takes the right to write to a data folder.
    static func lock(_ directory: String) async throws(CommandFailure) -> DataFolderLock {
        let deadline = ContinuousClock.now + lockTimeout
        while true {
            do throws(Failure) {
                if let lock = try DataFolderLock.acquireUnlessServed(directory) { return lock }
            } catch {
                throw CommandFailure(opening: directory, error)
            }
            guard ContinuousClock.now < deadline else {
                throw CommandFailure(
                    .unavailable, "the data folder \(directory) is in use by another process, such as a server that runs already")
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private static func open(_ settings: Settings, _ place: StorePlace, logger: Logger) async throws(CommandFailure) -> Application {
        do throws(Failure) {
            let fal = settings.trainer == .fal ? try FalSettings(settings) : nil
            let payments = try HTTPPaymentService.Configuration(settings)
            let app = try Application(settings, payments: payments, fal: fal, logger: logger)
            do throws(Failure) {
                let applied = try await app.migrate(isAllowed: settings.migrate) { pending in
                    // Nothing is answered meanwhile, and a large store may take a minute.
                    logger.info("applying migrations", metadata: ["names": .array(pending.map { .string($0) })])
                }
                if !applied.isEmpty { logger.info("migrations applied", metadata: ["names": .array(applied.map { .string($0) })]) }
                try await probeImages(app, logger)
                if try await !app.storage.hasSecretsKey() {
                    // Everything else goes on, and the file may be brought back at any time.
                    logger.error(
                        "webhooks cannot be signed: the key is not there that their secrets are sealed with; bring back secrets-key-file")
                }
                if app.toppingUp == nil, try await app.storage.topUps.nextDueAt(after: Timestamp(milliseconds: 0)) != nil {
                    logger.warning(
                        "top-ups are open of which nobody knows whether somebody has paid; they are asked for again once payment-url is set"
                    )
                }
            } catch {
                await app.close()
                throw error
            }
            return app
        } catch {
            throw CommandFailure(opening: place.words, error)
        }
    }

    /// A bucket that cannot be used keeps the server from starting; one that is away does not, because all but images goes on without it.
    private static func probeImages(_ app: Application, _ logger: Logger) async throws(Failure) {
        do throws(Failure) {
            try await app.probeImages()
        } catch .storeBusy(let reason) {
            logger.warning("images can be neither stored nor read until the bucket answers", metadata: ["reason": .string(reason)])
        }
    }

    /// Answers until the process is told to stop.
    /// - Returns: how many requests were cut off then, because they were not answered within the grace.
    private static func run(_ app: Application, _ settings: Settings, _ place: StorePlace, demoKey: String?, log: LogWriter, logger: Logger)
        async throws(CommandFailure) -> Int
    {
        if settings.developmentDownloads {
            logger.warning(
                "development downloads are on: images come by plain HTTP and from private addresses, and webhooks go there; never in production"
            )
        }
        let (listening, stopping, brokenOff) = (WakeSignal(), WakeSignal(), WakeSignal())
        let (publicURL, serverLogger) = (PublicURL(settings.publicURL), logger.ofServer(until: brokenOff))
        let connectionsMax = try connectionsMax(settings, logger: logger)
        let http = app.http(
            HTTPConfiguration(settings, connectionsMax: connectionsMax), publicURL: publicURL, logger: serverLogger,
            accessLog: LineAccessLog(level: settings.logLevel, format: settings.logFormat, writer: log)
        ) { address in
            StartReport(settings: settings, place: place, connectionsMax: connectionsMax, address: address, links: publicURL.base).log(
                to: logger)
            // Before commands reach the server, which is after this.
            app.presence.begin(
                ServerReport.Identity(
                    version: BuildVersion.text, pid: Int(ProcessInfo.processInfo.processIdentifier), address: address,
                    publicURL: settings.publicURL ?? address),
                at: .now)
            app.storage.companions.listens(at: address)
            listening.notify()
            if let demoKey { introduceDemo(key: demoKey, address: address, settings, logger) }
        }
        app.storage.companions.begin(version: BuildVersion.text, signals: app.signals, topUpWaits: app.toppingUp?.waits)
        // They are stopped from the last to the first: requests end before the work behind them, and that before the store.
        let (drainSeconds, graceSeconds) = (settings.drainSeconds, settings.graceSeconds)
        let services: [any Service] =
            [GracePeriod(begun: stopping, seconds: drainSeconds + graceSeconds, http: http, brokenOff: brokenOff)]
            + background(app, settings, trainingDuration: demoKey == nil ? .zero : settings.demoTrainingDuration, logger: logger)
            + deliveries(app, settings, publicURL: publicURL, from: listening, logger: logger)
            + topUps(app, settings, logger: logger)
            + (try commands(app, place, from: listening, logger: serverLogger))
            + [
                http, Draining(http: http, seconds: drainSeconds),
                ShutdownWatchdog(drainSeconds: drainSeconds, graceSeconds: graceSeconds, begun: stopping, log: log, logger: logger),
            ]
        let group = ServiceGroupConfiguration(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet(logger))
        do {
            try await ServiceGroup(configuration: group).run()
        } catch is GracePeriod.IsOver {
            return http.cutOffRequestCount
        } catch {
            throw failure(error, settings, logger)
        }
        return 0
    }

    /// What answers commands, where they come to the process that has the data folder. To a database they go themselves.
    private static func commands(
        _ app: Application, _ place: StorePlace, from listening: WakeSignal, logger: Logger
    ) throws(CommandFailure) -> [any Service] {
        guard case .folder(let directory) = place else { return [] }
        let socketPath: String
        do throws(Failure) {
            socketPath = try AdministrationSocket.path(in: directory)
        } catch {
            throw CommandFailure(error)
        }
        let administration = AdministrationService(
            socketPath: socketPath, administration: app.administration, registry: .ofCommands, decoding: app.decoding, logger: logger)
        return [Following(signal: listening, service: administration)]
    }

    /// What sends webhooks, and what watches that they are sent.
    private static func deliveries(
        _ app: Application, _ settings: Settings, publicURL: PublicURL, from listening: WakeSignal, logger: Logger
    ) -> [any Service] {
        let delivering = Leading(duty: .deliveries, companions: app.storage.companions) {
            await Working(engine: app.deliveryEngine(publicURL: publicURL, logger: logger), graceSeconds: settings.graceSeconds).run()
        }
        return [
            DeliveryLag(store: app.storage.deliveries, metrics: app.delivering.metrics, clock: app.delivering.clock),
            // Before the server listens nobody knows what links begin with.
            Following(signal: listening, service: delivering),
        ]
    }

    /// What asks for top-ups, where there is somebody to ask.
    private static func topUps(_ app: Application, _ settings: Settings, logger: Logger) -> [any Service] {
        guard app.toppingUp != nil else { return [] }
        return [
            Leading(duty: .topUps, companions: app.storage.companions) {
                guard let engine = app.topUpEngine(logger: logger) else { return }
                await Working(engine: engine, graceSeconds: settings.graceSeconds).run()
            }
        ]
    }

    /// The work behind the requests.
    /// - Parameter trainingDuration: how long a training in this process is to take.
    private static func background(
        _ app: Application, _ settings: Settings, trainingDuration: Duration, logger: Logger
    ) -> [any Service] {
        var services: [any Service] = [
            KeyUseSaving(uses: app.authentication.uses, logger: logger),
            // What is left of webhooks that were disabled or deleted, and secrets that are over.
            clearing(
                app,
                Clearing(
                    done: "deliveries of webhooks cleared", failed: "deliveries of webhooks could not be cleared",
                    signal: app.signals.deliveryRemovals, logger: logger,
                    untilNext: { () throws(Failure) in try await app.webhooks.pauseUntilClearing() }
                ) { () throws(Failure) in try await app.webhooks.clear() }),
            // The bytes of images that nothing names any more.
            clearing(
                app,
                Clearing(done: "images removed", failed: "images could not be removed", signal: app.signals.removals, logger: logger) {
                    () throws(Failure) in try await app.collector.collect()
                }),
        ]
        switch settings.trainer {
        case .embedded:
            services.append(
                EmbeddedTraining(training: app.training, images: app.images, duration: trainingDuration, logger: logger))
        case .worker: services.append(LeaseExpiry(training: app.training, logger: logger))
        case .fal: if let fal = app.fal { services.append(falTraining(app, fal, logger)) }
        }
        return services + [
            MemoryReturn(),
            expiry(app, of: "idempotency records", logger) { () throws(Failure) in try await app.idempotency.forgetExpired() },
            expiry(app, of: "records of imports", logger) { () throws(Failure) in try await app.archives.forgetExpired() },
            expiry(app, of: "items in the trash", logger) { () throws(Failure) in try await app.trash.purgeExpired() },
            expiry(app, of: "events", logger) { () throws(Failure) in try await app.eventRetention.clear() },
        ]
    }

    private static func expiry(
        _ app: Application, of subject: String, _ logger: Logger, _ clear: @escaping @Sendable () async throws(Failure) -> Int
    ) -> any Service {
        clearing(app, Clearing(done: "\(subject) cleared", failed: "\(subject) could not be cleared", logger: logger, clear: clear))
    }

    private static func clearing(_ app: Application, _ clearing: Clearing) -> any Service {
        Leading(duty: .clearing, companions: app.storage.companions) { await clearing.run() }
    }

    private static func falTraining(_ app: Application, _ fal: FalParts, _ logger: Logger) -> any Service {
        FalTraining(training: app.training, fal: fal, companions: app.storage.companions, logger: logger)
    }

    /// Prints how to try the demo. Who runs it learns at once where the key is if that is lost, and not only at the end.
    private static func introduceDemo(key: String, address: String, _ settings: Settings, _ logger: Logger) {
        Demo.introduce(key: key, address: address)
        do throws(CommandFailure) {
            try Output.requireTaken()
        } catch {
            logger.warning(
                "the demo could not print its key", metadata: ["file": .string(DataFolder(settings.dataDirectory).demoKey.path)])
        }
    }

    /// The connections that are set, or as many as there are file descriptors for where none are. Whoever sets a number relies on it, and is told at
    /// once that it cannot be; the default has to do everywhere, on a system that allows 1,024 descriptors as well.
    private static func connectionsMax(_ settings: Settings, logger: Logger) throws(CommandFailure) -> Int {
        let wanted = settings.connectionsMax
        do throws(Failure) {
            let fitting = try ProcessLimits.fit(connectionsMax: wanted, isExact: settings.source(of: \.connectionsMax) != .default)
            if fitting.count < wanted {
                logger.warning(
                    "fewer connections are taken than by default, for want of file descriptors; raise the limit (ulimit -n) or set connections-max",
                    metadata: [
                        "connections": .stringConvertible(fitting.count), "connections_max": .stringConvertible(wanted),
                        "descriptors_needed": .stringConvertible(fitting.needed), "descriptors_allowed": .stringConvertible(fitting.limit),
                    ])
            }
            return fitting.count
        } catch {
            throw CommandFailure(error)
        }
    }

    /// The group tells at debug level what it does with its services, which is of no use to an operator.
    private static func quiet(_ logger: Logger) -> Logger {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        return quiet
    }

    private static func failure(_ error: any Error, _ settings: Settings, _ logger: Logger) -> CommandFailure {
        let place = PublicURL.address(host: settings.host, port: settings.port)
        switch error {
        case let failure as Failure: return CommandFailure(failure)
        case let error as IOError where error.errnoCode == EADDRINUSE:
            return CommandFailure(.unavailable, "\(place) is taken by another process; choose another with --port, or 0 for a free one")
        case let error as IOError:
            return CommandFailure(.unavailable, "cannot listen on \(place): \(String(cString: strerror(error.errnoCode)))")
        case is SocketAddressError, is SocketAddressError.UnknownHost:
            return CommandFailure(.unavailable, "cannot listen on \(place): there is no such address")
        default:
            logger.error("the service broke off", error: error)
            return CommandFailure(.failed, "the service broke off: \(error)")
        }
    }
}
