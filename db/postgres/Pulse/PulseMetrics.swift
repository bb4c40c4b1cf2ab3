import CoreMetrics
import Personas
import PersonasMetrics

/// What is told of the processes that share a database.
struct PulseMetrics: Sendable {
    let beatAt: Meter
    let replicas: Meter
    let bellsSent: Counter
    let bellsReceived: Counter
    private let duties: [Duty: Meter]

    init(factory: any MetricsFactory) {
        beatAt = Metric(
            "personas_pulse_timestamp_seconds",
            help: "When this process and the database last heard of each other, in seconds since 1970; 0 before the first time."
        ).meter(in: factory)
        replicas = Metric("personas_replicas", help: "Processes that serve from the database, as this one sees it.").meter(in: factory)
        let bells = Metric("personas_bells_total", help: "Notices of commits that went to other processes, or came from them.")
        bellsSent = bells.counter([("direction", "sent")], in: factory)
        bellsReceived = bells.counter([("direction", "received")], in: factory)
        let led = Metric("personas_duty_led", help: "1 for work that this process does for all that share the database, else 0.")
        duties = Dictionary(uniqueKeysWithValues: Duty.allCases.map { ($0, led.meter([("duty", $0.rawValue)], in: factory)) })
    }

    /// Notes which duties this process has.
    func tell(led: Set<Duty>) { for (duty, meter) in duties { meter.set(led.contains(duty) ? 1 : 0) } }
}
