import Foundation
import Personas
import TestSupport

/// What a service under test has stored, as a test looks at it and changes it behind the service's back.
enum StoredData: Sendable {
    /// In its folder.
    case folder(String)
    /// In a bucket and a database, in which `run` runs statements.
    case shared(TestBucket, run: @Sendable (_ sql: String) throws -> Void)

    /// The names of all stored images, which begin with the digits of their digests, but for slashes among these.
    func mediaFiles() async throws -> [String] {
        switch self {
        case .folder(let directory):
            let media = directory + "/media"
            return (FileManager.default.subpaths(atPath: media) ?? []).filter { name in
                var isFolder: ObjCBool = false
                return FileManager.default.fileExists(atPath: "\(media)/\(name)", isDirectory: &isFolder) && !isFolder.boolValue
            }.sorted()
        case .shared(let bucket, _): return try await bucket.names()
        }
    }

    /// The bytes of a stored image.
    func bytes(ofMediaFile name: String) async throws -> [UInt8] {
        switch self {
        case .folder(let directory): [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(directory)/media/\(name)")))
        case .shared(let bucket, _): try await bucket.bytes(of: name)
        }
    }

    /// Takes a stored image away.
    func removeMediaFile(_ name: String) async throws {
        switch self {
        case .folder(let directory): try FileManager.default.removeItem(atPath: "\(directory)/media/\(name)")
        case .shared(let bucket, _): try await bucket.remove(name)
        }
    }

    /// Writes other bytes where a stored image lies.
    func replaceMediaFile(_ name: String, with bytes: [UInt8]) async throws {
        switch self {
        case .folder(let directory): try Data(bytes).write(to: URL(fileURLWithPath: "\(directory)/media/\(name)"))
        case .shared(let bucket, _): try await bucket.replace(name, with: bytes)
        }
    }

    /// Ends the time for which images are held that no row names yet, where holds end by their time.
    func endHolds() throws {
        if case .shared(_, let run) = self { try run("UPDATE media SET held_until = 0") }
    }

    /// What lies where images and archives come in, of which nothing may stay; where they have no name meanwhile there is nothing to stay.
    func incomingFiles() throws -> [String] {
        guard case .folder(let directory) = self else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: directory + "/media/incoming")
    }

    /// Has no image be stored, until `mendImages`.
    func breakImages() throws {
        switch self {
        case .folder(let directory):
            // A file where the folder for incoming images should be, because permissions mean nothing to root.
            try FileManager.default.removeItem(atPath: directory + "/media/incoming")
            guard FileManager.default.createFile(atPath: directory + "/media/incoming", contents: nil) else {
                throw MeasurementFailed("A file could not be made")
            }
        case .shared(_, let run): try run("CREATE TRIGGER broken BEFORE INSERT ON media FOR EACH ROW EXECUTE FUNCTION refuse('no')")
        }
    }

    /// Ends what `breakImages` began.
    func mendImages() throws {
        switch self {
        case .folder(let directory):
            try FileManager.default.removeItem(atPath: directory + "/media/incoming")
            try FileManager.default.createDirectory(atPath: directory + "/media/incoming", withIntermediateDirectories: false)
        case .shared(_, let run): try run("DROP TRIGGER broken ON media")
        }
    }
}
