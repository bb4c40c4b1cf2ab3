package import Foundation
import TestSupport

/// A PostgreSQL server of this process's own: in a temporary folder, on a Unix socket that no other user reaches, and gone with the process.
package final class PostgresServer: Sendable {
    /// The user that may do everything.
    package static let user = "personas"
    /// Where the programs are looked for: those that .ci/test-tools has unpacked, and Debian's own.
    private static let programFolders = [
        URL(fileURLWithPath: TestTools.tests).deletingLastPathComponent().path + "/.build/postgresql/usr/lib/postgresql/15/bin",
        "/usr/lib/postgresql/15/bin",
    ]
    private static let startSecondsMax = 60

    /// Whether there are programs to start one with.
    package static var isInstalled: Bool { programs != nil }

    private static var programs: String? {
        programFolders.first { FileManager.default.isExecutableFile(atPath: $0 + "/initdb") }
    }

    /// The server that most tests share, started by the first that asks.
    package static let shared = Result { try PostgresServer() }

    /// The folder of its socket and all of its files.
    package let folder: String
    /// The number of its first process.
    package let id: pid_t
    private let programs: String
    private let wrapper: Process
    /// Nothing is ever written to it: the server ends when it does, and it ends with this process, however that comes about.
    private let life: Pipe

    /// Makes a server and starts it.
    /// - Parameter settings: of the server, beside those that make it small, such as `synchronous_commit=off`.
    package init(settings: [String] = []) throws {
        guard let programs = Self.programs else {
            throw MeasurementFailed("PostgreSQL is not installed; .ci/test-tools unpacks it")
        }
        self.programs = programs
        folder = try TemporaryFolder.make("pg", inMemory: true)
        // It refuses to be anybody who may do everything.
        let isRoot = geteuid() == 0
        if isRoot { chown(folder, 65_534, 65_534) }
        let asOther = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
        let made = try Program.run(
            "env",
            asOther + [
                programs + "/initdb", "-D", folder + "/data", "-U", Self.user, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                "--no-sync",
            ])
        guard made.status == 0 else { throw MeasurementFailed("initdb ended with \(made.status): \(made.errors)") }

        let own = [
            "listen_addresses=", "unix_socket_directories=\(folder)", "max_connections=200", "shared_buffers=16MB", "jit=off",
            "max_wal_size=256MB",
            "autovacuum=off", "deadlock_timeout=100ms", "log_min_messages=fatal",
        ]
        let command = asOther + [programs + "/postgres", "-D", folder + "/data"] + (own + settings).flatMap { ["-c", $0] }
        life = Pipe()
        wrapper = Process()
        wrapper.executableURL = URL(fileURLWithPath: "/bin/sh")
        let script = """
            folder=$1; shift
            "$@" >"$folder/log" 2>&1 &
            trap '' INT TERM
            read -r _
            kill -QUIT $!; kill -CONT $!
            wait $!
            rm -rf "$folder"
            """
        wrapper.arguments = ["-c", script, "postgres", folder] + command
        wrapper.standardInput = life
        wrapper.standardOutput = FileHandle.nullDevice
        wrapper.standardError = FileHandle.nullDevice
        // Signals that a thread of the runtime holds back would be held back there as well.
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(Int32(SIG_SETMASK), &none, &before)
        defer { pthread_sigmask(Int32(SIG_SETMASK), &before, nil) }
        try wrapper.run()
        id = try Self.awaitStart(in: folder)
    }

    /// Ends it.
    package func stop() {
        try? life.fileHandleForWriting.close()
        wrapper.waitUntilExit()
    }

    /// Where a database of it is, for libpq.
    package func address(of database: String) -> String { "host=\(folder) user=\(Self.user) dbname=\(database)" }

    /// The path of its socket.
    package var socketPath: String { folder + "/.s.PGSQL.5432" }

    /// Processor time of all of its processes so far, in seconds.
    package func processorSeconds() throws -> Double { try ProcessorTime.secondsWithChildren(of: id) }

    /// Runs statements in a database, apart from what is tested. Returns what they bring, a row a line, columns apart by `|`.
    @discardableResult
    package func run(_ sql: String, in database: String = "postgres") throws -> String {
        try Program.output(
            programs + "/psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", address(of: database), "-c", sql]
        ).trimmingCharacters(in: .newlines)
    }

    /// Lends a database of its own, which is gone afterwards.
    /// - Parameter template: the database that it is a copy of.
    package func withDatabase<Value>(like template: String = "template1", _ body: (_ name: String) async throws -> Value) async throws
        -> Value
    {
        let name = "t" + UUID().uuidString.prefix(8).lowercased()
        try run("CREATE DATABASE \(name) TEMPLATE \(template)")
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await body(name)) } catch { outcome = .failure(error) }
        try run("DROP DATABASE \(name) WITH (FORCE)")
        return try outcome.get()
    }

    /// Has all of its processes stand still, or go on.
    package func hold(_ isHeld: Bool) throws {
        let children = try String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8).split(separator: " ")
        for process in [id] + children.compactMap({ pid_t($0) }) { kill(process, isHeld ? SIGSTOP : SIGCONT) }
    }

    /// Waits until its file says that it is ready.
    private static func awaitStart(in folder: String) throws -> pid_t {
        let end = ContinuousClock.now + .seconds(startSecondsMax)
        while ContinuousClock.now < end {
            let lines = (try? String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8))?.split(separator: "\n") ?? []
            if let last = lines.last, last.hasPrefix("ready"), let id = lines.first.flatMap({ pid_t($0) }) { return id }
            usleep(5_000)
        }
        let log = (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? ""
        throw MeasurementFailed("PostgreSQL did not start within \(startSecondsMax) s: \(log)")
    }
}
