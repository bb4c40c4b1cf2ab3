package import CoreMetrics
import Synchronization

/// Keeps what is recorded through swift-metrics in memory, and writes it as text for Prometheus.
///
/// Callers that record hold on to their metric; looking one up takes a lock, recording takes none. A metric asked for twice is the same one, and
/// stays until the process ends, because what was counted must not be forgotten. One that was never described is written without help and has
/// buckets for durations.
package final class MetricsRegistry: MetricDescribing {
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

    private struct State {
        /// By the names of the metrics.
        var descriptions: [String: Metric] = [:]
        /// By their names.
        var families: [String: Family] = [:]
    }

    private let state = Mutex(State())

    /// An empty registry.
    package init() {}

    package func describe(_ metric: Metric) {
        let name = MetricsText.name(metric.name)
        state.withLock { state in
            if state.descriptions[name] == nil { state.descriptions[name] = metric }
        }
    }

    /// The text for Prometheus, format 0.0.4, of all that was recorded so far, ordered by name and labels.
    package func text() -> [UInt8] {
        var text = MetricsText()
        let state = state.withLock { $0 }
        for (name, family) in state.families.sorted(by: { $0.key < $1.key }) {
            text.write(name, help: state.descriptions[name]?.help, family)
        }
        return text.bytes
    }

    /// The counter of a name and labels.
    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { _ in CounterSeries() }
    }

    /// The counter of a name and labels that counts fractions.
    package func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter) { _ in FloatingPointCounterSeries() }
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

    /// Does nothing: what was counted stays.
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}

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
        return state.withLock { state in
            let bounds = state.descriptions[name]?.bounds ?? Metric.secondsBounds
            var family = state.families[name] ?? Family(kind: kind)
            guard family.kind == kind else { return make(bounds) }
            if let known = family.series[labels] as? Series { return known }
            let new = make(bounds)
            family.series[labels] = new
            state.families[name] = family
            return new
        }
    }
}
