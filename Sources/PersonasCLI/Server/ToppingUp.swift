import Logging
import Personas
import PersonasDB
import PersonasOutbound

/// Everything about top-ups, where there is somebody to ask.
struct ToppingUp: Sendable {
    let payments: any PaymentService
    let waits = TopUpWaits()
    let clock: WallClock
    let metrics: TopUpMetrics
    /// What creates do that cost more than there is.
    let useCases: TopUps

    /// - Parameter payments: who is asked; nil for nobody.
    init?(
        _ payments: (any PaymentService)?, storage: any Stores, signals: WorkSignals, clock: WallClock, metrics: TopUpMetrics
    ) {
        guard let payments else { return nil }
        self.payments = payments
        self.clock = clock
        self.metrics = metrics
        useCases = TopUps(store: storage.smartBalances, waits: waits, signals: signals, clock: clock)
        // A charge that asks for a top-up is told of in the same commit.
        storage.feed.signalAlways(signals.topUps) { $0 == .credits(.charge) }
    }
}

extension Application {
    /// What asks the payment service; nil where there is none.
    func topUpEngine(logger: Logger) -> TopUpEngine? {
        let log = TopUpLog(logger: logger)
        return toppingUp.map { toppingUp in
            TopUpEngine(
                store: storage.topUps, payments: toppingUp.payments, waits: toppingUp.waits, signal: signals.topUps, clock: toppingUp.clock
            ) { [metrics = toppingUp.metrics] news in
                metrics.take(news)
                log.take(news)
            }
        }
    }
}

/// Logs what becomes of top-ups: what goes wrong once for each account and reason, until it goes well again. No line holds the secret or the address of the
/// payment service.
struct TopUpLog: Sendable {
    let logger: Logger
    private let reasons = ReasonLog()

    init(logger: Logger) {
        self.logger = logger
    }

    func take(_ news: TopUpEngine.News) {
        switch news {
        case .began, .givenUp: break
        case .ended(let topUp, let answer, let recorded): take(topUp, answer, recorded)
        case .abandoned(let topUp):
            logger.warning(
                "an account was deleted before the outcome of its top-up was known; see whether it was paid",
                metadata: ["top_up_id": "\(topUp.id)", "account_id": "\(topUp.accountID)"])
        case .storeFailed(let failure):
            reasons.note("\(failure)", of: nil) { reason in
                logger.error("top-ups cannot be asked for", metadata: ["reason": "\(reason)"])
            }
        }
    }

    private func take(_ topUp: TopUp, _ answer: PaymentAnswer, _ recorded: RecordedTopUp) {
        var metadata: Logger.Metadata = ["top_up_id": "\(topUp.id)", "account_id": "\(topUp.accountID)"]
        var reason: String?
        if case .unknown(let problem) = answer { reason = problem.text }
        reasons.note(reason, of: topUp.accountID) { reason in
            metadata["reason"] = "\(reason)"
            logger.warning("the outcome of a top-up is not known; it is asked for again", metadata: metadata)
        }
        switch (recorded, answer) {
        case (.declined(let reason), _):
            metadata["reason"] = "\(reason)"
            logger.info("smart balance paused", metadata: metadata)
        case (.unawaited, .paid): logger.warning("a top-up was paid that nobody waits for", metadata: metadata)
        case (.credited, _), (.repeated, _), (.unawaited, _): break
        }
    }
}
