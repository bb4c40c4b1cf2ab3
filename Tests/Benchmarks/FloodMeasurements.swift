import Foundation
import Synchronization
import TestSupport

/// What a flood under one key costs the reads of another, with the limits that a server has by default.
///
/// The flood goes from this machine too, and takes processor time that it would not take from elsewhere; so the same flood against a bare server
/// in another process is measured as well, which tells what of the loss the service could do nothing about.
struct FloodMeasurements {
    /// Between the reads of the quiet key, so that it is far below its own limits.
    private static let pauseMicroseconds: UInt32 = 5_000

    let personas: String
    let store: BenchmarkStore
    let seconds: Int
    let rounds: Int
    let quiet: QuietMachine

    /// How the quiet key fared.
    private struct Latencies {
        let medianMicroseconds: Double
        let slowestHundredthMicroseconds: Double
        let isDisturbed: Bool

        init(_ microseconds: [Double], isDisturbed: Bool) {
            self.isDisturbed = isDisturbed
            let sorted = microseconds.sorted()
            medianMicroseconds = sorted.median
            slowestHundredthMicroseconds = sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
        }
    }

    func run(_ report: inout Report) throws {
        let quietKey = try Program.output(personas, ["keys", "create", "--account", "Account 1", "--data", store.directory])
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let server = try ServerProcess.personas(personas, store: store, isLimited: true)
        defer { server.stop() }
        try measureReads(server, quietKey, &report)
        try measureCreates(server, quietKey, &report)
    }

    private func measureReads(_ server: ServerProcess, _ quietKey: String, _ report: inout Report) throws {
        let directory = URL(fileURLWithPath: store.directory).deletingLastPathComponent().path
        let flood = try Flood(directory: directory, key: store.key, seconds: seconds)
        let hello = try ServerProcess.hello(logPath: "\(directory)/hello.log")
        defer { hello.stop() }
        var alone: [Latencies] = []
        var beside: [Latencies] = []
        var under: [Latencies] = []
        var refused: [Double] = []
        for round in 1...rounds {
            quiet.wait()
            alone.append(try latencies(server, quietKey) {})
            beside.append(try latencies(server, quietKey) { _ = try flood.run(on: hello.port, path: "/hello") })
            under.append(
                try latencies(server, quietKey) { refused.append(try flood.run(on: server.port, path: "/v2/personas?limit=20")) })
            server.emptyLog()
            Console.note("Flood, round \(round) of \(rounds): the median read took \(Int(under.last?.medianMicroseconds ?? 0)) µs")
        }
        for (name, figure) in [("median", \Latencies.medianMicroseconds), ("99 of 100", \Latencies.slowestHundredthMicroseconds)] {
            func micros(_ all: [Latencies]) -> Double { all.map { $0[keyPath: figure] }.median }
            report.add(
                "read beside a flood of another key, \(name)",
                "\(Report.number(micros(under))) µs; alone \(Report.number(micros(alone))), flood elsewhere \(Report.number(micros(beside)))",
                value: micros(under) / micros(beside), unit: " × flood elsewhere")
        }
        report.add("flood, share of its requests refused", "\(Report.number(refused.median * 100)) %")
    }

    /// The same with creates, which also wait for the disk and for the one writer.
    private func measureCreates(_ server: ServerProcess, _ quietKey: String, _ report: inout Report) throws {
        let load = CreateLoad(port: server.port, key: store.key, imageWidth: 141)
        var alone: [Latencies] = []
        var under: [Latencies] = []
        var created: [String] = []
        var refused = 0
        for round in 1...rounds {
            quiet.wait()
            alone.append(try latencies(server, quietKey) {})
            under.append(
                try latencies(server, quietKey) {
                    let outcome = try load.flood(connections: ReadLoad.connections, seconds: Double(seconds))
                    created += outcome.ids
                    refused += outcome.refused
                })
            server.emptyLog()
            Console.note(
                "Flood of creates, round \(round) of \(rounds): the median read took \(Int(under.last?.medianMicroseconds ?? 0)) µs")
        }
        try load.delete(created)
        let medians = (under.map(\.medianMicroseconds).median, alone.map(\.medianMicroseconds).median)
        report.add(
            "read beside a flood of creates, median",
            "\(Report.number(medians.0)) µs; alone \(Report.number(medians.1)); \(created.count) were created, \(refused) refused",
            value: medians.0 / medians.1, unit: " × alone", target: .atMost(1.5),
            isDisturbed: (alone + under).contains(where: \.isDisturbed))
    }

    /// Reads with the quiet key, one after another, for as long as `meanwhile` takes, and at least a second.
    private func latencies(_ server: ServerProcess, _ key: String, meanwhile: () throws -> Void) throws -> Latencies {
        let port = server.port
        let isOver = Atomic(false)
        let done = DispatchSemaphore(value: 0)
        let outcome = Mutex<Result<[Double], any Error>>(.success([]))
        let thread = Thread {
            let result = Result { () throws -> [Double] in
                let connection = try Connection(port: port)
                var microseconds: [Double] = []
                let whole = Stopwatch()
                while !isOver.load(ordering: .relaxed) || whole.seconds < 1 {
                    let watch = Stopwatch()
                    let answer = try connection.exchange("GET", "/v2/personas?limit=1", key: key)
                    guard answer.status == 200 else { throw MeasurementFailed("the quiet key was answered with \(answer.status)") }
                    microseconds.append(watch.seconds * 1_000_000)
                    usleep(Self.pauseMicroseconds)
                }
                return microseconds
            }
            outcome.withLock { $0 = result }
            done.signal()
        }
        let (before, processorSeconds) = (ProcessorUse.now, try server.processorSeconds())
        thread.start()
        let result = Result { try meanwhile() }
        isOver.store(true, ordering: .relaxed)
        done.wait()
        try result.get()
        let foreign = ProcessorUse.now.foreign(since: before, own: try server.processorSeconds() - processorSeconds)
        return Latencies(try outcome.withLock { $0 }.get(), isDisturbed: !foreign.isQuiet)
    }
}

/// One key that sends on 64 connections as fast as it is answered, whatever the answers say.
private struct Flood {
    private let wrk: String
    private let script: String
    private let seconds: Int

    init(directory: String, key: String, seconds: Int) throws {
        wrk = try Program.path(of: "wrk")
        script = "\(directory)/flood.lua"
        self.seconds = seconds
        let text = """
            wrk.headers["X-Api-Key"] = "\(key)"
            function done(summary, latency, requests)
                io.write(string.format("result %d %d\\n", summary.requests, summary.errors.status))
            end
            """
        try text.write(toFile: script, atomically: true, encoding: .utf8)
    }

    /// Floods a server. Returns the share of requests that were refused.
    func run(on port: Int, path: String) throws -> Double {
        let output = try Program.output(
            wrk,
            [
                "--threads", "1", "--connections", "\(ReadLoad.connections)", "--duration", "\(seconds)s", "--timeout", "10s", "--script",
                script, "http://127.0.0.1:\(port)\(path)",
            ])
        let numbers = output.split(separator: "\n").first { $0.hasPrefix("result ") }?.split(separator: " ").compactMap { Double($0) } ?? []
        guard numbers.count == 2, numbers[0] > 0 else { throw MeasurementFailed("the flood got no answers: \(output)") }
        return numbers[1] / numbers[0]
    }
}
