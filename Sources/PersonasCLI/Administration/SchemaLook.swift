import Personas
import PersonasDB
import PersonasHTTP

extension AdministrationClient where Operation == ListMigrations {
    /// The migrations as they stand. Nothing is changed by that, neither the database nor anything beside it, and nothing is made.
    func migrations() async throws(CommandFailure) -> [MigrationReport] {
        let directory = settings.dataDirectory
        try FolderUse.existing.requireDatabase(settings)
        return try await reach { () throws(Failure) -> [MigrationReport]? in
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
}
