import Foundation
import TestSupport

/// The start of the service, its memory without requests, and its memory with the largest of them.
struct MemoryMeasurements {
    private static let starts = 5
    private static let largeCreates = 8
    /// Large creates that each connection makes, so that what one leaves behind counts as well.
    private static let largeCreatesEach = 3

    let personas: String
    let store: BenchmarkStore

    func run(_ report: inout Report) throws {
        try measureStart(&report)
        try measureLargeCreates(&report)
    }

    private func measureStart(_ report: inout Report) throws {
        var secondsToListening: [Double] = []
        var secondsToHealth: [Double] = []
        var memory: [Double] = []
        for _ in 0..<Self.starts {
            // The line may come later than the first connection is taken, because the log is written in the background; hence a known port.
            let port = try Self.freePort()
            let health = FirstAnswer(port: port)
            let server = try ServerProcess.personas(personas, store: store, port: port)
            defer { server.stop() }
            secondsToListening.append(server.secondsToListening)
            secondsToHealth.append(try health.seconds())
        }
        for _ in 0..<Self.starts {
            let server = try ServerProcess.personas(personas, store: store)
            defer { server.stop() }
            usleep(500_000)
            memory.append(Double(try server.memoryBytes("VmRSS")) / 1_000_000)
        }
        report.add("start", "from exec to the first answer of /healthz", value: secondsToHealth.median, unit: " s", target: .below(0.3))
        report.add("", "from exec to the line in the log", value: secondsToListening.median, unit: " s", target: .below(0.3))
        report.add("memory, idle", "resident after the start, before any request", value: memory.median, unit: " MB", target: .below(60))
    }

    private func measureLargeCreates(_ report: inout Report) throws {
        let server = try ServerProcess.personas(personas, store: store)
        defer { server.stop() }
        let load = CreateLoad(port: server.port, key: store.key, imageWidth: 1_732)
        let inFlight = Double(load.nextBody().count * Self.largeCreates) / 1_000_000
        let outcome = try load.creates(connections: Self.largeCreates, each: Self.largeCreatesEach)
        let peak = Double(try server.memoryBytes("VmHWM")) / 1_000_000
        report.add(
            "memory, \(Self.largeCreates) creates of 3 × 3 MB at once",
            "peak with \(Int(inFlight)) MB of bodies in flight, \(Report.number(outcome.rate)) creates/s", value: peak, unit: " MB",
            target: .below(3 * inFlight + 100))
        try load.delete(outcome.ids)
        usleep(2_000_000)
        report.add("", "resident 2 s after", value: Double(try server.memoryBytes("VmRSS")) / 1_000_000, unit: " MB")
    }

    /// A port that was free a moment ago.
    private static func freePort() throws -> Int {
        let (descriptor, port) = try Socket.bind(.port(0))
        close(descriptor)
        return port
    }
}

/// Asks a port for /healthz until it answers, from a thread of its own.
private final class FirstAnswer: Sendable {
    private let watch = Stopwatch()
    private let result = ResultBox()
    private let done = DispatchSemaphore(value: 0)

    init(port: Int) {
        Thread { [watch, result, done] in
            while watch.seconds < 30 {
                if let answer = try? Connection(port: port).exchange("GET", "/healthz"), answer.status == 200 {
                    result.set(watch.seconds)
                    break
                }
                usleep(1_000)
            }
            done.signal()
        }.start()
    }

    /// Seconds from the making of this to the answer.
    func seconds() throws -> Double {
        done.wait()
        guard let seconds = result.get() else { throw MeasurementFailed("/healthz did not answer within 30 s") }
        return seconds
    }
}
