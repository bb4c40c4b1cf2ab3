import Foundation

/// A folder that only this process uses, and that its maker takes away.
package enum TemporaryFolder {
    /// Where tests keep many small databases: in memory if there is room, because a hundred storages that sync as they should take a disk half
    /// a minute and memory three seconds. What is tested is what the file system is asked to do, which is the same there.
    private static let memory: String = {
        let room = try? FileManager.default.attributesOfFileSystem(forPath: "/dev/shm")[.systemFreeSize] as? Int
        let hasRoom = room ?? 0 > 512 * 1_024 * 1_024 && FileManager.default.isWritableFile(atPath: "/dev/shm")
        return hasRoom ? "/dev/shm/" : NSTemporaryDirectory()
    }()

    /// Makes one.
    /// - Parameter name: what its name begins with. It is short, because the path of a Unix socket may not be long.
    package static func make(_ name: String, inMemory: Bool = false) throws -> String {
        let path = (inMemory ? memory : NSTemporaryDirectory()) + "\(name)-\(UUID().uuidString.prefix(8).lowercased())"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return path
    }
}

/// Runs a body with a folder of its own, which is gone afterwards.
package func withTemporaryFolder<Value>(_ name: String, inMemory: Bool = false, _ body: (String) async throws -> Value) async throws
    -> Value
{
    let folder = try TemporaryFolder.make(name, inMemory: inMemory)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

/// The same for a body that does not wait.
package func withTemporaryFolder<Value>(_ name: String, _ body: (String) throws -> Value) throws -> Value {
    let folder = try TemporaryFolder.make(name)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
}
