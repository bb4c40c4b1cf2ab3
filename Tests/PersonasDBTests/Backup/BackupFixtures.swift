import Crypto
import Foundation
import Personas
import Testing

@testable import PersonasDB

/// Something came out that a test cannot go on with.
struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension OpenStorage {
    /// Creates an item that is trained, with image files drawn from seeds, as the use case does.
    func create(_ name: String, of account: Identifier? = nil, images seeds: ClosedRange<UInt64>) async throws -> Pikzonality {
        var owner = account
        if owner == nil { owner = try await self.account(name) }
        var stored: [StoredImage] = []
        for seed in seeds { stored.append(try await store(try .fixture(seed, side: 4))) }
        defer { unpin(stored) }
        return try await insert(name, of: try #require(owner), images: stored, outcome: .completed)
    }

    /// What a check finds, by kind, each with whether it was repaired.
    func findings(isRepairing: Bool = false, at now: Timestamp = .now) async throws -> [Finding] {
        let report = try await storage.integrity.check(repairingWith: isRepairing ? collector : nil, at: now) { _ in }
        #expect(report.counts.findings == report.findings.count)
        #expect(report.sound == report.findings.allSatisfy(\.repaired))
        return report.findings
    }
}

/// Whether a check finds nothing, saying what it finds.
func sound(_ open: OpenStorage) async throws -> Bool {
    let findings = try await open.findings()
    #expect(findings == [])
    return findings.isEmpty
}

/// The names in a folder.
func names(in path: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }

/// A file's SHA-256 in hexadecimal.
func hash(of path: String) throws -> String {
    SHA256.hash(data: try Data(contentsOf: URL(fileURLWithPath: path))).map { String(format: "%02x", $0) }.joined()
}

/// Changes the byte in the middle of a file, in place.
func flipByte(of path: String) throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let place = bytes.count / 2
    bytes[bytes.startIndex + place] ^= 1
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    defer { try? handle.close() }
    try handle.write(contentsOf: bytes)
}

/// Restores a backup into a new folder beside it, and opens that.
func restored<Value>(_ backup: String, _ parent: String, _ body: (OpenStorage) async throws -> Value) async throws -> Value {
    let target = "\(parent)/restored-\(Identifier.random().text)"
    try await restore(backup, into: target)
    return try await withStorage(in: target, body)
}

/// Restores a backup.
@discardableResult
func restore(_ backup: String, into target: String, isForced: Bool = false) async throws -> BackupReport {
    let lock = try #require(try DataFolderLock.acquire(directory: target))
    return try await DataFolderRestore(from: backup).restore(into: target, under: lock, isForced: isForced, for: Operator(uid: 4_321)) {
        _ in
    }
}

/// The files below a folder, sorted.
func mediaFiles(in directory: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: directory).map { "\(directory)/\($0)" }.filter {
        try FileManager.default.attributesOfItem(atPath: $0)[.type] as? FileAttributeType == .typeRegular
    }.sorted()
}
