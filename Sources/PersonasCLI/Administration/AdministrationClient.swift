import Foundation
import Personas
import PersonasDB

/// Carries out operations of one type for a command: through the server that holds the data folder, or in this process when none does.
struct AdministrationClient<Operation: AdministrationOperation>: Sendable {
    /// How long a server that starts or stops, or another command, is waited for.
    private static var timeout: Duration { .seconds(10) }
    private static var pause: Duration { .milliseconds(50) }

    private let settings: Settings

    fileprivate init(_ settings: Settings) {
        self.settings = settings
    }

    /// Opens the way to the data, does something with it and closes it again.
    /// - Parameters:
    ///   - migrating: whether pending migrations are applied first, as a server would.
    ///   - progress: told how far operations have come that take long.
    ///   - body: is handed what carries out an operation.
    func withSession<Result>(
        migrating: Bool = true, progress: @escaping ProgressHandler = { _ in },
        _ body: (_ perform: (Operation) async throws(CommandFailure) -> Operation.Reply) async throws(CommandFailure) -> Result
    ) async throws(CommandFailure) -> Result {
        let session = try await open(migrating: migrating)
        do throws(CommandFailure) {
            let result = try await body { (operation) throws(CommandFailure) in try await session.perform(operation, progress: progress) }
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }

    /// Carries out one operation; one that takes long on data that must be there, because a mistyped folder is not to pass for an empty one.
    func perform(_ operation: Operation) async throws(CommandFailure) -> Operation.Reply {
        guard Operation.isLong else {
            return try await withSession { (perform) throws(CommandFailure) in try await perform(operation) }
        }
        try requireDatabase()
        return try await Interruption.cancelling { () throws(CommandFailure) in
            let bar = WorkProgressBar()
            defer { bar.finish() }
            return try await withSession(progress: { bar.show($0) }) { (perform) throws(CommandFailure) in try await perform(operation) }
        }
    }

    /// Makes sure that there is something to look at.
    /// - Throws: `unavailable`.
    func requireDatabase() throws(CommandFailure) {
        let directory = settings.dataDirectory
        guard DataFolder(directory).hasDatabase else {
            throw CommandFailure(.unavailable, "there is no database in the data folder \(directory)")
        }
    }

    private func open(migrating: Bool) async throws(CommandFailure) -> any AdministrationSession {
        let deadline = ContinuousClock.now + Self.timeout
        let directory = settings.dataDirectory
        while true {
            do throws(Failure) {
                if let lock = try DataFolderLock.acquireUnlessServed(directory) {
                    return try await LocalSession.open(settings, lock: lock, migrating: migrating)
                }
                if let session = await RemoteSession.open(socketPath: try AdministrationSocket.path(in: directory)) { return session }
            } catch {
                throw CommandFailure(opening: directory, error)
            }
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
    func client() throws(CommandFailure) -> AdministrationClient<Operation> { AdministrationClient(try reporting(data.settings)) }
}

/// A way to the data of a folder.
protocol AdministrationSession: Sendable {
    /// Carries out an operation.
    /// - Parameter progress: told how far operations have come that take long.
    func perform<Operation: AdministrationOperation>(
        _ operation: Operation, progress: @escaping ProgressHandler
    ) async throws(CommandFailure) -> Operation.Reply
    /// Ends the session.
    func close() async
}

/// The data, opened by this process under the folder's lock.
private struct LocalSession: AdministrationSession {
    let app: Application
    let lock: DataFolderLock

    static func open(_ settings: Settings, lock: DataFolderLock, migrating: Bool) async throws(Failure) -> LocalSession {
        let app = try Application(settings, logger: Application.silentLogger)
        do throws(Failure) {
            if migrating {
                _ = try await app.migrate()
            } else if await app.storage.schema.isReady() {
                try app.storage.load()
            }
        } catch {
            app.close()
            throw error
        }
        return LocalSession(app: app, lock: lock)
    }

    func perform<Operation: AdministrationOperation>(
        _ operation: Operation, progress: @escaping ProgressHandler
    ) async throws(CommandFailure) -> Operation.Reply {
        let seen = app.signals.removals.count
        let reply: Operation.Reply
        do throws(Failure) {
            reply = try await app.administration.perform(operation, progress: progress)
        } catch {
            throw CommandFailure(error)
        }
        if Operation.leavesImages, app.signals.removals.count != seen { await collect() }
        if Operation.leavesTraining { Output.note("personas: done; no server runs on the data folder, and training begins once one does") }
        return reply
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
