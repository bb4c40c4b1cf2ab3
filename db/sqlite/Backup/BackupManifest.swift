import Crypto
import Foundation
import Personas

/// What a backup says of itself. It is written last, so that a backup without it is known to be incomplete.
struct BackupManifest: Codable, Equatable {
    /// A file of the backup.
    struct File: Codable, Equatable {
        /// In hexadecimal.
        let sha256: String
        let byteCount: Int

        enum CodingKeys: String, CodingKey {
            case sha256
            case byteCount = "byte_count"
        }

        init(path: String) throws {
            let found = try PosixFile.digest(of: path)
            (sha256, byteCount) = (hexadecimal(found.digest), found.byteCount)
        }
    }

    /// One applied step of the schema.
    struct AppliedMigration: Codable, Equatable {
        let name: String
        let hash: String
    }

    /// The image files together; each is named by its SHA-256 and listed in `SHA256SUMS`.
    struct Media: Codable, Equatable {
        let files: Int
        let byteCount: Int

        enum CodingKeys: String, CodingKey {
            case files
            case byteCount = "byte_count"
        }
    }

    /// The forms that are read. What is written has the last of them; the first knew of no version and no data folder, the second of no key for secrets.
    static let formatsKnown = 1...3

    let format: Int
    /// RFC 3339: the moment that the backup holds.
    let createdAt: String
    /// The version of the service that made the backup; nil where that did not say so.
    let version: String?
    /// The data folder that it was made of; nil where that was not said.
    let dataFolder: String?
    let migrations: [AppliedMigration]
    let database: File
    /// The key that secrets are sealed with; nil where there was none, or it lies elsewhere.
    let secretsKey: File?
    /// The list of all files' hashes, in the form of `sha256sum`.
    let sums: File
    let media: Media
    /// Rows by table.
    let rows: [String: Int]
    /// SHA-256, in hexadecimal, of this document with an empty text in this place.
    private(set) var checksum = ""

    enum CodingKeys: String, CodingKey {
        case format, version, migrations, database, sums, media, rows, checksum
        case createdAt = "created_at"
        case secretsKey = "secrets_key"
        case dataFolder = "data_folder"
    }

    init(
        createdAt: Timestamp, version: String?, dataFolder: String, migrations: [AppliedMigration], database: File, secretsKey: File?,
        sums: File, media: Media, rows: [String: Int]
    ) throws {
        format = Self.formatsKnown.upperBound
        self.createdAt = createdAt.text
        self.version = version
        self.dataFolder = dataFolder
        self.migrations = migrations
        self.database = database
        self.secretsKey = secretsKey
        self.sums = sums
        self.media = media
        self.rows = rows
        checksum = try ownChecksum()
    }

    /// Reads a document and makes sure that it is as it was written.
    /// - Throws: `damaged`, `unknownBackup`.
    init(parsing bytes: Data) throws {
        struct Format: Decodable { let format: Int }
        guard let found = try? JSONDecoder().decode(Format.self, from: bytes) else {
            throw Failure.damaged(.backup, Finding(.fileDamaged, BackupFolder.manifestName, "It cannot be read"))
        }
        guard Self.formatsKnown.contains(found.format) else {
            throw Failure.unknownBackup("format \(found.format)")
        }
        guard let manifest = try? JSONDecoder().decode(BackupManifest.self, from: bytes), try manifest.document() == bytes,
            try manifest.ownChecksum() == manifest.checksum
        else { throw Failure.damaged(.backup, Finding(.fileDamaged, BackupFolder.manifestName, "It was changed or is damaged")) }
        self = manifest
    }

    /// The file's bytes.
    func document() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }

    private func ownChecksum() throws -> String {
        var blank = self
        blank.checksum = ""
        return hexadecimal(Array(SHA256.hash(data: try blank.document())))
    }
}
