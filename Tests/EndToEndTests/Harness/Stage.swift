import Foundation
import Personas
import Synchronization
import TestSupport
import Testing

/// A data folder of its own and the processes that work on it. Everything ends, and the folder goes, with the call of `run`.
final class Stage: Sendable {
    /// Stages at once: more processes than that keep two cores from finishing anything in time.
    private static let places = AsyncSemaphore(count: 4)

    /// The working directory of all processes.
    let folder: String
    /// What they get as `--data`.
    var data: String { folder + "/data" }
    /// What commands say on standard error that aim at a running server, where there is none.
    var noServerNote: String { "personas: no server runs on \(data); this takes effect when one does\n" }
    /// The database and the bucket that take the place of the data folder, where the tests run on these.
    private let place: SharedDatabase?
    private let processes = Mutex<[ChildProcess]>([])

    private init() async throws {
        folder = try TemporaryFolder.make("personas")
        ProcessWarden.watch(folder: folder)
        place = SharedDatabase.isWanted ? try await SharedDatabase.make(secretsKeyFile: folder + "/secrets.key") : nil
    }

    /// For stages that bring a database of their own.
    private init(withoutPlace: Void) throws {
        folder = try TemporaryFolder.make("personas")
        ProcessWarden.watch(folder: folder)
        place = nil
    }

    /// Runs a test on a stage, when it is its turn.
    static func run<Value>(_ body: (Stage) async throws -> Value) async throws -> Value {
        guard await places.enter() == .admitted else { throw CancellationError() }
        defer { places.leave() }
        let stage = try await Stage()
        let result: Result<Value, any Error>
        do { result = .success(try await body(stage)) } catch { result = .failure(error) }
        stage.close()
        await stage.place?.drop()
        return try result.get()
    }

    /// A stage for many tests, which lasts as long as the tests.
    static func lasting() async throws -> Stage { try await Stage() }

    /// A stage whose processes are told where to keep things.
    static func bare() throws -> Stage { try Stage(withoutPlace: ()) }

    private func close() {
        for process in processes.withLock({ $0 }) { process.signal(SIGKILL) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Starts a command and does not wait for it.
    /// - Parameter data: what it gets as `--data`; nil for no such flag.
    func start(
        _ arguments: [String], data: String?, environment: [String: String] = [:], launcher: [String] = []
    ) throws -> ChildProcess {
        // No balancer looks at these servers, and each would wait for one that did before it stops.
        let drain = arguments.first == "serve" && !arguments.contains("--drain-seconds") ? ["--drain-seconds", "0"] : []
        // Whoever names a folder of its own means that one.
        let shared = data == self.data ? place : nil
        let folders = shared == nil ? data.map { ["--data", $0] } ?? [] : []
        return note(
            try ChildProcess(
                arguments + drain + folders, environment: (shared?.environment ?? [:]).merging(environment) { $1 }, folder: folder,
                launcher: launcher))
    }

    /// Starts another program than the service and does not wait for it.
    func start(program: String, _ arguments: [String], environment: [String: String]) throws -> ChildProcess {
        note(try ChildProcess(program: program, arguments, environment: environment, folder: folder))
    }

    private func note(_ process: ChildProcess) -> ChildProcess {
        processes.withLock { $0.append(process) }
        return process
    }

    /// Runs a command on the data folder to its end.
    func command(_ arguments: String..., environment: [String: String] = [:]) async throws -> CommandResult {
        try await command(arguments, environment: environment)
    }

    /// Runs a command on the data folder to its end.
    func command(_ arguments: [String], environment: [String: String] = [:]) async throws -> CommandResult {
        try await CommandResult(of: try start(arguments, data: data, environment: environment), arguments)
    }

    /// Begins or ends maintenance, and waits until a client of the server meets it: on a database a server hears of it within a moment.
    func maintenance(_ words: String..., of client: Client) async throws {
        #expect(try await command(["maintenance"] + words).exit == .status(0))
        guard SharedDatabase.isWanted else { return }
        try await eventually("maintenance \(words)") { try await (client.get("/v2/personas").status == 503) == (words.first == "on") }
    }

    /// Runs a command without `--data` to its end.
    func bareCommand(_ arguments: String..., environment: [String: String] = [:]) async throws -> CommandResult {
        try await bareCommand(arguments, environment: environment)
    }

    /// Runs a command without `--data` to its end.
    func bareCommand(_ arguments: [String], environment: [String: String] = [:]) async throws -> CommandResult {
        try await CommandResult(of: try start(arguments, data: nil, environment: environment), arguments)
    }

    /// Starts the service and waits until it listens.
    /// - Parameter port: by default a free one.
    func serve(_ flags: String..., port: Int = 0) async throws -> RunningService { try await serve(flags, port: port) }

    /// Starts the service and waits until it listens.
    func serve(
        _ flags: [String], port: Int = 0, environment: [String: String] = [:], launcher: [String] = []
    ) async throws -> RunningService {
        try await RunningService(
            try start(["serve", "--port", "\(port)"] + flags, data: data, environment: environment, launcher: launcher))
    }

    /// Starts the service with faults in its way and waits until it listens.
    func serve(_ flags: String..., faults: FaultInjector) async throws -> RunningService {
        try await serve(flags, environment: faults.environment)
    }

    /// Makes the database, unless it is there.
    func migrate() async throws {
        guard place != nil || !FileManager.default.fileExists(atPath: data + "/personas.sqlite") else { return }
        let result = try await command("migrate", "up")
        try #require(result.exit == .status(0), "\(result)")
    }

    /// Makes an account, unless it is there, and a key for it.
    func key(account: String = "acme", scopes: String = "read,write") async throws -> Key {
        try await migrate()
        _ = try await command("accounts", "create", account)
        let issued = try await command("keys", "create", "--account", account, "--scopes", scopes, "--json")
        try #require(issued.exit == .status(0), "\(issued)")
        return Key(id: try #require(issued.json["id"]?.string), secret: try #require(issued.json["key"]?.string))
    }

    /// Loads a seed of accounts, items and whatever else, with pictures drawn for it.
    func seed(_ document: JSONValue, images: [String: [UInt8]] = [:]) async throws -> CommandResult {
        for (name, bytes) in images { try write(bytes, to: name) }
        try write(document.bytes, to: "seed.json")
        return try await command("seed", "seed.json", "--json")
    }

    /// Writes a file below the working directory.
    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
}

/// A key as it was issued.
struct Key: Sendable {
    let id: String
    let secret: String
}

/// What a command did.
struct CommandResult: Sendable, CustomStringConvertible {
    let arguments: [String]
    let exit: ChildProcess.Exit
    /// Standard output.
    let output: String
    /// Standard error.
    let error: String

    /// Waits for the end of a command.
    init(of process: ChildProcess, _ arguments: [String], within limit: Duration = timeout) async throws {
        exit = try await process.exit(within: limit)
        (output, error) = (process.standardOutput, process.standardError)
        self.arguments = arguments
    }

    /// Standard output as JSON; null where it is none.
    var json: JSONValue { (try? JSONValue(parsing: output.utf8)) ?? .null }

    var description: String { "\(arguments.joined(separator: " ")): \(exit)\n\(output)\(error)" }
}
