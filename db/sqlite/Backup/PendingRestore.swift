import Foundation
import Personas

/// A restored state that lies in its data folder, and takes the place of what is there.
///
/// It is built under one name, synced, and then given another: that rename is the moment at which the new state holds, and all that follows only
/// moves things about. So a crash leaves the old state before it, and after it a folder that the next opening finishes. Everything lies within
/// the data folder, because that may be a file system of its own.
enum PendingRestore {
    /// Makes the built state the one that holds.
    static func commit(in folder: DataFolder) throws {
        try PosixFile.syncFolder(folder.restoreIncomplete.path)
        try PosixFile.rename(folder.restoreIncomplete.path, to: folder.restoreComplete.path)
        try PosixFile.syncFolder(folder.path)
    }

    /// Brings to its end what a crash may have left, or what was just committed. To be called under the folder's lock, with nothing open.
    static func finish(in folder: DataFolder) throws {
        try PosixFile.removeTree(folder.restoreIncomplete.path)
        guard PosixFile.exists(folder.restoreComplete.path) else { return }
        for step in steps { try step(folder) }
    }

    /// What brings a committed state into place. Each step does nothing where it was done before, and is on disk before the next begins.
    static let steps: [@Sendable (DataFolder) throws -> Void] = [
        { folder in
            let (current, new) = (folder.media.path, folder.restoreComplete.media.path)
            guard PosixFile.exists(new), PosixFile.exists(current) else { return }
            try PosixFile.rename(current, to: folder.restoreComplete.replacedMedia)
            try sync(folder)
        },
        { folder in
            let new = folder.restoreComplete.media.path
            guard PosixFile.exists(new) else { return }
            try PosixFile.rename(new, to: folder.media.path)
            try sync(folder)
        },
        { folder in
            let new = folder.restoreComplete.secretsKey
            guard PosixFile.exists(new) else { return }
            try PosixFile.rename(new, to: folder.secretsKey)
            try sync(folder)
        },
        { folder in
            guard PosixFile.exists(folder.restoreComplete.database) else { return }
            // A log left behind would be played into the new database, and what was backed up was the old one.
            for path in folder.databaseCompanions + [folder.lastBackup] { try PosixFile.remove(path) }
            try sync(folder)
        },
        { folder in
            let new = folder.restoreComplete.database
            guard PosixFile.exists(new) else { return }
            try PosixFile.rename(new, to: folder.database)
            try sync(folder)
        },
        { folder in
            try PosixFile.removeTree(folder.restoreComplete.path)
            try PosixFile.syncFolder(folder.path)
        },
    ]

    private static func sync(_ folder: DataFolder) throws {
        try PosixFile.syncFolder(folder.restoreComplete.path)
        try PosixFile.syncFolder(folder.path)
    }
}
