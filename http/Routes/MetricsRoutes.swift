import CoreMetrics
import Hummingbird
import Logging
import NIOCore
package import Personas
package import PersonasMetrics
import Synchronization

/// Where `GET /metrics` gets what it tells.
package struct MetricsSource: Sendable {
    /// What the service records into.
    package let registry: MetricsRegistry
    /// What waits in the store.
    package let queueDepths: any QueueDepthStore
    /// How old the count of what waits may be. It costs a walk in the store, and the call needs no key.
    package let queueDepthsAgeMax: Duration
    /// How much is stored.
    package let usage: any StoreUsage
    /// When that was backed up; nil where that is not the store's to know.
    package let backups: (any BackupStore)?
    /// Whether clients are turned away.
    package let maintenance: any MaintenanceStore
    /// How old the count of what is stored may be.
    package let usageAgeMax: Duration
    /// How old the whole text may be. Shorter than monitoring measures, so that it only stops callers that ask without end.
    package let textAgeMax: Duration

    package init(
        registry: MetricsRegistry, queueDepths: any QueueDepthStore, usage: any StoreUsage, backups: (any BackupStore)?,
        maintenance: any MaintenanceStore, queueDepthsAgeMax: Duration = .seconds(1), usageAgeMax: Duration = .seconds(10),
        textAgeMax: Duration = .milliseconds(100)
    ) {
        self.registry = registry
        self.queueDepths = queueDepths
        self.usage = usage
        self.backups = backups
        self.maintenance = maintenance
        self.queueDepthsAgeMax = queueDepthsAgeMax
        self.usageAgeMax = usageAgeMax
        self.textAgeMax = textAgeMax
    }
}

/// What monitoring asks: all numbers, in the text format of Prometheus.
struct MetricsRoutes: Sendable {
    /// The path of the call.
    static let path = "/metrics"

    private let registry: MetricsRegistry
    private let queueDepths: QueueDepthMetrics
    private let usage: UsageMetrics
    private let process: ProcessMetrics
    private let exposition: Exposition

    init(_ source: MetricsSource) {
        registry = source.registry
        queueDepths = QueueDepthMetrics(source)
        usage = UsageMetrics(source)
        process = ProcessMetrics(factory: source.registry)
        exposition = Exposition(ageMax: source.textAgeMax)
    }

    /// Adds the call.
    func add(to router: Router<PersonasRequestContext>) {
        router.get(RouterPath(Self.path)) { _, context in
            await queueDepths.refresh(logger: context.logger)
            await usage.refresh(logger: context.logger)
            let text = exposition.text {
                process.refresh()
                return ByteBuffer(bytes: registry.text())
            }
            return Response(
                status: .ok, headers: [.contentType: MetricsText.contentType, .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: text))
        }
    }
}

/// The text of all numbers, written anew only when the last one is old: it costs a millisecond, and asking for it takes no key.
private final class Exposition: Sendable {
    private let ageMax: Duration
    private let last = Mutex<(text: ByteBuffer, writtenAt: ContinuousClock.Instant)?>(nil)

    init(ageMax: Duration) {
        self.ageMax = ageMax
    }

    /// The text; of callers that ask at once, one writes it.
    func text(_ write: () -> ByteBuffer) -> ByteBuffer {
        last.withLock { last in
            let now = ContinuousClock.now
            if let last, last.writtenAt.duration(to: now) < ageMax { return last.text }
            let text = write()
            last = (text, now)
            return text
        }
    }
}

/// What waits in the store, counted when it is asked for.
private final class QueueDepthMetrics: Sendable {
    private let store: any QueueDepthStore
    private let pause: CountingPause
    private let queuedJobs: Meter
    private let leasedJobs: Meter
    private let imageRemovals: Meter
    private let deliveries: Meter
    private let webhooksDisabled: [(reason: WebhookDisabledReason, meter: Meter)]

    init(_ source: MetricsSource) {
        store = source.queueDepths
        pause = CountingPause(ageMax: source.queueDepthsAgeMax)
        let max = QueueDepths.countMax
        let jobs = Metric("personas_training_jobs", help: "Training jobs that have not ended, by state; counted up to \(max).")
        queuedJobs = jobs.meter([("state", "queued")], in: source.registry)
        leasedJobs = jobs.meter([("state", "leased")], in: source.registry)
        imageRemovals = Metric(
            "personas_media_removal_queue_depth", help: "Image files that may have to be removed; counted up to \(max)."
        ).meter(in: source.registry)
        deliveries = Metric(
            "personas_webhook_deliveries_pending", help: "Deliveries to webhooks that wait for their first or next attempt."
        ).meter(in: source.registry)
        let disabled = Metric("personas_webhooks_disabled", help: "Webhooks that are disabled, by reason.")
        webhooksDisabled = WebhookDisabledReason.allCases.map { ($0, disabled.meter([("reason", $0.rawValue)], in: source.registry)) }
        set(nil)
    }

    /// Counts anew unless that was done just before.
    func refresh(logger: Logger) async {
        guard pause.isOver() else { return }
        do throws(Failure) {
            set(try await store.queueDepths())
        } catch {
            set(nil)
            logger.error("what waits in the store could not be counted", metadata: ["reason": "\(error)"])
        }
    }

    /// Not a number means that it is not known.
    private func set(_ queueDepths: QueueDepths?) {
        queuedJobs.set(queueDepths.map { Double($0.queuedJobs) } ?? .nan)
        leasedJobs.set(queueDepths.map { Double($0.leasedJobs) } ?? .nan)
        imageRemovals.set(queueDepths.map { Double($0.imageRemovals) } ?? .nan)
        deliveries.set(queueDepths.map { Double($0.webhooks.pending) } ?? .nan)
        for (reason, meter) in webhooksDisabled { meter.set(queueDepths.map { Double($0.webhooks.disabled[reason] ?? 0) } ?? .nan) }
    }
}
