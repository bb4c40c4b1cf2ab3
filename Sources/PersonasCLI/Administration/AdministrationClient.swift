import Foundation
import NIOCore
import Personas
import PersonasDB
import PersonasOutbound

/// Carries out operations of one type for a command: through the server that holds the data folder, or in this process when none does.
struct AdministrationClient<Operation: AdministrationOperation>: Sendable {
    /// How long a server that starts or stops, or another command, is waited for.
    private static var timeout: Duration { .seconds(10) }
    private static var pause: Duration { .milliseconds(50) }

    let settings: Settings
    private let operations: [any AdministrationOperation.Type]

    fileprivate init(_ settings: Settings, operations: [any AdministrationOperation.Type]) {
        self.settings = settings
        self.operations = operations
    }

    /// Opens the way to the data, does something with it and closes it again.
    /// - Parameters:
    ///   - use: what may be done with the data folder before. Beside a server none of it is needed.
    ///   - progress: told how far operations have come that take long.
    ///   - body: is handed what carries out an operation.
    func withSession<Result>(
        _ use: FolderUse = .existing, progress: @escaping ProgressHandler = { _ in },
        _ body: (_ perform: (Operation) async throws(CommandFailure) -> Operation.Reply) async throws(CommandFailure) -> Result
    ) async throws(CommandFailure) -> Result {
        try await withConnection(use, progress: progress) { (connection) throws(CommandFailure) in
            try await body { (operation) throws(CommandFailure) in try await connection.perform(operation) }
        }
    }

    /// The same for a command that asks for operations of several types.
    func withConnection<Result>(
        _ use: FolderUse = .existing, progress: @escaping ProgressHandler = { _ in },
        _ body: (AdministrationConnection) async throws(CommandFailure) -> Result
    ) async throws(CommandFailure) -> Result {
        let session = try await session(use)
        do throws(CommandFailure) {
            let result = try await body(AdministrationConnection(session: session, operations: operations, progress: progress))
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }

    /// The way to the data: that of the server which has the folder, or this process's own.
    private func session(_ use: FolderUse) async throws(CommandFailure) -> any AdministrationSession {
        let place = try StorePlace.of(settings)
        guard case .folder(let directory) = place else { return try await LocalSession.open(settings, sharing: place, use) }
        try use.requireDatabase(in: directory, settings)
        return try await reach(directory) { () throws(Failure) -> (any AdministrationSession)? in
            guard let lock = try DataFolderLock.acquireUnlessServed(directory) else { return nil }
            return try await LocalSession.open(settings, directory, lock: lock, use)
        } remote: { (session) throws(CommandFailure) in
            session
        }
    }

    /// Carries out one operation.
    func perform(_ operation: Operation) async throws(CommandFailure) -> Operation.Reply {
        guard Operation.isLong else {
            return try await withSession { (perform) throws(CommandFailure) in try await perform(operation) }
        }
        return try await Interruption.cancelling { () throws(CommandFailure) in
            let bar = WorkProgressBar()
            defer { bar.finish() }
            return try await withSession(progress: { bar.show($0) }) { (perform) throws(CommandFailure) in try await perform(operation) }
        }
    }

    /// Finds a way to the data, waiting for those who have them for a moment.
    /// - Parameters:
    ///   - local: the way within this process; nil while another one works on the data folder.
    ///   - remote: the way through the server that does.
    func reach<Way>(
        _ directory: String, local: () async throws(Failure) -> Way?, remote: (RemoteSession) async throws(CommandFailure) -> Way
    ) async throws(CommandFailure) -> Way {
        let deadline = ContinuousClock.now + Self.timeout
        while true {
            let session: RemoteSession?
            do throws(Failure) {
                if let way = try await local() { return way }
                session = await RemoteSession.open(socketPath: try AdministrationSocket.path(in: directory))
            } catch {
                throw CommandFailure(opening: directory, error)
            }
            if let session { return try await remote(session) }
            guard ContinuousClock.now < deadline else {
                throw CommandFailure(
                    .unavailable, "the data folder \(directory) is in use, and no server answers on its \(DataFolder.socketName)")
            }
            try? await Task.sleep(for: Self.pause)
        }
    }
}

extension OperatorCommand {
    /// What carries out the command's operation. No other way leads to the data, so that what is sent to a server is what a command declares.
    func client() throws(CommandFailure) -> AdministrationClient<Operation> {
        AdministrationClient(try reporting(data.settings), operations: Self.operations)
    }
}

/// A way to the data of a folder for what one command declares.
struct AdministrationConnection {
    fileprivate let session: any AdministrationSession
    fileprivate let operations: [any AdministrationOperation.Type]
    fileprivate let progress: ProgressHandler

    /// Carries out an operation of the command's.
    func perform<Operation: AdministrationOperation>(_ operation: Operation) async throws(CommandFailure) -> Operation.Reply {
        // A server would not know it.
        precondition(operations.contains { $0 == Operation.self }, "the command does not declare \(Operation.self)")
        return try await session.perform(operation, progress: progress)
    }

    /// Hands out the archive of an account.
    func export(_ accountName: String, to sink: ([UInt8]) async throws -> Void) async throws(CommandFailure) {
        try await session.export(ExportRequest(accountName: accountName), to: sink)
    }

    /// Takes an archive into an account.
    /// - Parameters:
    ///   - progress: told how far that has come.
    ///   - sink: told what became of items.
    func takeIn(
        _ request: ImportRequest, _ archive: GivenArchive, progress: @escaping ProgressHandler, _ sink: ([ImportedItem]) -> Void
    ) async throws(CommandFailure) -> ImportTotals {
        try await session.takeIn(request, archive, progress: progress, sink)
    }
}

/// A way to the data of a folder.
protocol AdministrationSession: Sendable {
    /// Carries out an operation.
    /// - Parameter progress: told how far operations have come that take long.
    func perform<Operation: AdministrationOperation>(
        _ operation: Operation, progress: @escaping ProgressHandler
    ) async throws(CommandFailure) -> Operation.Reply
    /// Hands out the archive of an account.
    func export(_ request: ExportRequest, to sink: ([UInt8]) async throws -> Void) async throws(CommandFailure)
    /// Takes an archive into an account.
    func takeIn(
        _ request: ImportRequest, _ archive: GivenArchive, progress: @escaping ProgressHandler, _ sink: ([ImportedItem]) -> Void
    ) async throws(CommandFailure) -> ImportTotals
    /// Ends the session.
    func close() async
}
