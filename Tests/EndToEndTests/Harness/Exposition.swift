/// The text that `GET /metrics` answers with, read as strictly as Prometheus and its linter read it.
struct Exposition {
    /// One line of numbers.
    struct Sample {
        let name: String
        let labels: [String: String]
        let value: Double
    }

    let samples: [Sample]
    /// The types by the names of metrics.
    let types: [String: String]

    /// A text that breaks the format.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    /// Reads a whole text.
    /// - Throws: at the first line that breaks the format.
    init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Malformed(description: "the last line has no end") }
        var samples: [Sample] = []
        var types: [String: String] = [:]
        var helped: Set<Substring> = []
        var seen: Set<String> = []
        var current = ""
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            if line.hasPrefix("# HELP ") {
                guard words.count == 4, !words[3].isEmpty, helped.insert(words[2]).inserted, types[String(words[2])] == nil else {
                    throw Malformed(description: "help: \(line)")
                }
            } else if line.hasPrefix("# TYPE ") {
                current = String(words[2])
                guard words.count == 4, ["counter", "gauge", "histogram"].contains(words[3]), types[current] == nil else {
                    throw Malformed(description: "type: \(line)")
                }
                types[current] = String(words[3])
            } else {
                let sample = try Sample(line)
                // All lines of a metric stand together, below its type.
                guard Self.metric(of: sample.name, types[current]) == current else { throw Malformed(description: "out of place: \(line)") }
                let series = sample.name + sample.labels.sorted { $0.key < $1.key }.map { "|\($0.key)=\($0.value)" }.joined()
                guard seen.insert(series).inserted else { throw Malformed(description: "twice: \(line)") }
                samples.append(sample)
            }
        }
        self.samples = samples
        self.types = types
        for (name, type) in types {
            guard helped.contains(name[...]) else { throw Malformed(description: "\(name) has no help") }
            if type == "histogram" { try checkHistogram(name) }
            if type == "counter" {
                guard name.hasSuffix("_total") else { throw Malformed(description: "\(name) is a counter without _total") }
                // Seconds have fractions.
                let isWhole = !name.hasSuffix("_seconds_total")
                let isRight = samples.filter { $0.name == name }.allSatisfy {
                    $0.value >= 0 && (!isWhole || $0.value == $0.value.rounded())
                }
                guard isRight else { throw Malformed(description: "\(name) counts no whole number") }
            }
        }
    }

    /// The value of a series, all of whose labels are named; nil where there is none.
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        samples.first { $0.name == name && $0.labels == labels }?.value
    }

    /// The sum of all series of a name that have these labels, whatever else they have.
    func sum(_ name: String, _ labels: [String: String] = [:]) -> Double {
        samples.filter { sample in sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value } }
            .reduce(0) { $0 + $1.value }
    }

    private static func metric(of name: String, _ type: String?) -> String {
        guard type == "histogram", let suffix = ["_bucket", "_sum", "_count"].first(where: { name.hasSuffix($0) }) else { return name }
        return String(name.dropLast(suffix.count))
    }

    private func checkHistogram(_ name: String) throws {
        func labels(_ sample: Sample) -> [String: String] { sample.labels.filter { $0.key != "le" } }
        let buckets = Dictionary(grouping: samples.filter { $0.name == name + "_bucket" }, by: labels)
        let counts = samples.filter { $0.name == name + "_count" }
        guard counts.count == buckets.count, samples.filter({ $0.name == name + "_sum" }).count == counts.count, !counts.isEmpty else {
            throw Malformed(description: "\(name) is incomplete")
        }
        for (labels, buckets) in buckets {
            let bounds = try buckets.map { try Sample.number($0.labels["le"] ?? "") }
            let isRising = zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }
            let isCumulative = zip(buckets, buckets.dropFirst()).allSatisfy { $0.value <= $1.value }
            guard isRising, isCumulative, bounds.last == .infinity, buckets.last?.value == value(name + "_count", labels),
                value(name + "_sum", labels) != nil
            else { throw Malformed(description: "\(name) \(labels) does not add up") }
        }
    }
}

extension Exposition.Sample {
    /// Reads `name{label="value",…} number`.
    init(_ line: Substring) throws {
        let problem = Exposition.Malformed(description: "sample: \(line)")
        var rest = line
        let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") }
        rest = rest.dropFirst(name.count)
        guard let first = name.first, !first.isNumber else { throw problem }
        var labels: [String: String] = [:]
        if rest.first == "{" {
            repeat {
                rest = rest.dropFirst()
                let label = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
                rest = rest.dropFirst(label.count)
                guard !label.isEmpty, label.first?.isNumber == false, rest.hasPrefix("=\"") else { throw problem }
                rest = rest.dropFirst(2)
                var value = ""
                while let character = rest.first, character != "\"" {
                    rest = rest.dropFirst()
                    guard character == "\\" else {
                        value.append(character)
                        continue
                    }
                    guard let escaped = rest.popFirst(), let meant = ["\\": "\\", "\"": "\"", "n": "\n"][escaped] else { throw problem }
                    value += meant
                }
                guard rest.popFirst() == "\"", labels.updateValue(value, forKey: String(label)) == nil else { throw problem }
            } while rest.first == ","
            guard rest.popFirst() == "}" else { throw problem }
        }
        guard rest.popFirst() == " " else { throw problem }
        self.init(name: String(name), labels: labels, value: try Self.number(String(rest)))
    }

    /// A number as Prometheus reads it.
    static func number(_ text: String) throws -> Double {
        switch text {
        case "+Inf": return .infinity
        case "-Inf": return -.infinity
        case "NaN": return .nan
        default:
            guard let number = Double(text), number.isFinite else { throw Exposition.Malformed(description: "number: \(text)") }
            return number
        }
    }
}
