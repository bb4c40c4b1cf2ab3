import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

/// All that is tried against a server. One after another, because starting programs and waiting for them keeps threads from other tests.
@Suite("PostgreSQL", .serialized)
enum PostgresTests {}

/// A database of its own with a writer and a reader.
struct OpenPostgres: Sendable {
    let server: PostgresServer
    let name: String
    let settings: PostgresSettings
    let writer: PostgresWriter
    let reader: PostgresReader
    /// What the writer has told of.
    let told: Shared<[Event]>

    /// Runs statements beside all that is tested.
    @discardableResult
    func run(_ sql: String) throws -> String { try server.run(sql, in: name) }

    /// A connection beside those of the writer and the reader.
    func connect() throws -> PostgresConnection { try PostgresConnection(settings) }

    /// How many of its connections do or wait for what a text says, of the writer's and the reader's.
    func sessions(where condition: String) throws -> Int {
        Int(try run("SELECT count(*) FROM pg_stat_activity WHERE datname = '\(name)' AND application_name = 'personas' AND (\(condition))"))
            ?? -1
    }
}

/// Lends a database of its own, with tables that are filled first.
func withPostgres(
    _ sql: String = "", server: PostgresServer? = nil, threads: Int = 4, waitingMax: Int = 64,
    settings change: (inout PostgresSettings) -> Void = { _ in }, _ body: (OpenPostgres) async throws -> Void
) async throws {
    let server = try server ?? PostgresServer.shared.get()
    try await server.withDatabase { name in
        if !sql.isEmpty { try server.run(sql, in: name) }
        var settings = try PostgresSettings(server.address(of: name), environment: [:])
        change(&settings)
        let told = Shared<[Event]>([])
        let writer = PostgresWriter(settings: settings, threads: threads, waitingMax: waitingMax) { events in
            told.withLock { $0 += events }
        }
        let reader = PostgresReader(settings: settings, threads: 2, scansWaitingMax: 4)
        let open = OpenPostgres(server: server, name: name, settings: settings, writer: writer, reader: reader, told: told)
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(open)) } catch { outcome = .failure(error) }
        writer.close()
        reader.close()
        try outcome.get()
    }
}

extension Result where Failure == Personas.Failure {
    /// Whether it is the failure of a store that cannot be reached for the moment.
    var isStoreBusy: Bool {
        if case .failure(.storeBusy) = self { true } else { false }
    }

    /// The words of an unexpected failure.
    var unexpectedText: String? {
        if case .failure(.unexpected(let text)) = self { text } else { nil }
    }
}

/// An event that says nothing much.
func anEvent(_ sequence: Int64) -> Event {
    Event(
        id: .random(), accountID: .random(), sequence: sequence, type: .item(.persona, .deleted), at: Timestamp(milliseconds: 1),
        subject: .gone(.random(), .persona))
}

extension Shared<Int> {
    /// Counts on. Returns how far that is.
    func next() -> Int {
        withLock { value in
            value += 1
            return value
        }
    }
}
