import Crypto
import Foundation
import GRDB
import NIOPosix
import Personas

/// Where the parts of a backup lie: database and images as in a data folder, a list of hashes, and a manifest.
struct BackupFolder: Sendable {
    private static let sumsName = "SHA256SUMS"
    /// The name of the manifest.
    static let manifestName = "manifest.json"
    private static let newManifestName = manifestName + ".new"
    /// Everything that a whole backup holds.
    static let names: Set<String> = [
        DataFolder.databaseName, DataFolder.mediaName, DataFolder.secretsKeyName, sumsName, manifestName,
    ]
    /// What makes a backup look whole, or is about to.
    static let manifestNames = [manifestName, newManifestName]

    /// Its path.
    let path: String

    /// What of it lies as in a data folder.
    var data: DataFolder { DataFolder(path) }
    var sumsPath: String { "\(path)/\(Self.sumsName)" }
    var manifestPath: String { "\(path)/\(Self.manifestName)" }
    /// Where the manifest is written before it is given its name.
    var newManifestPath: String { "\(path)/\(Self.newManifestName)" }

    /// Opens the backup's database for reading. It has no log beside it.
    func openDatabase() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "personas.backup"
        return try DatabaseQueue(path: data.database, configuration: configuration)
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
        let media = data.media
        try await ImageWalk(database: database, pool: pool).run("Verifying images", progress) { image in
            let file = media.file(of: image.key)
            guard PosixFile.exists(file) else {
                throw Failure.damaged(place, Finding(.fileMissing, image.name, "The file is missing"))
            }
            // Neither a link, which may lead anywhere, nor a pipe.
            guard PosixFile.byteCount(of: file) != nil else {
                throw Failure.damaged(place, Finding(.fileDamaged, image.name, "It is not a regular file"))
            }
            let found = try PosixFile.digest(of: file)
            guard found.byteCount == image.byteCount, found.digest == image.key.digest else {
                throw Failure.damaged(place, Finding(.fileDamaged, image.name, "It does not match its hash"))
            }
        } afterRound: { images in
            files += images.count
            byteCount += images.reduce(0) { $0 + $1.byteCount }
            try lines(images.flatMap { Array("\(hexadecimal($0.key.digest))  \($0.name)\n".utf8) })
        }
        return BackupManifest.Media(files: files, byteCount: byteCount)
    }

    /// The line of the database in `SHA256SUMS`, the first.
    static func databaseLine(_ file: BackupManifest.File) -> [UInt8] {
        Array("\(file.sha256)  \(DataFolder.databaseName)\n".utf8)
    }

    /// The line of the key for secrets, the second where there is one.
    static func keyLine(_ file: BackupManifest.File) -> [UInt8] { Array("\(file.sha256)  \(DataFolder.secretsKeyName)\n".utf8) }

    /// What of the database goes into a manifest.
    static func facts(of db: Database) throws -> (migrations: [BackupManifest.AppliedMigration], rows: [String: Int]) {
        let migrations = try Row.fetchAll(db, sql: "SELECT name, hash FROM migration ORDER BY name").map {
            BackupManifest.AppliedMigration(name: $0["name"], hash: $0["hash"])
        }
        var rows: [String: Int] = [:]
        // Without the index of names, which follows from the rest, and whose own tables hold no rows of anybody's.
        for table in try String.fetchAll(
            db,
            sql: """
                SELECT name FROM pragma_table_list
                WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
                """)
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
