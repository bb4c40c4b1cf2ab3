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
                // The lock may be held by the very thread that was interrupted; then a child stays, rather than that no process goes.
                ChildProcesses.running.withLockIfAvailable { for id in $0 { kill(id, SIGTERM) } }
                _exit(1)
            }
        }
    }
}

/// A program that runs to its end.
package enum Program {
    /// Runs it and returns what it wrote to its standard output.
    package static func output(_ executable: String, _ arguments: [String]) throws -> String {
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
    package static func path(of name: String) throws -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        guard let found = folders.map({ "\($0)/\(name)" }).first(where: FileManager.default.isExecutableFile) else {
            throw MeasurementFailed("\(name) is not installed; .ci/benchmark installs it")
        }
        return found
    }
}
