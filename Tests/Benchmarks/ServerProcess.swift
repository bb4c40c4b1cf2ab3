import Foundation
import Synchronization

/// A server under measurement: started, found by the address in its log, asked for its memory and processor time, stopped.
final class ServerProcess {
    /// The longest that a start may take before it counts as failed.
    private static let startSecondsMax = 30.0
    private static let stopSecondsMax = 30.0

    private let process: Process
    private let logPath: String
    /// Where it listens, on 127.0.0.1.
    let port: Int
    /// Seconds from just before the start to the line that it listens.
    let secondsToListening: Double

    /// The service with its defaults, on a free port, its log going to a file.
    /// - Parameter isLimited: whether each key is held to the default limits, which most loads of one key would meet at once.
    static func personas(_ executable: String, store: BenchmarkStore, port: Int = 0, isLimited: Bool = false) throws -> ServerProcess {
        let unlimited =
            ["reads-per-second", "writes-per-second"].flatMap { ["--\($0)", "1000000"] } + ["--requests-in-flight-max", "1024"]
        return try ServerProcess(
            executable, ["serve", "--data", store.directory, "--port", "\(port)"] + (isLimited ? [] : unlimited),
            logPath: "\(store.directory).log")
    }

    /// The bare server of this executable.
    static func hello(logPath: String) throws -> ServerProcess {
        try ServerProcess(CommandLine.arguments[0], ["hello"], logPath: logPath)
    }

    private init(_ executable: String, _ arguments: [String], logPath: String) throws {
        self.logPath = logPath
        _ = FileManager.default.createFile(atPath: logPath, contents: nil)
        let descriptor = open(logPath, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { throw MeasurementFailed("\(logPath) cannot be written") }
        process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        let start = Stopwatch()
        try process.run()
        ChildProcesses.add(process.processIdentifier)
        port = try Self.awaitPort(in: logPath, of: process)
        secondsToListening = start.seconds
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
    func stop() {
        process.terminate()
        let waited = Stopwatch()
        while process.isRunning, waited.seconds < Self.stopSecondsMax { usleep(2_000) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        ChildProcesses.remove(process.processIdentifier)
    }

    /// Throws the log away, which grows by megabytes a second under load.
    func emptyLog() { truncate(logPath, 0) }

    /// A value of `/proc/PID/status` in bytes: `VmRSS`, the resident memory, or `VmHWM`, its peak so far.
    func memoryBytes(_ name: String) throws -> Int {
        let text = try proc("status")
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + ":") }),
            let kibibytes = Int(line.filter(\.isNumber))
        else {
            throw MeasurementFailed("/proc has no \(name)")
        }
        return kibibytes * 1_024
    }

    /// Processor time used so far by all threads, user and system, in seconds.
    func processorSeconds() throws -> Double {
        // Behind the name in brackets stand the state and further fields; user and system time are the 12th and 13th of those.
        let fields = try proc("stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw MeasurementFailed("/proc has no processor time")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private func proc(_ file: String) throws -> String {
        guard let text = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/\(file)", encoding: .utf8) else {
            throw MeasurementFailed("a server is gone; see \(logPath)")
        }
        return text
    }
}

/// Time since it was made, by a clock that nobody sets.
struct Stopwatch {
    private let start = ContinuousClock.now

    var seconds: Double { start.duration(to: .now) / .seconds(1) }
}

/// The processes that must not outlive this one.
enum ChildProcesses {
    private static let running = Mutex<Set<pid_t>>([])

    static func add(_ id: pid_t) { running.withLock { _ = $0.insert(id) } }

    static func remove(_ id: pid_t) { running.withLock { _ = $0.remove(id) } }

    /// Ends all that still run.
    static func endAll() {
        for id in running.withLock({ $0 }) { kill(id, SIGTERM) }
    }

    /// Ends them also when this process is interrupted.
    ///
    /// A handler, not a blocked or ignored signal, because children inherit those.
    static func endWithThisProcess() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                // The lock may be held by the very thread that was interrupted; then a child stays, rather than nobody goes.
                ChildProcesses.running.withLockIfAvailable { for id in $0 { kill(id, SIGTERM) } }
                _exit(1)
            }
        }
    }
}

/// A program that runs to its end.
enum Program {
    /// Runs it and returns what it wrote to its standard output.
    static func output(_ executable: String, _ arguments: [String]) throws -> String {
        let process = Process()
        let (pipe, errorPipe) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = errorPipe
        try process.run()
        ChildProcesses.add(process.processIdentifier)
        defer { ChildProcesses.remove(process.processIdentifier) }
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        // A few lines at most, which fit the pipe until they are read here.
        let errors = String(decoding: errorPipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw MeasurementFailed("\(executable) \(arguments.first ?? "") ended with \(process.terminationStatus): \(errors)")
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// The path of a program, looked up in `PATH`.
    static func path(of name: String) throws -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        guard let found = folders.map({ "\($0)/\(name)" }).first(where: FileManager.default.isExecutableFile) else {
            throw MeasurementFailed("\(name) is not installed; .ci/benchmark installs it")
        }
        return found
    }
}
