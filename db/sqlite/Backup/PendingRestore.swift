import Foundation
import Personas

/// A restored state that lies in its data folder, and takes the place of what is there.
///
/// It is built under one name, synced, and then given another: that rename is the moment at which the new state holds, and all that follows only
/// moves things about. So a crash leaves the old state before it, and after it a folder that the next opening finishes. Everything lies within
/// the data folder, because that may be a file system of its own.
enum PendingRestore {
    /// Where a state is built; without worth until it is whole.
    static func incompletePath(in directory: String) -> String { directory + "/restore.incomplete" }

    /// Where a whole state waits to take its place.
    static func completePath(in directory: String) -> String { directory + "/restore.complete" }

    /// Makes the built state the one that holds.
    static func commit(in directory: String) throws {
        try PosixFile.syncFolder(incompletePath(in: directory))
        try PosixFile.rename(incompletePath(in: directory), to: completePath(in: directory))
        try PosixFile.syncFolder(directory)
    }

    /// Brings to its end what a crash may have left, or what was just committed. To be called under the folder's lock, with nothing open.
    static func finish(in directory: String) throws {
        try PosixFile.removeTree(incompletePath(in: directory))
        guard PosixFile.exists(completePath(in: directory)) else { return }
        for step in steps { try step(directory) }
    }

    /// What brings a committed state into place. Each step does nothing where it was done before, and is on disk before the next begins.
    static let steps: [@Sendable (String) throws -> Void] = [
        { directory in
            let (current, new) = (directory + "/media", completePath(in: directory) + "/media")
            guard PosixFile.exists(new), PosixFile.exists(current) else { return }
            try PosixFile.rename(current, to: completePath(in: directory) + "/media.replaced")
            try sync(directory)
        },
        { directory in
            let new = completePath(in: directory) + "/media"
            guard PosixFile.exists(new) else { return }
            try PosixFile.rename(new, to: directory + "/media")
            try sync(directory)
        },
        { directory in
            guard PosixFile.exists(completePath(in: directory) + "/personas.sqlite") else { return }
            // A log left behind would be played into the new database.
            for ending in ["-wal", "-shm", "-journal"] { try PosixFile.remove("\(directory)/personas.sqlite\(ending)") }
            try sync(directory)
        },
        { directory in
            let new = completePath(in: directory) + "/personas.sqlite"
            guard PosixFile.exists(new) else { return }
            try PosixFile.rename(new, to: directory + "/personas.sqlite")
            try sync(directory)
        },
        { directory in
            try PosixFile.removeTree(completePath(in: directory))
            try PosixFile.syncFolder(directory)
        },
    ]

    private static func sync(_ directory: String) throws {
        try PosixFile.syncFolder(completePath(in: directory))
        try PosixFile.syncFolder(directory)
    }
}
