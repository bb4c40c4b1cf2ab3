import Foundation
import TestSupport
import Testing

/// A server that listens.
struct RunningService: Sendable {
    /// The server's process.
    let process: ChildProcess
    /// Where it listens, as it says itself: `http://127.0.0.1:PORT`.
    let address: String

    /// A server that ended instead of listening.
    struct DidNotListen: Error, CustomStringConvertible {
        let exit: ChildProcess.Exit
        let log: String
        var description: String { "the server ended with \(exit) instead of listening:\n\(log)" }
    }

    /// Waits until a started server listens.
    init(_ process: ChildProcess) async throws {
        self.process = process
        address = try await eventually("listening", detail: { process.standardError }) {
            if let address = Self.lines(of: process, "listening").last?["address"]?.string { return address }
            // Or as --log-format text has it.
            if let match = process.standardError.firstMatch(of: /INFO listening address=(http:\S+)/) { return String(match.output.1) }
            if let exit = process.exit { throw DidNotListen(exit: exit, log: process.standardError) }
            return nil
        }
    }

    /// The port that it listens on.
    var port: Int { URLComponents(string: address)?.port ?? 0 }

    /// A client that calls it with a key.
    func client(_ key: Key? = nil) -> Client { Client(base: address, key: key?.secret) }

    /// The lines of the log with a message.
    func log(_ message: String) -> [JSONValue] { Self.lines(of: process, message) }

    /// Stops it as an operator does, and waits for the end.
    func stop(within limit: Duration = timeout) async throws -> ChildProcess.Exit {
        process.signal(SIGTERM)
        return try await process.exit(within: limit)
    }

    /// The most memory that it has had in use, in bytes (`VmHWM` of proc(5)).
    func peakMemoryBytes() throws -> Int { try ProcessMemory.bytes("VmHWM", of: process.id) }

    /// The memory that it has in use, in bytes (`VmRSS` of proc(5)).
    func memoryBytes() throws -> Int { try ProcessMemory.bytes("VmRSS", of: process.id) }

    private static func lines(of process: ChildProcess, _ message: String) -> [JSONValue] {
        process.standardError.split(separator: "\n").compactMap { try? JSONValue(parsing: $0.utf8) }.filter {
            $0["message"]?.string == message
        }
    }
}

/// A server that many tests share, each with an account of its own.
actor SharedService {
    /// Trains by itself.
    static let embedded = SharedService(trainer: "embedded")
    /// Leaves jobs to workers, of which there are none.
    static let idle = SharedService(trainer: "worker")

    private let trainer: String
    private var started: Task<(Stage, RunningService), any Error>?

    private init(trainer: String) { self.trainer = trainer }

    /// A new client with an account and a key of its own.
    func newcomer() async throws -> Client {
        let trainer = trainer
        let task =
            started
            ?? Task {
                let stage = try await Stage.lasting()
                return (stage, try await stage.serve("--trainer", trainer))
            }
        started = task
        let (stage, service) = try await task.value
        return service.client(try await stage.key(account: UUID().uuidString))
    }
}
