import Crypto
import Foundation
import GRDB
import NIOPosix
import Personas

/// Where the parts of a backup lie: `personas.sqlite` and `media/` as in a data folder, `SHA256SUMS`, and `manifest.json`.
struct BackupFolder: Sendable {
    /// Its path.
    let path: String

    var databasePath: String { path + "/personas.sqlite" }
    var sumsPath: String { path + "/SHA256SUMS" }
    var manifestPath: String { path + "/manifest.json" }

    /// Makes the folders of a data folder's images.
    static func makeMediaFolders(in directory: String) throws {
        try PosixFile.makeFolder(directory + "/media")
        for prefix in 0...255 { try PosixFile.makeFolder("\(directory)/media/\(hexadecimal([UInt8(prefix)]))") }
    }

    /// Waits until the entries of those folders are on disk.
    static func syncMediaFolders(in directory: String) throws {
        for prefix in 0...255 { try PosixFile.syncFolder("\(directory)/media/\(hexadecimal([UInt8(prefix)]))") }
        try PosixFile.syncFolder(directory + "/media")
    }

    /// Opens the backup's database for reading. It has no log beside it.
    func openDatabase() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "personas.backup"
        return try DatabaseQueue(path: databasePath, configuration: configuration)
    }

    /// Reads every image file back and compares it with its name and its row.
    /// - Parameters:
    ///   - place: what is damaged if one is not as it should be: a backup that was just written has its images from the data folder.
    ///   - lines: takes the lines of `SHA256SUMS` that follow from them.
    /// - Returns: the files and their bytes together.
    func verifyImages(
        in database: DatabaseQueue, of place: StoredPlace, pool: NIOThreadPool, progress: ProgressHandler, lines: ([UInt8]) throws -> Void
    ) async throws -> BackupManifest.Media {
        var (files, byteCount) = (0, 0)
        let path = path
        try await ImageWalk(database: database, pool: pool).run("Verifying images", progress) { image in
            guard PosixFile.exists("\(path)/\(image.path)") else {
                throw Failure.damaged(place, Finding(.fileMissing, image.path, "The file is missing"))
            }
            let found = try PosixFile.digest(of: "\(path)/\(image.path)")
            guard found.byteCount == image.byteCount, found.digest == image.digest else {
                throw Failure.damaged(place, Finding(.fileDamaged, image.path, "It does not match its hash"))
            }
        } afterRound: { images in
            files += images.count
            byteCount += images.reduce(0) { $0 + $1.byteCount }
            try lines(images.flatMap { Array("\(hexadecimal($0.digest))  \($0.path)\n".utf8) })
        }
        return BackupManifest.Media(files: files, byteCount: byteCount)
    }

    /// The line of the database in `SHA256SUMS`, the first.
    static func databaseLine(_ file: BackupManifest.File) -> [UInt8] { Array("\(file.sha256)  personas.sqlite\n".utf8) }

    /// What of the database goes into a manifest.
    static func facts(of db: Database) throws -> (migrations: [BackupManifest.AppliedMigration], rows: [String: Int]) {
        let migrations = try Row.fetchAll(db, sql: "SELECT name, hash FROM migration ORDER BY name").map {
            BackupManifest.AppliedMigration(name: $0["name"], hash: $0["hash"])
        }
        var rows: [String: Int] = [:]
        for table in try String.fetchAll(
            db, sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'")
        {
            rows[table] = try Int.fetchOne(db, sql: "SELECT count(*) FROM \(table.quotedDatabaseIdentifier)")
        }
        return (migrations, rows)
    }

    /// What SQLite's own check says against a database, nil if nothing.
    static func damage(of db: Database) throws -> String? {
        let lines = try String.fetchAll(db, sql: "PRAGMA integrity_check(1)")
        return lines == ["ok"] ? nil : lines.first ?? "no answer"
    }
}
