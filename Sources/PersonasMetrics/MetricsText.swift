import CoreMetrics

/// Metrics in the text format of Prometheus, version 0.0.4.
package struct MetricsText {
    /// The media type of the format.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var bytes: [UInt8] = []

    /// Writes all series of a name, ordered by their labels.
    mutating func write(_ name: String, help: String?, _ family: MetricsRegistry.Family) {
        if let help { put("# HELP \(name) \(Self.escaped(help, quotes: false))\n") }
        put("# TYPE \(name) \(family.kind.rawValue)\n")
        for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
            switch series {
            case let counter as CounterSeries: putSample(name, labels, String(counter.value))
            case let counter as FloatingPointCounterSeries: putSample(name, labels, Self.number(counter.value))
            case let gauge as GaugeSeries: putSample(name, labels, Self.number(gauge.value))
            case let histogram as HistogramSeries: put(name, labels, histogram)
            default: break
            }
        }
    }

    private mutating func put(_ name: String, _ labels: String, _ histogram: HistogramSeries) {
        let counts = histogram.countsByBound
        let prefix = labels.isEmpty ? "" : labels + ","
        var count: UInt64 = 0
        for (bound, more) in zip(histogram.bounds + [.infinity], counts) {
            count += more
            putSample(name + "_bucket", "\(prefix)le=\"\(Self.number(bound))\"", String(count))
        }
        putSample(name + "_sum", labels, Self.number(histogram.sum))
        putSample(name + "_count", labels, String(count))
    }

    private mutating func putSample(_ name: String, _ labels: String, _ value: String) {
        put(labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n")
    }

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// A name that Prometheus takes: what it does not allow in one becomes an underscore.
    static func name(_ text: String) -> String { valid(text, alsoAllowed: UInt8(ascii: ":")) }

    /// Labels as they are written between the braces, ordered by name; of two with one name the first counts.
    static func labels(_ dimensions: [(String, String)]) -> String {
        var seen: Set<String> = []
        let labels = dimensions.compactMap { name, value -> (name: String, text: String)? in
            var name = valid(name, alsoAllowed: nil)
            // This name belongs to the buckets of histograms.
            if name == "le" { name = "exported_le" }
            return seen.insert(name).inserted ? (name, "\(name)=\"\(escaped(value, quotes: true))\"") : nil
        }
        return labels.sorted { $0.name < $1.name }.map(\.text).joined(separator: ",")
    }

    /// A number as Go reads it.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : value.description
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func valid(_ text: String, alsoAllowed: UInt8?) -> String {
        let bytes = text.utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
            default: byte == alsoAllowed ? byte : UInt8(ascii: "_")
            }
        }
        let isDigitFirst = bytes.first.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? true
        return (isDigitFirst ? "_" : "") + String(decoding: bytes, as: UTF8.self)
    }
}
