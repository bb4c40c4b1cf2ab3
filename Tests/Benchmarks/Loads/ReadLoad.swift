import Foundation
import TestSupport

/// GET requests from wrk: one thread, so that the server has the larger part of two cores, and 64 connections that stay open.
///
/// All loads go through the same script, with the same headers, so that hello costs the load generator what the others do.
struct ReadLoad {
    /// What a run came to.
    struct Outcome {
        /// How many answers came.
        let requests: Double
        /// Answers per second.
        let rate: Double
        /// Processor time of the server per answer, in microseconds.
        let processorMicroseconds: Double
        /// What 99 of 100 answers came within, as the client saw it.
        let slowestHundredthMicroseconds: Double
        /// What neither the server nor wrk had of the machine.
        let foreign: ForeignShare
    }

    static let connections = 64

    private static let script = """
        local requests = {}

        function init(arguments)
            local headers = {}
            if arguments[2] ~= "-" then headers["X-Api-Key"] = arguments[2] end
            math.randomseed(tonumber(arguments[3]))
            for path in io.lines(arguments[1]) do
                requests[#requests + 1] = wrk.format("GET", path, headers)
            end
        end

        function request()
            return requests[math.random(#requests)]
        end

        function done(summary, latency, requests)
            local errors = summary.errors
            io.write(string.format("result %d %d %d %d %d\\n", summary.requests, summary.duration, errors.status,
                errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99)))
        end

        """

    let wrk: String
    let scriptPath: String
    let pathsPath: String
    let seconds: Int

    init(directory: String, seconds: Int) throws {
        wrk = try Program.path(of: "wrk")
        scriptPath = "\(directory)/requests.lua"
        pathsPath = "\(directory)/paths.txt"
        self.seconds = seconds
        try Self.script.write(toFile: scriptPath, atomically: true, encoding: .utf8)
    }

    /// Asks for the paths in random order, again and again, and makes sure that every answer is of the expected status.
    /// - Parameter beside: processor time so far of what works for the server in other processes, in seconds.
    func run(
        _ server: ServerProcess, paths: [String], key: String?, expecting status: Int, seed: Int, connections: Int = ReadLoad.connections,
        beside: () throws -> Double = { 0 }
    ) throws -> Outcome {
        try (paths.joined(separator: "\n") + "\n").write(toFile: pathsPath, atomically: false, encoding: .utf8)
        // wrk tells failures from successes only; the exact status is looked at in a few answers of our own.
        for path in paths.prefix(20) {
            let answer = try Connection(port: server.port).exchange("GET", path, key: key)
            guard answer.status == status else {
                throw MeasurementFailed("GET \(path) was answered with \(answer.status) rather than \(status)")
            }
        }
        let (before, processorSeconds, secondsBeside) = (ProcessorUse.now, try server.processorSeconds(), try beside())
        let output = try Program.output(
            wrk,
            [
                "--threads", "1", "--connections", "\(connections)", "--duration", "\(seconds)s", "--timeout", "10s", "--script",
                scriptPath,
                "http://127.0.0.1:\(server.port)/", "--", pathsPath, key ?? "-", "\(seed)",
            ])
        let spent = try server.processorSeconds() - processorSeconds
        let foreign = ProcessorUse.now.foreign(since: before, own: try spent + beside() - secondsBeside)
        server.emptyLog()
        let numbers = output.split(separator: "\n").first { $0.hasPrefix("result ") }?.split(separator: " ").compactMap { Double($0) } ?? []
        guard numbers.count == 5, numbers[0] > 0, numbers[3] == 0 else { throw MeasurementFailed("wrk did not get its answers: \(output)") }
        guard numbers[2] == (status >= 400 ? numbers[0] : 0) else {
            throw MeasurementFailed("of \(Int(numbers[0])) answers, expected with \(status), \(Int(numbers[2])) were errors")
        }
        return Outcome(
            requests: numbers[0], rate: numbers[0] / (numbers[1] / 1_000_000), processorMicroseconds: spent / numbers[0] * 1_000_000,
            slowestHundredthMicroseconds: numbers[4], foreign: foreign)
    }
}
