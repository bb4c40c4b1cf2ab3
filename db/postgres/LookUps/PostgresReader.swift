import CoreMetrics
import Personas

/// Connections that only read: some for look-ups, and others for what may walk far, so that none of the first waits behind one of the second.
///
/// All of them ask the server that writes, because a GET must find what its caller has just created.
final class PostgresReader: SQLReader, SQLScanner {
    /// Look-ups at once, where nothing else is said.
    static let threads = 4
    /// Searches at once.
    static let scanThreads = 2

    private let lookUps: PostgresLookUps
    private let scans: PostgresThreads
    private let turns: ScanTurns

    /// - Parameters:
    ///   - threads: look-ups at once, each with a connection.
    ///   - waitingMax: look-ups beyond those; further ones are refused.
    ///   - scansWaitingMax: the same for searches.
    init(
        settings: PostgresSettings, threads: Int = PostgresReader.threads, waitingMax: Int = 4_096, scansWaitingMax: Int,
        metrics: StoreMetrics = .none
    ) {
        lookUps = PostgresLookUps("personas-read", count: threads, settings: settings.readOnly, waitingMax: waitingMax)
        var patient = settings.readOnly
        patient.statementMillisecondsMax = settings.unboundedStatementMillisecondsMax
        patient.isScanning = true
        scans = PostgresThreads("personas-scan", count: Self.scanThreads, settings: patient, waitingMax: Self.scanThreads)
        turns = ScanTurns(atOnceMax: Self.scanThreads, waitingMax: scansWaitingMax) { metrics.waitingSearches.set($0) }
    }

    /// Searches that run or wait.
    var scanCount: Int { turns.count }

    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws(Failure) -> Value {
        try await lookUps.run(body)
    }

    /// Always nil: every read waits for the network.
    func readNow<Value>(_ body: (any SQLConnection) throws -> Value) throws(Failure) -> Value? { nil }

    func scan<Value: Sendable>(
        for accountID: Identifier?, _ body: @escaping @Sendable (any SQLConnection) throws -> Value
    ) async throws(Failure) -> Value {
        try await turns.take(for: accountID) { () throws(Failure) in
            try await self.scans.run { Self.perform($0, body) }
        }
    }

    /// Looks whether the database is there and keeps what it is told. For the start, which ends where it does not.
    /// - Throws: `configuration` for a server or a database that cannot be used as it is, `storeBusy` where none is there.
    func check() async throws(Failure) {
        _ = try await read { try $0.finds("SELECT 1", []) }
    }

    /// Closes the connections once all that waits is done.
    func close() {
        lookUps.close()
        scans.close()
    }

    private static func perform<Value>(
        _ seat: PostgresSeat, _ body: (any SQLConnection) throws -> Value
    ) -> Result<Value, Failure> {
        var isRepeated = false
        while true {
            do {
                return .success(try seat.use { try body($0) })
            } catch let error as PostgresError where error.isToRunAgain && !isRepeated {
                // The connection broke, or what it had prepared is not what it was. Reading twice does no harm.
                isRepeated = true
            } catch {
                return .failure(Failure(postgres: error))
            }
        }
    }
}
