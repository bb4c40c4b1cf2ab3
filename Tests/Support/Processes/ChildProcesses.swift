import Foundation
import Synchronization

/// The processes that must not outlive this one.
package enum ChildProcesses {
    private static let running = Mutex<Set<pid_t>>([])

    static func add(_ id: pid_t) { running.withLock { _ = $0.insert(id) } }

    static func remove(_ id: pid_t) { running.withLock { _ = $0.remove(id) } }

    /// Ends all that still run.
    package static func endAll() {
        for id in running.withLock({ $0 }) { kill(id, SIGTERM) }
    }

    /// Ends them also when this process is interrupted.
    ///
    /// A handler, not a blocked or ignored signal, because children inherit those.
    package static func endWithThisProcess() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                // The lock may be held by the very thread that was interrupted; then a child stays, rather than no process goes.
                ChildProcesses.running.withLockIfAvailable { for id in $0 { kill(id, SIGTERM) } }
                _exit(1)
            }
        }
    }
}

/// A program that runs to its end.
package enum Program {
    /// Runs it to its end.
    /// - Parameter name: its path, or what it is called in `PATH`.
    package static func run(_ name: String, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let process = Process()
        let (pipe, errorPipe) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: name.contains("/") ? name : try path(of: name))
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = errorPipe
        try process.run()
        ChildProcesses.add(process.processIdentifier)
        defer { ChildProcesses.remove(process.processIdentifier) }
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        // A few lines at most, which fit the pipe until they are read here.
        let errors = errorPipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self), String(decoding: errors, as: UTF8.self))
    }

    /// Runs it and returns what it wrote to its standard output.
    /// - Throws: `MeasurementFailed` where it ends with another status than 0.
    package static func output(_ name: String, _ arguments: [String]) throws -> String {
        let (status, output, errors) = try run(name, arguments)
        guard status == 0 else { throw MeasurementFailed("\(name) \(arguments.first ?? "") ended with \(status): \(errors)") }
        return output
    }

    /// The path of a program, looked up in `PATH`.
    package static func path(of name: String) throws -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        guard let found = folders.map({ "\($0)/\(name)" }).first(where: FileManager.default.isExecutableFile) else {
            throw MeasurementFailed("\(name) is not installed; .ci/benchmark installs it")
        }
        return found
    }
}
