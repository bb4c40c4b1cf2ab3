import NIOCore
import Personas
import PersonasDB
import PersonasOutbound

/// The data, opened by this process: a folder under its lock, or a database that servers use at the same time.
struct LocalSession: AdministrationSession {
    /// A data folder that this process alone works on.
    struct HeldFolder {
        let directory: String
        let lock: DataFolderLock
    }

    let app: Application
    /// Nil for a database that others use as well.
    let folder: HeldFolder?

    static func open(_ settings: Settings, _ directory: String, lock: DataFolderLock, _ use: FolderUse) async throws(Failure)
        -> LocalSession
    {
        let app = try application(settings)
        do throws(Failure) {
            try await prepare(app, settings, use)
        } catch {
            await app.close()
            throw error
        }
        return LocalSession(app: app, folder: HeldFolder(directory: directory, lock: lock))
    }

    static func open(_ settings: Settings, sharing place: StorePlace, _ use: FolderUse) async throws(CommandFailure) -> LocalSession {
        let app: Application
        do throws(Failure) {
            app = try application(settings)
        } catch {
            throw CommandFailure(opening: place.words, error)
        }
        do throws(CommandFailure) {
            do throws(Failure) {
                if try await app.storage.schema.migrations().contains(where: { $0.state != .pending }) || use.makesDatabases {
                    try await prepare(app, settings, use)
                    return LocalSession(app: app, folder: nil)
                }
            } catch {
                throw CommandFailure(opening: place.words, error)
            }
            // What belongs to something else must not pass for an empty one.
            throw CommandFailure(.unavailable, "there is no installation in the database (\(place.words)); personas migrate makes one")
        } catch {
            await app.close()
            throw error
        }
    }

    private static func application(_ settings: Settings) throws(Failure) -> Application {
        // Whoever runs a command may have some of the server's settings, of which a part alone keeps no command from its work.
        try Application(settings, payments: try? HTTPPaymentService.Configuration(settings), logger: Application.silentLogger)
    }

    private static func prepare(_ app: Application, _ settings: Settings, _ use: FolderUse) async throws(Failure) {
        guard use == .looking else {
            _ = try await app.migrate(isAllowed: use.mayMigrate(settings), for: use == .migrating ? .ofProcess : nil)
            return
        }
        if await app.storage.schema.isReady() { try await app.storage.load() }
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
        // Where others work on the database, servers do all that is left to do.
        guard let folder else { return reply }
        if Operation.leavesImages, app.signals.removals.count != seen { await collect() }
        if Operation.aimsAtServer { Output.note("personas: no server runs on \(folder.directory); this takes effect when one does") }
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
        guard folder != nil else { return totals }
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
        await app.close()
        withExtendedLifetime(folder) {}
    }
}
