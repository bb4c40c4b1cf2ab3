import Logging
import Personas
import PersonasOutbound
import ServiceLifecycle

/// Measures how far deliveries are behind. Apart from what delivers, so that it is seen when that does not.
struct DeliveryLag: Service {
    private static let pause = Duration.seconds(10)

    let store: any DeliveryStore
    let metrics: DeliveryMetrics
    let clock: WallClock

    func run() async {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let now = clock.now
                do throws(Failure) {
                    metrics.tellLag(since: try await store.oldestDueAt(now), at: now)
                } catch {
                    // Whoever delivers cannot read the store either, and logs it.
                    metrics.tellNoLag()
                }
                try? await Task.sleep(for: Self.pause)
            }
        }
    }
}

/// Logs what goes wrong with deliveries, once for each endpoint and reason until it goes well again. No line holds a secret, a body or the path of a URL.
struct DeliveryLog: Sendable {
    private let logger: Logger
    private let reasons = ReasonLog()

    init(logger: Logger) {
        self.logger = logger
    }

    func take(_ news: DeliveryEngine.News) {
        switch news {
        case .began, .givenUp: break
        case .ended(let delivery, let attempt, let recorded):
            reasons.note(Self.reason(attempt, recorded), of: delivery.endpointID) { reason in
                logger.info(
                    "webhook not delivered",
                    metadata: ["webhook_id": "\(delivery.endpointID)", "account_id": "\(delivery.accountID)", "reason": "\(reason)"])
            }
            if let disabled = recorded.disabled {
                logger.warning(
                    "webhook disabled",
                    metadata: [
                        "webhook_id": "\(delivery.endpointID)", "account_id": "\(delivery.accountID)", "reason": "\(disabled.rawValue)",
                    ])
            }
        case .storeFailed(let failure, let endpointID):
            reasons.note("\(failure)", of: endpointID) { reason in
                logger.error(
                    "webhooks could not be delivered",
                    metadata: ["webhook_id": "\(endpointID.map(\.text) ?? "all")", "reason": "\(reason)"])
            }
        }
    }

    /// Why an attempt was no success; nil where it was one.
    private static func reason(_ attempt: DeliveryAttempt, _ recorded: RecordedAttempt) -> String? {
        if recorded.outcome == .succeeded { return nil }
        return attempt.error?.rawValue ?? attempt.httpStatus.map { "status \($0)" }
    }
}
