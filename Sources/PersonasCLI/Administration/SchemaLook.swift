import CoreMetrics
import Personas
import PersonasDB
import PersonasHTTP

extension AdministrationClient where Operation == ListMigrations {
    /// The migrations as they stand. Nothing is changed by that, neither the database nor anything beside it, and nothing is made.
    func migrations() async throws(CommandFailure) -> [MigrationReport] {
        let place = try StorePlace.of(settings)
        guard case .folder(let directory) = place else { return try await migrations(in: place) }
        try FolderUse.existing.requireDatabase(in: directory, settings)
        return try await reach(directory) { () throws(Failure) -> [MigrationReport]? in
            // A server of a version that locked the folder itself is known by its socket alone.
            guard !SocketFile.isAnswered(try AdministrationSocket.path(in: directory)),
                let hold = try DataFolderLock.holdOff(directory: directory)
            else { return nil }
            defer { withExtendedLifetime(hold) {} }
            return try Storage.migrations(in: directory)
        } remote: { (session) throws(CommandFailure) in
            do throws(CommandFailure) {
                let migrations = try await session.perform(ListMigrations()) { _ in }
                await session.close()
                return migrations
            } catch {
                await session.close()
                throw error
            }
        }
    }

    /// Those of a database that is shared.
    private func migrations(in place: StorePlace) async throws(CommandFailure) -> [MigrationReport] {
        do throws(Failure) {
            let opened = try place.open(settings, asksForTopUps: false, metrics: NOOPMetricsHandler.instance, clock: .system)
            let migrations: Result<[MigrationReport], Failure>
            do throws(Failure) {
                migrations = .success(try await opened.stores.schema.migrations())
            } catch {
                migrations = .failure(error)
            }
            await opened.close()
            return try migrations.get()
        } catch {
            throw CommandFailure(opening: place.words, error)
        }
    }
}
