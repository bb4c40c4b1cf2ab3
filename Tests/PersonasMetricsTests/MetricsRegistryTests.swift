import CoreMetrics
import MetricsTestKit
import TestSupport
import Testing

@testable import PersonasMetrics

/// What is recorded through swift-metrics, and the text that Prometheus reads.
@Suite("The registry of metrics")
struct MetricsRegistryTests {
    private func text(_ registry: MetricsRegistry) -> String { String(decoding: registry.text(), as: UTF8.self) }

    @Test("writes every kind, ordered by name and labels")
    func everyKind() {
        let registry = MetricsRegistry()
        let answers = Metric("answers_total", help: "Answers.")
        answers.counter([("status", "404"), ("method", "GET")], in: registry).increment()
        answers.counter([("status", "200"), ("method", "GET")], in: registry).increment(by: 41)
        Meter(label: "depth", factory: registry).set(7)
        Gauge(label: "share", factory: registry).record(0.25)
        let size = Metric("size", help: "Things at once.", bounds: [1, 2.5, 10]).histogram(in: registry)
        for value in [1, 2, 3, 10, 11] { size.record(value) }
        let seconds = Metric("seconds", help: "How long.", bounds: [0.001, 1]).timer([("route", "/x")], in: registry)
        for nanoseconds in [1_000_000, 1_000_001, 2_000_000_000] { seconds.recordNanoseconds(nanoseconds) }
        #expect(
            text(registry) == """
                # HELP answers_total Answers.
                # TYPE answers_total counter
                answers_total{method="GET",status="200"} 41
                answers_total{method="GET",status="404"} 1
                # TYPE depth gauge
                depth 7
                # HELP seconds How long.
                # TYPE seconds histogram
                seconds_bucket{route="/x",le="0.001"} 1
                seconds_bucket{route="/x",le="1"} 2
                seconds_bucket{route="/x",le="+Inf"} 3
                seconds_sum{route="/x"} 2.002000001
                seconds_count{route="/x"} 3
                # TYPE share gauge
                share 0.25
                # HELP size Things at once.
                # TYPE size histogram
                size_bucket{le="1"} 1
                size_bucket{le="2.5"} 2
                size_bucket{le="10"} 4
                size_bucket{le="+Inf"} 5
                size_sum 27
                size_count 5

                """)
        #expect(registry.text() == registry.text())
    }

    @Test("counts fractions where they are counted, and never back")
    func fractions() {
        let registry = MetricsRegistry()
        let counter = Metric("cpu_seconds_total", help: "Time.").floatingPointCounter(in: registry)
        #expect(text(registry).hasSuffix("# TYPE cpu_seconds_total counter\ncpu_seconds_total 0\n"))
        counter.increment(by: 0.25)
        counter.increment(by: -1)
        Metric("cpu_seconds_total", help: "Time.").floatingPointCounter(in: registry).increment(by: 1.5)
        #expect(text(registry).hasSuffix("\ncpu_seconds_total 1.75\n"))
    }

    @Test("has nothing to say before anything is recorded")
    func empty() {
        #expect(registry().isEmpty)
        func registry() -> [UInt8] { MetricsRegistry().text() }
    }

    @Test("counts durations into buckets from half a millisecond to thirty seconds")
    func durations() {
        let registry = MetricsRegistry()
        let timer = CoreMetrics.Timer(label: "t", factory: registry)
        timer.recordNanoseconds(500_000)
        timer.recordNanoseconds(500_001)
        timer.recordMilliseconds(1)
        timer.recordSeconds(30)
        timer.recordSeconds(31)
        let counts = text(registry).split(separator: "\n").filter { $0.hasPrefix("t_bucket") }
        #expect(counts.count == 16)
        #expect(counts.first == #"t_bucket{le="0.0005"} 1"#)
        #expect(counts.dropFirst().first == #"t_bucket{le="0.001"} 3"#)
        #expect(counts.suffix(2) == [#"t_bucket{le="30"} 4"#, #"t_bucket{le="+Inf"} 5"#])
    }

    @Test(
        "escapes what a label's value may hold",
        arguments: [
            ("plain", "plain"), ("a\"b", #"a\"b"#), ("a\\b", #"a\\b"#), ("a\nb", #"a\nb"#), ("}", "}"), ("a\r\nb", "a\r\\nb"),
            ("Zoë 🙂", "Zoë 🙂"),
            ("", ""),
        ])
    func labelValues(value: String, written: String) {
        let registry = MetricsRegistry()
        Counter(label: "c", dimensions: [("l", value)], factory: registry).increment()
        #expect(registry.text() == Array("# TYPE c counter\nc{l=\"\(written)\"} 1\n".utf8))
    }

    @Test(
        "makes valid names of any text",
        arguments: [
            ("personas_x_total", "personas_x_total"), ("http.requests", "http_requests"), ("a:b", "a:b"), ("2xx", "_2xx"), ("", "_"),
            ("größe", "gr____e"),
        ])
    func names(label: String, written: String) {
        #expect(MetricsText.name(label) == written)
    }

    @Test("makes valid names of labels, each once, and keeps le for buckets")
    func labelNames() {
        #expect(MetricsText.labels([("le", "1"), ("a:b", "2"), ("a-b", "3"), ("0", "4")]) == #"_0="4",a_b="2",exported_le="1""#)
    }

    @Test(
        "writes numbers as Prometheus reads them",
        arguments: [
            (0.0, "0"), (-0.0, "0"), (1, "1"), (-3, "-3"), (0.0005, "0.0005"), (2.5, "2.5"), (1e16, "1e+16"),
            (999_999_999_999_999, "999999999999999"),
            (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"), (1_795_000_000, "1795000000"),
        ])
    func numbers(value: Double, written: String) {
        #expect(MetricsText.number(value) == written)
    }

    @Test("a help of several lines stays one line")
    func help() {
        let registry = MetricsRegistry()
        Metric("c", help: "One \"line\"\nand \\ another.").counter(in: registry).increment()
        #expect(text(registry).hasPrefix("# HELP c One \"line\"\\nand \\\\ another.\n# TYPE c counter\n"))
    }

    @Test("a metric that nothing was counted of is there with its help")
    func untouched() {
        let registry = MetricsRegistry()
        _ = Metric("c", help: "Things.").counter(in: registry)
        _ = Metric("m", help: "Depth.").meter(in: registry)
        #expect(text(registry) == "# HELP c Things.\n# TYPE c counter\nc 0\n# HELP m Depth.\n# TYPE m gauge\nm 0\n")
    }

    @Test("a name that is declared twice keeps its first help and its first buckets")
    func describedTwice() {
        let registry = MetricsRegistry()
        _ = Metric("h", help: "First.", bounds: [1]).histogram(in: registry)
        Metric("h", help: "Second.", bounds: [2]).histogram([("l", "1")], in: registry).record(1)
        let lines = text(registry).split(separator: "\n")
        #expect(lines.first == "# HELP h First.")
        #expect(lines.contains("h_bucket{l=\"1\",le=\"1\"} 1") && !lines.contains { $0.contains("le=\"2\"") })
    }

    @Test("a metric records through any factory of swift-metrics")
    func otherFactories() throws {
        let metrics = TestMetrics()
        let metric = Metric("n", help: "Things.")
        metric.counter([("l", "1")], in: metrics).increment(by: 2)
        metric.meter(in: metrics).set(3)
        metric.histogram(in: metrics).record(4)
        metric.timer(in: metrics).recordNanoseconds(5)
        #expect(try metrics.expectCounter("n", [("l", "1")]).totalValue == 2)
        #expect(try metrics.expectMeter("n").lastValue == 3)
        #expect(try metrics.expectRecorder("n").lastValue == 4)
        #expect(try metrics.expectTimer("n").lastValue == 5)
    }

    @Test("what is asked for twice is one metric, whatever the order of its labels")
    func sameMetric() {
        let registry = MetricsRegistry()
        Counter(label: "c", dimensions: [("a", "1"), ("b", "2")], factory: registry).increment()
        Counter(label: "c", dimensions: [("b", "2"), ("a", "1")], factory: registry).increment(by: 2)
        let gone = Counter(label: "c", dimensions: [("a", "1"), ("b", "2")], factory: registry)
        gone.destroy()
        #expect(text(registry) == "# TYPE c counter\nc{a=\"1\",b=\"2\"} 3\n")
    }

    @Test("a name stays of the kind that it was first")
    func otherKind() {
        let registry = MetricsRegistry()
        Counter(label: "c", factory: registry).increment()
        Meter(label: "c", dimensions: [("x", "1")], factory: registry).set(5)
        CoreMetrics.Timer(label: "c", factory: registry).recordSeconds(5)
        #expect(text(registry) == "# TYPE c counter\nc 1\n")
    }

    @Test("counters never fall, and what is no number does not spoil a sum")
    func oddValues() {
        let registry = MetricsRegistry()
        let counter = Counter(label: "c", factory: registry)
        counter.increment(by: 3)
        counter.increment(by: -2)
        counter.increment(by: 0)
        let recorder = Recorder(label: "r", factory: registry)
        recorder.record(Double.nan)
        recorder.record(-1)
        let floating = FloatingPointCounter(label: "f", factory: registry)
        for _ in 0..<3 { floating.increment(by: 0.5) }
        let text = text(registry)
        #expect(text.contains("\nc 3\n"))
        #expect(text.contains("\nr_sum -1\nr_count 1\n"))
        #expect(text.contains("\nf 1.5\n"))
    }

    @Test("loses nothing that many threads record at once")
    func concurrency() async {
        let registry = MetricsRegistry()
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    let meter = Meter(label: "m", factory: registry)
                    for index in 0..<2_000 {
                        Counter(label: "c", dimensions: [("task", String(task % 2))], factory: registry).increment()
                        Recorder(label: "r", factory: registry).record(index % 2)
                        meter.increment()
                        if index % 100 == 0 { _ = registry.text() }
                        meter.decrement()
                    }
                }
            }
        }
        let text = text(registry)
        #expect(text.contains("c{task=\"0\"} 8000\nc{task=\"1\"} 8000\n"))
        #expect(text.contains("\nm 0\n"))
        #expect(text.contains("\nr_sum 8000\nr_count 16000\n"))
    }
}
