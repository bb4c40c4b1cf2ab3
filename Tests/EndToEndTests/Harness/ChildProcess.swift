import Foundation
import Synchronization
import TestSupport

/// A program that runs beside the tests. What it writes goes to files, so that it never waits for a reader.
final class ChildProcess: Sendable {
    /// How a process ended.
    enum Exit: Sendable, Equatable {
        /// By itself, with a number.
        case status(Int32)
        /// By a signal.
        case signal(Int32)
    }

    /// Started one at a time: a child must not inherit what Foundation opens to watch another.
    private static let starting = Mutex(())
    /// In the background of a shell SIGINT is ignored, which children inherit: whoever sent it to one would wait for its end in vain.
    private static let isInterruptible: Void = { _ = Foundation.signal(SIGINT, SIG_DFL) }()
    /// What .ci/sanitize says about reports holds for the executable as well.
    private static let sanitizerOptions = ProcessInfo.processInfo.environment.filter { ["TSAN_OPTIONS", "ASAN_OPTIONS"].contains($0.key) }

    private let process: Process
    private let outputPath: String
    private let errorPath: String
    private let ended = Mutex<Exit?>(nil)

    /// The number of the process.
    var id: pid_t { process.processIdentifier }

    /// What it wrote to standard output so far.
    var standardOutput: String { Self.text(of: outputPath) }

    /// What it wrote to standard error so far.
    var standardError: String { Self.text(of: errorPath) }

    /// The files that it writes to.
    var outputPaths: [String] { [outputPath, errorPath] }

    /// How it ended; nil while it runs.
    var exit: Exit? { ended.withLock { $0 } }

    /// Starts the built `personas`.
    /// - Parameters:
    ///   - environment: all variables that it gets, beside those without which nothing runs.
    ///   - folder: the working directory, and the place of the output files.
    ///   - launcher: a program with its arguments that becomes `personas` after changing what it may do.
    convenience init(_ arguments: [String], environment: [String: String] = [:], folder: String, launcher: [String] = []) throws {
        let command = launcher + [try BuiltBinary.path()] + arguments
        try self.init(program: command[0], Array(command.dropFirst()), environment: environment, folder: folder)
    }

    /// Starts any program.
    /// - Parameters:
    ///   - environment: all variables that it gets, beside those without which nothing runs.
    ///   - folder: the working directory, and the place of the output files.
    init(program: String, _ arguments: [String], environment: [String: String], folder: String) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder, ProcessWarden.mark.name: ProcessWarden.mark.value]
            .merging(Self.sanitizerOptions) { $1 }.merging(environment) { $1 }
        let name = "\(folder)/.output-\(UUID().uuidString)"
        (outputPath, errorPath) = ("\(name).stdout", "\(name).stderr")
        process.standardInput = FileHandle.nullDevice
        let outputs = try [outputPath, errorPath].map { path in
            let descriptor = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        }
        process.standardOutput = outputs[0]
        process.standardError = outputs[1]
        process.terminationHandler = { [weak self] process in
            let exit = process.terminationReason == .exit ? Exit.status(process.terminationStatus) : .signal(process.terminationStatus)
            self?.ended.withLock { $0 = exit }
        }
        // The child has copies of its own. Those of a `Process` stay open for as long as the tests run, and with more than 1,300 open
        // descriptors Foundation reads past the end of their list when it starts the next one.
        defer { for output in outputs { try? output.close() } }
        try Self.starting.withLock { _ in
            Self.isInterruptible
            try process.run()
        }
        ProcessWarden.watch(process: process.processIdentifier)
    }

    deinit {
        signal(SIGKILL)
    }

    /// Sends a signal, unless the process has ended.
    func signal(_ number: Int32) {
        if process.isRunning { Foundation.kill(process.processIdentifier, number) }
    }

    /// Waits for the end. A process that does not end in time is killed.
    func exit(within limit: Duration = timeout) async throws -> Exit {
        do {
            return try await eventually("the end of process \(id)", within: limit, detail: { self.standardError }) { exit }
        } catch {
            signal(SIGKILL)
            throw error
        }
    }

    /// Kills it, as a power cut would, and waits until it is gone.
    func kill() async throws {
        signal(SIGKILL)
        _ = try await exit()
    }

    private static func text(of path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }
}

/// The executable under test.
enum BuiltBinary {
    struct Missing: Error, CustomStringConvertible {
        let path: String
        var description: String { "there is no executable \(path): build it with swift build --product personas" }
    }

    /// It lies beside the executable that runs the tests.
    static func path() throws -> String {
        #if os(Linux)
            let runner = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let folder = (runner as NSString).deletingLastPathComponent
        #else
            let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? .main
            let folder = (bundle.bundlePath as NSString).deletingLastPathComponent
        #endif
        let path = folder + "/personas"
        guard FileManager.default.isExecutableFile(atPath: path) else { throw Missing(path: path) }
        return path
    }
}

/// A shell that outlives the tests by a moment, to end what they left running and to remove their folders, however they end.
///
/// It is told through a pipe, whose end tells it that this process is gone. Before it kills a process it looks for the mark that all
/// children carry in their environment, because the numbers of processes are used again.
enum ProcessWarden {
    /// What children carry in their environment.
    static let mark = (name: "END_TO_END_TEST_RUN", value: UUID().uuidString)

    private static let script = """
        trap '' INT TERM HUP
        while read -r kind value; do
            case "$kind" in
                process) processes="$processes $value" ;;
                folder) folders="$folders $value" ;;
            esac
        done
        for process in $processes; do
            if tr '\\0' '\\n' 2>/dev/null < "/proc/$process/environ" | grep -qx '\(mark.name)=\(mark.value)'; then kill -9 "$process"; fi
        done
        for folder in $folders; do
            if mountpoint -q "$folder/data" 2>/dev/null; then umount -l "$folder/data"; fi
            rm -rf "$folder"
        done
        """

    private static let pipe: FileHandle? = {
        var descriptors: [Int32] = [-1, -1]
        guard Foundation.pipe(&descriptors) == 0 else { return nil }
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-c", script]
        shell.standardInput = FileHandle(fileDescriptor: descriptors[0], closeOnDealloc: true)
        shell.standardOutput = FileHandle.nullDevice
        shell.standardError = FileHandle.nullDevice
        guard (try? shell.run()) != nil else { return nil }
        return FileHandle(fileDescriptor: descriptors[1], closeOnDealloc: false)
    }()
    private static let order = Mutex(())

    /// Has a process killed at the end, if it should still run.
    static func watch(process: pid_t) { tell("process \(process)") }

    /// Has a folder removed at the end, if it should still be there.
    static func watch(folder: String) { tell("folder \(folder)") }

    private static func tell(_ line: String) {
        order.withLock { _ in try? pipe?.write(contentsOf: Data((line + "\n").utf8)) }
    }
}
