import Crypto
import Foundation
import GRDB
import TestSupport
import Testing

/// A disk that remembers what it was asked to keep, and may have lost anything else when the power goes.
///
/// A file keeps what was written to it before a sync of it began; of what was written later each write may be there, absent, or torn at a
/// sector. A name in a folder is kept once the folder was synced; later changes of a folder arrive in their order, as far as they do.
final class PowerLossReplay {
    /// What a disk writes whole or not at all.
    private static let sectorBytes = 512

    /// How much of what was not synced is there after the cut.
    enum Remainder: CaseIterable {
        case nothing
        case anything
        case everything
    }

    private final class File {
        var content: [UInt8]
        /// Changes since the last sync; `applied` counts those before them.
        var pending: [TraceEvent] = []
        var applied = 0

        init(_ content: [UInt8] = []) { self.content = content }

        func sync(upTo count: Int) {
            while applied < count, let event = pending.first {
                PowerLossReplay.apply(event, to: &content)
                pending.removeFirst()
                applied += 1
            }
        }
    }

    private struct Folder {
        var pending: [(path: String, file: File?)] = []
        var applied = 0
    }

    private enum Sync {
        case file(File, upTo: Int)
        case folder(String, upTo: Int)
    }

    /// The names as programs see them.
    private var names: [String: File] = [:]
    /// The names that would be there after a cut.
    private var durableNames: [String: File] = [:]
    private var folders: [String: Folder] = [:]
    private var syncs: [Int: Sync] = [:]
    private let root: String

    /// Starts with a folder of which everything is on disk.
    init(_ root: String) throws {
        self.root = root
        for name in try FileManager.default.subpathsOfDirectory(atPath: root) {
            let path = "\(root)/\(name)"
            guard let data = FileManager.default.contents(atPath: path) else { continue }
            names[path] = File([UInt8](data))
        }
        durableNames = names
    }

    /// Takes in what happened next.
    func take(_ event: TraceEvent) {
        switch event {
        case .write(let path, _, _), .truncate(let path, _): names[path]?.pending.append(event)
        case .create(let path):
            let file = File()
            names[path] = file
            rename(path, file)
        case .rename(let path, let goal):
            guard let file = names.removeValue(forKey: path) else { return }
            names[goal] = file
            rename(goal, file)
        case .unlink(let path):
            names[path] = nil
            rename(path, nil)
        case .syncBegin(let path, let number):
            if let file = names[path] {
                syncs[number] = .file(file, upTo: file.applied + file.pending.count)
            } else {
                let folder = folders[path] ?? Folder()
                syncs[number] = .folder(path, upTo: folder.applied + folder.pending.count)
            }
        case .syncEnd(let number):
            switch syncs.removeValue(forKey: number) {
            case .file(let file, let count): file.sync(upTo: count)
            case .folder(let path, let count): sync(folder: path, upTo: count)
            case nil: break
            }
        case .answer: break
        }
    }

    private func rename(_ path: String, _ file: File?) {
        folders[(path as NSString).deletingLastPathComponent, default: Folder()].pending.append((path, file))
    }

    private func sync(folder path: String, upTo count: Int) {
        guard var folder = folders[path] else { return }
        while folder.applied < count, !folder.pending.isEmpty {
            let (name, file) = folder.pending.removeFirst()
            durableNames[name] = file
            folder.applied += 1
        }
        folders[path] = folder
    }

    private static func apply(_ event: TraceEvent, to content: inout [UInt8]) {
        switch event {
        case .write(_, let offset, let bytes):
            if content.count < offset + bytes.count { content += [UInt8](repeating: 0, count: offset + bytes.count - content.count) }
            content.withUnsafeMutableBytes { content in
                bytes.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: content[offset..<offset + bytes.count]).copyMemory(from: $0)
                }
            }
        case .truncate(_, let length):
            if length < content.count {
                content.removeLast(content.count - length)
            } else {
                content += [UInt8](repeating: 0, count: length - content.count)
            }
        default: break
        }
    }

    private func content(of file: File, _ remainder: Remainder, _ random: inout SplitMix64) -> [UInt8] {
        var content = file.content
        guard remainder != .nothing else { return content }
        for event in file.pending {
            switch (event, remainder == .everything ? 0 : Int.random(in: 0..<10, using: &random)) {
            case (_, 0..<4): Self.apply(event, to: &content)
            case (.write(let path, let offset, let bytes), 4..<6) where bytes.count > Self.sectorBytes:
                let sectors = Int.random(in: 1...(bytes.count - 1) / Self.sectorBytes, using: &random)
                Self.apply(.write(path, offset: offset, Array(bytes[..<(sectors * Self.sectorBytes)])), to: &content)
            default: break
            }
        }
        return content
    }

    /// Cuts the power, starts SQLite on what is left in a folder, and looks at it.
    func cut(_ remainder: Remainder, in folder: String, _ random: inout SplitMix64) throws -> PowerLossImage {
        var left = durableNames
        for change in folders.values {
            let count =
                remainder == .everything
                ? change.pending.count
                : remainder == .nothing ? 0 : Int.random(in: 0...change.pending.count, using: &random)
            for (path, file) in change.pending[..<count] { left[path] = file }
        }
        for ending in ["", "-wal", "-shm"] {
            let path = "\(folder)/personas.sqlite\(ending)"
            try? FileManager.default.removeItem(atPath: path)
            guard ending != "-shm", let file = left["\(root)/personas.sqlite\(ending)"] else { continue }
            try Data(content(of: file, remainder, &random)).write(to: URL(fileURLWithPath: path))
        }
        var image = PowerLossImage()
        do {
            let queue = try DatabaseQueue(path: "\(folder)/personas.sqlite")
            defer { try? queue.close() }
            let digests = try queue.read { db in try image.read(db) }
            for digest in digests {
                let name = digest.map { String(format: "%02x", $0) }.joined()
                let file = left["\(root)/media/\(name.prefix(2))/\(name.dropFirst(2))"]
                let bytes = file.map { content(of: $0, remainder, &random) }
                if bytes.map({ Data(SHA256.hash(data: $0)) }) != digest { image.missingImages += 1 }
            }
        } catch let error as DatabaseError {
            image.damage = "\(error)"
        }
        return image
    }
}

/// What a service would find after a power cut.
struct PowerLossImage {
    /// What SQLite finds wrong with the database.
    var damage: String?
    /// The items and their special instructions.
    var items: [String: String] = [:]
    /// Images that rows name, and that are not there or not whole.
    var missingImages = 0

    /// Reads a database, and returns the digests of the images that its rows name.
    fileprivate mutating func read(_ db: Database) throws -> [Data] {
        let check = try String.fetchAll(db, sql: "PRAGMA integrity_check")
        let orphans = try Row.fetchAll(db, sql: "PRAGMA foreign_key_check")
        if check != ["ok"] || !orphans.isEmpty { damage = "\(check) \(orphans)" }
        for row in try Row.fetchAll(db, sql: "SELECT lower(hex(id)) AS id, special_instructions FROM pikzonality") {
            items[row["id"]] = row["special_instructions"] ?? ""
        }
        return try Data.fetchAll(db, sql: "SELECT DISTINCT digest FROM image_link")
    }
}
