package import CoreMetrics
import Synchronization

/// What there is to say about a metric beyond its numbers.
package struct MetricDescription: Sendable {
    /// One sentence that says what is counted or measured.
    package let help: String
    /// The upper bounds of a histogram's buckets, in the metric's unit, at most 15, rising; of no meaning for counters and gauges.
    package let bounds: [Double]

    package init(_ help: String, bounds: [Double] = Self.secondsBounds) {
        self.help = help
        self.bounds = bounds
    }

    /// From what a look-up takes to the longest that a client waits.
    package static let secondsBounds: [Double] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
}

/// Keeps what is recorded through swift-metrics in memory, and writes it as text for Prometheus.
///
/// Whoever records holds on to its metric; looking one up takes a lock, recording takes none. A metric asked for twice is the same one, and
/// stays until the process ends, because what was counted must not be forgotten.
package final class MetricsRegistry: MetricsFactory {
    /// What a metric is.
    enum Kind: String {
        case counter
        case gauge
        case histogram
    }

    /// The series of one name.
    struct Family {
        let kind: Kind
        /// By their labels as they are written, `a="1",b="2"`.
        var series: [String: any Sendable] = [:]
    }

    private let descriptions: [String: MetricDescription]
    private let families = Mutex<[String: Family]>([:])

    /// An empty registry.
    /// - Parameter descriptions: by the names of the metrics; one without is written without help and has buckets for durations.
    package init(descriptions: [String: MetricDescription] = [:]) {
        self.descriptions = descriptions
    }

    /// The text for Prometheus, format 0.0.4, of all that was recorded so far, ordered by name and labels.
    package func text() -> [UInt8] {
        var text = MetricsText()
        for (name, family) in families.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            text.write(name, help: descriptions[name]?.help, family)
        }
        return text.bytes
    }

    /// The counter of a name and labels.
    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { _ in CounterSeries() }
    }

    /// The gauge of a name and labels.
    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge) { _ in GaugeSeries() }
    }

    /// The histogram of a name and labels, or without aggregation the gauge.
    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return series(label, dimensions, .gauge) { _ in GaugeSeries() } }
        return series(label, dimensions, .histogram) { HistogramSeries(bounds: $0) }
    }

    /// The histogram of durations, in seconds, of a name and labels.
    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram) { HistogramSeries(bounds: $0) }
    }

    /// Does nothing: what was counted stays.
    package func destroyCounter(_ handler: any CounterHandler) {}

    /// Does nothing: what was measured stays.
    package func destroyMeter(_ handler: any MeterHandler) {}

    /// Does nothing: what was measured stays.
    package func destroyRecorder(_ handler: any RecorderHandler) {}

    /// Does nothing: what was measured stays.
    package func destroyTimer(_ handler: any TimerHandler) {}

    /// The one series of a name and labels. A name that is of another kind already gets one that appears nowhere: a text in which one name
    /// stood for two kinds would be refused as a whole.
    private func series<Series: Sendable>(
        _ label: String, _ dimensions: [(String, String)], _ kind: Kind, make: (_ bounds: [Double]) -> Series
    ) -> Series {
        let name = MetricsText.name(label)
        let labels = MetricsText.labels(dimensions)
        let bounds = descriptions[name]?.bounds ?? MetricDescription.secondsBounds
        return families.withLock { families in
            var family = families[name] ?? Family(kind: kind)
            guard family.kind == kind else { return make(bounds) }
            if let known = family.series[labels] as? Series { return known }
            let new = make(bounds)
            family.series[labels] = new
            families[name] = family
            return new
        }
    }
}
