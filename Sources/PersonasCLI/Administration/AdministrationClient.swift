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
        try use.requireDatabase(settings)
        let session: any AdministrationSession = try await reach { () throws(Failure) in
            guard let lock = try DataFolderLock.acquireUnlessServed(settings.dataDirectory) else { return nil }
            return try await LocalSession.open(settings, lock: lock, use)
        } remote: { (session) throws(CommandFailure) in
            session
        }
        do throws(CommandFailure) {
            let result = try await body(AdministrationConnection(session: session, operations: operations, progress: progress))
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
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
        local: () async throws(Failure) -> Way?, remote: (RemoteSession) async throws(CommandFailure) -> Way
    ) async throws(CommandFailure) -> Way {
        let deadline = ContinuousClock.now + Self.timeout
        let directory = settings.dataDirectory
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

/// The data, opened by this process under the folder's lock.
private struct LocalSession: AdministrationSession {
    let directory: String
    let app: Application
    let lock: DataFolderLock

    static func open(_ settings: Settings, lock: DataFolderLock, _ use: FolderUse) async throws(Failure) -> LocalSession {
        // Whoever runs a command may have some of the server's settings, of which a part alone keeps no command from its work.
        let payments = try? HTTPPaymentService.Configuration(settings)
        let app = try Application(settings, payments: payments, logger: Application.silentLogger)
        do throws(Failure) {
            if use == .looking {
                if await app.storage.schema.isReady() { try await app.storage.load() }
            } else {
                _ = try await app.migrate(isAllowed: use.mayMigrate(settings), for: use == .migrating ? .ofProcess : nil)
            }
        } catch {
            app.close()
            throw error
        }
        return LocalSession(directory: settings.dataDirectory, app: app, lock: lock)
    }

    func perform<Operation: AdministrationOperation>(
        _ operation: Operation, progress: @escaping ProgressHandler
    ) async throws(CommandFailure) -> Operation.Reply {
        let seen = app.signals.removals.count
        let reply: Operation.Reply
        do throws(Failure) {
            reply = try await app.administration.acting(as: .ofProcess).perform(operation, progress: progress)
        } catch {
            throw CommandFailure(error)
        }
        if Operation.leavesImages, app.signals.removals.count != seen { await collect() }
        if Operation.aimsAtServer { Output.note("personas: no server runs on \(directory); this takes effect when one does") }
        if Operation.leavesTraining { Output.note("personas: done; no server runs on the data folder, and training begins once one does") }
        return reply
    }

    func export(_ request: ExportRequest, to sink: ([UInt8]) async throws -> Void) async throws(CommandFailure) {
        let administration = app.administration.acting(as: .ofProcess)
        do {
            try await administration.export(try await administration.account(of: request), to: sink)
        } catch {
            throw CommandFailure(ofArchive: error)
        }
    }

    func takeIn(
        _ request: ImportRequest, _ archive: GivenArchive, progress: @escaping ProgressHandler, _ sink: ([ImportedItem]) -> Void
    ) async throws(CommandFailure) -> ImportTotals {
        let (removals, jobs) = (app.signals.removals.count, app.signals.jobs.count)
        let totals: ImportTotals
        do {
            let prepared = try await app.administration.acting(as: .ofProcess).prepare(request, progress: progress) { spool in
                for try await part in archive { try await spool.append(Array(part.readableBytesView)) }
            }
            totals = try await prepared.perform(progress: progress) { sink($0) }
        } catch {
            throw CommandFailure(ofArchive: error)
        }
        if app.signals.removals.count != removals { await collect() }
        if app.signals.jobs.count != jobs { Output.note("personas: no server runs on the data folder, and training begins once one does") }
        return totals
    }

    /// Does what a server does in the background, and what no other process would do soon. The operation is done whatever comes of it.
    private func collect() async {
        do throws(Failure) {
            _ = try await app.collector.collect()
        } catch {
            Output.note(
                "personas: done, but not all image files are removed yet, which the next server does (\(CommandFailure(error).message))")
        }
    }

    func close() async {
        app.close()
        withExtendedLifetime(lock) {}
    }
}
