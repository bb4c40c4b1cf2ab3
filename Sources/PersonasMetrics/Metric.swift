package import CoreMetrics

/// One number that the service tells, declared where it is counted or measured: its name, and what there is to say about it.
///
/// It records through swift-metrics, whose factories know of names and labels only. One that is a ``MetricDescribing`` is told the rest.
package struct Metric: Sendable {
    /// The name, as it appears in the text for Prometheus.
    package let name: String
    /// One sentence that says what is counted or measured.
    package let help: String
    /// The upper bounds of a histogram's buckets, in the metric's unit, at most 15, rising; of no meaning for counters and gauges.
    package let bounds: [Double]

    package init(_ name: String, help: String, bounds: [Double] = Self.secondsBounds) {
        self.name = name
        self.help = help
        self.bounds = bounds
    }

    /// From what a look-up takes to the longest that a client waits.
    package static let secondsBounds: [Double] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// A number that only rises, told as zero from now on.
    package func counter(_ labels: [(String, String)] = [], in factory: any MetricsFactory) -> Counter {
        Counter(label: name, dimensions: labels, factory: told(factory))
    }

    /// A number that only rises, by fractions as well, told as zero from now on.
    package func floatingPointCounter(_ labels: [(String, String)] = [], in factory: any MetricsFactory) -> FloatingPointCounter {
        FloatingPointCounter(label: name, dimensions: labels, factory: told(factory))
    }

    /// A number that rises and falls, told as zero from now on.
    package func meter(_ labels: [(String, String)] = [], in factory: any MetricsFactory) -> Meter {
        Meter(label: name, dimensions: labels, factory: told(factory))
    }

    /// How often values lay within which of the bounds.
    package func histogram(_ labels: [(String, String)] = [], in factory: any MetricsFactory) -> Recorder {
        Recorder(label: name, dimensions: labels, factory: told(factory))
    }

    /// How often durations lay within which of the bounds, in seconds.
    package func timer(_ labels: [(String, String)] = [], in factory: any MetricsFactory) -> CoreMetrics.Timer {
        CoreMetrics.Timer(label: name, dimensions: labels, factory: told(factory))
    }

    /// The factory, once it knows what the metric is about.
    private func told(_ factory: any MetricsFactory) -> any MetricsFactory {
        (factory as? any MetricDescribing)?.describe(self)
        return factory
    }
}

/// A factory of metrics that wants to know more of them than their names.
package protocol MetricDescribing: MetricsFactory {
    /// Takes note of what a metric is about, before its first series is made. Of two descriptions of one name the first counts.
    func describe(_ metric: Metric)
}
