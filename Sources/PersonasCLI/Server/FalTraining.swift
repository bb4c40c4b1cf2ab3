import CoreMetrics
import Logging
import Personas
import PersonasHTTP
import PersonasOutbound
import PersonasWire
import ServiceLifecycle

/// What the service needs of the world to train at fal: fal itself.
struct FalAccess: Sendable {
    let settings: FalSettings
    let queue: any FalQueue
    let verifier: any FalWebhookVerifier
    /// Ends what is open to fal.
    let close: @Sendable () async -> Void

    /// By HTTP.
    init(_ settings: FalSettings, trust: OutboundTrust, logger: Logger) {
        let http = FalHTTP(trust: trust, logger: logger)
        self.init(
            settings: settings, queue: FalQueueClient(settings.queue, http: http),
            verifier: FalWebhookKeys(urls: settings.keysURLs, http: http) { news in
                switch news {
                case .read(let count): logger.debug("keys of fal read", metadata: ["count": .stringConvertible(count)])
                case .unavailable: logger.warning("keys of fal cannot be read; its webhooks are refused until they can")
                }
            }
        ) { await http.close() }
    }

    /// Another fal.
    init(
        settings: FalSettings, queue: any FalQueue, verifier: any FalWebhookVerifier, close: @escaping @Sendable () async -> Void = {}
    ) {
        self.settings = settings
        self.queue = queue
        self.verifier = verifier
        self.close = close
    }
}

/// The trainer at fal, put together.
struct FalParts: Sendable {
    let access: FalAccess
    let trainer: FalTrainer
    let closer: FalCloser
    let webhooks: FalWebhooks

    init(
        _ access: FalAccess, storage: any FalRequestStore, changes: ItemChanges, portraits: FalPortraits, decoding: BodyDecoding,
        publicURL: PublicURL, clock: WallClock, metrics: any MetricsFactory, logger: Logger
    ) {
        self.access = access
        let (wakes, closings, log) = (FalWakes(), WakeSignal(), FalLog(logger: logger))
        let (counts, reader) = (FalMetrics(factory: metrics), FalFactsReader(portrait: access.settings.queue.portrait))
        let tell: @Sendable (FalNews) -> Void = { news in
            counts.take(news)
            log.take(news)
        }
        trainer = FalTrainer(
            access.settings.trainer, store: storage, queue: access.queue, portraits: portraits, wakes: wakes, closings: closings,
            changes: changes, clock: clock, mediaURL: { publicURL.mediaURL($0) }, tell: tell)
        closer = FalCloser(
            store: storage, queue: access.queue, signal: closings, timeoutSeconds: access.settings.trainer.timeoutSeconds, clock: clock,
            tell: tell)
        webhooks = FalWebhooks(
            store: storage, queue: access.queue, verifier: access.verifier, wakes: wakes, closings: closings, decoding: decoding,
            clock: clock, read: { reader.facts(ofWebhook: $0) }, tell: tell)
    }
}

/// Has fal train until shutdown. What is at fal by then goes on there, and is followed again after the next start.
struct FalTraining: Service {
    /// How often it is looked whether fal's keys are to be read again.
    private static let keysPause = Duration.seconds(600)
    /// The same while there are none: a webhook that comes then is refused.
    private static let missingKeysPause = Duration.seconds(30)

    let training: Training
    let fal: FalParts
    /// Those who train at the same fal.
    var companions: any Companions = NoCompanions()
    let logger: Logger

    func run() async {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    await TrainingLoop(
                        training: training, trainer: fal.trainer, jobsHeldMax: FalRules.requestsMax, isShared: true
                    ) { failure in
                        logger.error("training could not go on", metadata: ["reason": "\(failure)"])
                    }.run()
                }
                // Nothing else ends what a worker left behind that came by HTTP, or forgets what was called off.
                group.addTask { await LeaseExpiry(training: training, logger: logger).run() }
                group.addTask { await companions.lead(.closings) { await fal.closer.run() } }
                group.addTask {
                    while !Task.isCancelled {
                        let hasKeys = await fal.access.verifier.prepare()
                        try? await Task.sleep(for: hasKeys ? Self.keysPause : Self.missingKeysPause)
                    }
                }
            }
        }
        await fal.access.close()
    }
}

/// Logs what an operator has to know of fal. No line holds the key, the token of a webhook or the address of an image.
struct FalLog: Sendable {
    let logger: Logger

    func take(_ news: FalNews) {
        switch news {
        case .sent(.accepted(let handle), let jobID):
            logger.info("sent to fal", metadata: ["job_id": "\(jobID.text)", "fal_request_id": "\(handle.requestID)"])
        case .sent(.notTaken, let jobID): logger.debug("not taken by fal, and sent again later", metadata: ["job_id": "\(jobID.text)"])
        case .sent(.unknown, let jobID):
            logger.warning(
                "fal did not say whether it has a request, which is not sent again; a webhook or FAL_TIMEOUT ends it",
                metadata: ["job_id": "\(jobID.text)"])
        case .sent(.refused(let outcome), let jobID), .reported(let outcome, let jobID):
            let metadata: Logger.Metadata = ["job_id": "\(jobID.text)", "outcome": "\(Self.words(for: outcome))"]
            if case .portrait = outcome { return logger.info("done by fal", metadata: metadata) }
            logger.warning("not done by fal", metadata: metadata)
        case .overdue(let jobID): logger.warning("not done by fal in time", metadata: ["job_id": "\(jobID.text)"])
        case .downloadFailed(let jobID, let reason):
            logger.warning("the portrait that fal has made cannot be had", metadata: ["job_id": "\(jobID.text)", "reason": "\(reason)"])
        case .closed(let jobID, true): logger.info("called off at fal", metadata: ["job_id": "\(jobID.text)"])
        case .closed(let jobID, false):
            logger.warning("fal could not be told that a request is called off", metadata: ["job_id": "\(jobID.text)"])
        case .storeFailed(let failure): logger.error("training could not go on", metadata: ["reason": "\(failure)"])
        }
    }

    private static func words(for outcome: FalOutcome) -> String {
        switch outcome {
        case .portrait: "portrait"
        case .rejected(let words): words.isEmpty ? "input refused" : "input refused: \(words)"
        case .failed(let words): words.isEmpty ? "error" : "error: \(words)"
        case .overdue: "given up by fal"
        }
    }
}
