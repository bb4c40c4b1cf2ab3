import Foundation
import TestSupport
import Testing

/// The service beyond one machine, whole on this one, as `.ci/cluster` starts it: replicas behind nginx, a primary and its standby, a bucket.
final class RunningCluster: Sendable {
    private static let program = TestTools.tests + "/../.ci/cluster"
    private static let startLimit = Duration.seconds(120) * timeoutFactor

    /// The working directory of what is started here.
    let stage: Stage
    /// Where nginx listens.
    let address: String
    /// A key that may read and write, of the account that the script has made.
    let key: Key
    /// A key that may train.
    let trainer: Key
    /// What tells commands where the database and the bucket are.
    let environment: [String: String]
    /// Where each replica listens, the first one first.
    let replicas: [String]
    private let folder: String
    private let process: ChildProcess

    private init(stage: Stage, options: [String]) async throws {
        self.stage = stage
        folder = "\(stage.folder)/cluster"
        let own = ["--folder", folder, "--port", "0", "--binary", try BuiltBinary.path(), "--json"]
        let process = try stage.start(program: Self.program, own + options, environment: Self.variables)
        self.process = process
        let report = try await eventually("the start of a cluster", within: Self.startLimit, detail: { process.standardError }) {
            try #require(process.exit == nil, "the cluster ended with \(String(describing: process.exit)): \(process.standardError)")
            return process.standardOutput.hasSuffix("\n") ? try? JSONValue(parsing: process.standardOutput.utf8) : nil
        }
        address = try #require(report["url"]?.string)
        key = Key(id: "", secret: report["key"]?.string ?? "")
        trainer = Key(id: "", secret: report["trainer_key"]?.string ?? "")
        environment = try #require(report["environment"]?.strings)
        let parts = try #require(report["parts"]?.array)
        replicas = parts.compactMap { $0["url"]?.string }
        // Its folder is not below that of the stage, because PostgreSQL's user has to reach it.
        if let place = parts.compactMap({ $0["place"]?.string }).first {
            ProcessWarden.watch(folder: (place as NSString).deletingLastPathComponent)
        }
    }

    /// Runs a test on a cluster of its own, when it is its turn.
    /// - Parameter options: of the script.
    static func run<Value>(_ options: String..., body: (RunningCluster) async throws -> Value) async throws -> Value {
        try await Stage.run { stage in
            let cluster = try await RunningCluster(stage: stage, options: options)
            let result: Result<Value, any Error>
            do { result = .success(try await body(cluster)) } catch { result = .failure(error) }
            cluster.process.signal(SIGTERM)
            _ = try await cluster.process.exit()
            return try result.get()
        }
    }

    /// One that lasts as long as the tests, and ends with them.
    static func lasting(_ options: String...) async throws -> RunningCluster {
        try await RunningCluster(stage: Stage.bare(), options: options)
    }

    /// A caller through nginx.
    var client: Client { Client(base: address, key: key.secret) }

    /// A caller of one replica, counted from 0.
    func client(of replica: Int) -> Client { Client(base: replicas[replica], key: key.secret) }

    /// A caller who trains, at one replica.
    func worker(of replica: Int) -> Client { Client(base: replicas[replica], key: trainer.secret) }

    /// Has something happen to parts: `kill`, `stop`, `continue`, `start`, `promote`, `rejoin`.
    @discardableResult
    func tell(_ verb: String, _ parts: String...) async throws -> JSONValue {
        let child = try stage.start(
            program: Self.program, ["--folder", folder, "--json", verb] + parts, environment: Self.variables)
        let result = try await CommandResult(of: child, [verb] + parts)
        try #require(result.exit == .status(0), "\(result)")
        return result.json
    }

    /// Runs statements on the primary, apart from what is tested. Returns what they bring, a row a line.
    @discardableResult
    func sql(_ text: String) async throws -> String {
        let child = try stage.start(program: Self.program, ["--folder", folder, "sql", text], environment: Self.variables)
        let result = try await CommandResult(of: child, ["sql"])
        try #require(result.exit == .status(0), "\(result)")
        return result.output.trimmingCharacters(in: .newlines)
    }

    /// Runs a command of the service on the database.
    func command(_ arguments: String...) async throws -> CommandResult {
        try await stage.bareCommand(arguments, environment: environment)
    }

    /// What a part has logged.
    func log(of part: String) -> String { (try? String(contentsOfFile: "\(folder)/\(part).log", encoding: .utf8)) ?? "" }

    /// Where the temporary files of others go, these go as well.
    private static let variables = ["TMPDIR": NSTemporaryDirectory()]
}

extension JSONValue {
    /// The members of an object that are strings.
    var strings: [String: String]? {
        guard case .object(let members) = self else { return nil }
        return members.compactMapValues(\.string)
    }
}
