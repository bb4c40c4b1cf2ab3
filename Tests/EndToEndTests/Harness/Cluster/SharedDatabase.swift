import Foundation
import TestSupport

/// A database and a place in a bucket for one stage, where the tests are to run on these instead of data folders.
struct SharedDatabase: Sendable {
    /// Whether `PERSONAS_TEST_STORE=postgres` asks for that.
    static let isWanted = ProcessInfo.processInfo.environment["PERSONAS_TEST_STORE"] == "postgres"

    /// The engines that all stages share, without a standby, started by the first stage.
    private actor Engines {
        static let shared = Engines()

        private var started: Task<RunningCluster, any Error>?

        func running() async throws -> RunningCluster {
            let task = started ?? Task { try await RunningCluster.lasting("--replicas", "0", "--alone") }
            started = task
            return try await task.value
        }
    }

    private let engines: RunningCluster
    private let name: String
    /// What processes are told of it.
    let environment: [String: String]

    /// Makes an empty one.
    /// - Parameter secretsKeyFile: where the key for secrets is to lie.
    static func make(secretsKeyFile: String) async throws -> SharedDatabase {
        let engines = try await Engines.shared.running()
        let name = "t" + UUID().uuidString.prefix(8).lowercased()
        try await engines.sql("CREATE DATABASE \(name)")
        var environment = engines.environment
        environment["PERSONAS_DATABASE"]?.replace("postgres:///personas?", with: "postgres:///\(name)?")
        environment["PERSONAS_MEDIA"]?.replace("/images?", with: "/\(name)?")
        environment["PERSONAS_SECRETS_KEY_FILE"] = secretsKeyFile
        // The bucket of the tests stores an image in tens of milliseconds. Of twenty creates at once some would wait for the others' places longer than
        // any request may.
        environment["PERSONAS_REQUESTS_IN_FLIGHT_MAX"] = "40"
        return SharedDatabase(engines: engines, name: name, environment: environment)
    }

    /// Takes the database away, from under whoever still uses it.
    func drop() async { _ = try? await engines.sql("DROP DATABASE \(name) WITH (FORCE)") }
}
