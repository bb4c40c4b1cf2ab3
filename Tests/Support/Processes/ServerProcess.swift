package import Foundation

/// A server under measurement: started, found by the address in its log, asked for its memory and processor time, stopped.
package final class ServerProcess: Sendable {
    /// The longest that a start may take before it counts as failed.
    private static let startSecondsMax = 30.0
    private static let stopSecondsMax = 30.0

    private let process: Process
    private let logPath: String
    /// Where it listens, on 127.0.0.1.
    package let port: Int
    /// Seconds from just before the start to the line that it listens.
    package let secondsToListening: Double

    /// The service on a free port, unless told otherwise, its log going to a file.
    /// - Parameters:
    ///   - data: its data folder.
    ///   - flags: of `serve`, beyond the folder and the port.
    ///   - launcher: a program with its arguments that becomes the service after changing what it may do.
    ///   - environment: variables that it gets beside those of this process.
    package static func personas(
        _ executable: String, data: String, port: Int = 0, flags: [String] = [], launcher: [String] = [],
        environment: [String: String] = [:]
    ) throws -> ServerProcess {
        let command = launcher + [executable, "serve", "--data", data, "--port", "\(port)", "--drain-seconds", "0"] + flags
        return try ServerProcess(command[0], Array(command.dropFirst()), logPath: "\(data).log", environment: environment)
    }

    /// A server that says in its log where it listens.
    package init(_ executable: String, _ arguments: [String], logPath: String, environment: [String: String] = [:]) throws {
        self.logPath = logPath
        _ = FileManager.default.createFile(atPath: logPath, contents: nil)
        let descriptor = open(logPath, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { throw MeasurementFailed("\(logPath) cannot be written") }
        process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        if !environment.isEmpty { process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 } }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        let start = Stopwatch()
        try Self.run(process)
        ChildProcesses.add(process.processIdentifier)
        port = try Self.awaitPort(in: logPath, of: process)
        secondsToListening = start.seconds
    }

    /// Threads of the runtime hold all signals back, which a process inherits; one that does not ask for them could not be told to stop.
    private static func run(_ process: Process) throws {
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(Int32(SIG_SETMASK), &none, &before)
        defer { pthread_sigmask(Int32(SIG_SETMASK), &before, nil) }
        try process.run()
    }

    private static func awaitPort(in logPath: String, of process: Process) throws -> Int {
        let address = "http://127.0.0.1:"
        let waited = Stopwatch()
        while waited.seconds < startSecondsMax {
            let log = String(decoding: FileManager.default.contents(atPath: logPath) ?? Data(), as: UTF8.self)
            if let line = log.split(separator: "\n").first(where: { $0.contains("listening") && $0.contains(address) }),
                log.hasSuffix("\n"),
                let range = line.range(of: address), let port = Int(line[range.upperBound...].prefix { $0.isNumber })
            {
                return port
            }
            guard process.isRunning else { throw MeasurementFailed("a server ended at its start: \(log)") }
            usleep(500)
        }
        throw MeasurementFailed("a server did not start within \(Int(startSecondsMax)) s; see \(logPath)")
    }

    /// Stops it as an operator would, and makes sure that it is gone.
    package func stop() {
        process.terminate()
        let waited = Stopwatch()
        while process.isRunning, waited.seconds < Self.stopSecondsMax { usleep(2_000) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        ChildProcesses.remove(process.processIdentifier)
    }

    /// Throws the log away, which grows by megabytes a second under load.
    package func emptyLog() { truncate(logPath, 0) }

    /// The lines that it has logged since the log was last emptied.
    package var logLines: [Substring] {
        String(decoding: FileManager.default.contents(atPath: logPath) ?? Data(), as: UTF8.self).split(separator: "\n")
    }

    /// The number of the process.
    package var id: pid_t { process.processIdentifier }

    /// Whether it has not ended.
    package var isRunning: Bool { process.isRunning }

    /// How many file descriptors it has open.
    package func descriptorCount() throws -> Int {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.processIdentifier)/fd") else {
            throw MeasurementFailed("a server is gone; see \(logPath)")
        }
        return names.count
    }

    /// A value of `/proc/PID/status` in bytes: `VmRSS`, the resident memory, or `VmHWM`, its peak so far.
    package func memoryBytes(_ name: String) throws -> Int {
        try ProcessMemory.bytes(name, of: id)
    }

    /// Processor time used so far by all threads, user and system, in seconds.
    package func processorSeconds() throws -> Double { try ProcessorTime.seconds(of: id) }
}
