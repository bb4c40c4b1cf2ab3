import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    /// Rows against objects; what rows say of each other is asked of both engines by the suites of what they are about.
    @Suite("Comparing rows with a bucket", .timeLimit(.minutes(1)))
    struct Comparisons {
        /// A bucket's listing: in pages, with times and lengths that a test sets.
        private struct Listing: BlobStore {
            let blobs: ObjectFolder
            /// When objects were written that are not said otherwise.
            let modifiedAt: Timestamp
            var youngest: Set<BlobKey> = []
            var lengths: [BlobKey: Int] = [:]
            /// What comes to be after a listing has passed over its place.
            var afterPage: @Sendable () async -> Void = {}

            func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] { try await blobs.digest(of: bytes) }
            func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) { try await blobs.put(bytes, under: key) }
            func open(_ key: BlobKey) async throws(Failure) -> any Blob { try await blobs.open(key) }
            func isIntact(_ key: BlobKey) async throws(Failure) -> Bool { try await blobs.isIntact(key) }
            func delete(_ key: BlobKey) async throws(Failure) { try await blobs.delete(key) }
            func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {
                try await blobs.list(prefix, to: sink)
            }

            func listWithTimes(_ prefix: UInt8, to sink: ([ListedBlob]) async throws(Failure) -> Void) async throws(Failure) {
                for key in blobs.keys() where key.digest.first == prefix {
                    let bytes = FileManager.default.contents(atPath: blobs.file(of: key))
                    let blob = ListedBlob(
                        key: key, modifiedAt: youngest.contains(key) ? .now : modifiedAt, byteCount: lengths[key] ?? bytes?.count)
                    try await sink([blob])
                    await afterPage()
                }
            }
        }

        private static func check(
            _ open: OpenStorage, _ listing: Listing, isRepairing: Bool = false
        ) async throws -> IntegrityReport {
            let database = try PostgresDatabase(of: open.directory)
            defer { database.reader.close() }
            let storage = try await database.open(in: open.directory, blobs: listing)
            defer { storage.close() }
            let collector = BlobCollector(index: storage.images, blobs: listing, clock: .system)
            return try await storage.integrity.check(repairingWith: isRepairing ? collector : nil, at: .now) { _ in }
        }

        @Test("A sweep takes objects that no row names once they are a day old, and leaves those with a row")
        func sweep() async throws {
            try await withStorage(on: .postgres) { open in
                let objects = ObjectFolder(open.directory + "/objects")
                let account = try await open.account()
                let needed = try await open.stored(1...3)
                _ = try await open.insert("Nova", of: account, images: needed)
                let strays = (4...5).map { BlobKey(digest: Array(repeating: UInt8($0), count: 32), object: .random()) }
                for key in strays { try await objects.put([1], under: key) }
                var listing = Listing(blobs: objects, modifiedAt: .now.adding(seconds: -BlobCollector.strayHoursMin * 3_600 - 60))
                listing.youngest = [strays[1]]
                let collector = BlobCollector(index: open.storage.images, blobs: listing, clock: .system)
                for prefix in UInt8.min...UInt8.max { _ = try await collector.sweep(prefix) }
                #expect(Set(objects.keys()) == Set(needed.map(\.key) + [strays[1]]))
            }
        }

        @Test(
            "Objects without rows, rows without objects and objects of other lengths are found; only the first are repaired, and only old ones"
        )
        func both() async throws {
            try await withStorage(on: .postgres) { open in
                let objects = ObjectFolder(open.directory + "/objects")
                let images = try await open.stored(1...9)
                let account = try await open.account()
                for number in 0..<3 {
                    let own = Array(images[3 * number..<3 * number + 3])
                    _ = try await open.insert("Item \(number)", of: account, images: own, outcome: .completed)
                }
                var listing = Listing(blobs: objects, modifiedAt: .now.adding(days: -2))
                var report = try await Self.check(open, listing)
                #expect(report.findings == [] && report.sound)
                #expect(report.counts.items == 3 && report.counts.images == 9 && report.counts.files == 9)
                #expect(report.counts.imageBytes == images.reduce(0) { $0 + $1.byteCount })

                // Beside the rows' objects some that nobody knows: of other digests, and of one that has a row for another object.
                var strays = (0..<3).map { BlobKey(digest: [UInt8](repeating: UInt8($0 * 100), count: 32), object: .random()) }
                strays.append(BlobKey(digest: images[0].digest, object: .random()))
                let young = BlobKey(digest: [UInt8](repeating: 200, count: 32), object: .random())
                for key in strays + [young] { try await objects.put([1], under: key) }
                listing.youngest = [young]
                try await objects.delete(images[1].key)
                listing.lengths[images[2].key] = 7
                for isRepairing in [false, true] {
                    report = try await Self.check(open, listing, isRepairing: isRepairing)
                    #expect(
                        report.counts.findingsByKind == ["file_orphaned": 4, "file_missing": 1, "file_damaged": 1], "\(report.findings)")
                    #expect(report.counts.repaired == (isRepairing ? 4 : 0))
                    let named = Set(report.findings.filter { $0.kind == .fileOrphaned }.map(\.subject))
                    #expect(named == Set(strays.map { hexadecimal($0.digest) }))
                }
                #expect(Set(objects.keys()) == Set(images.map(\.key) + [young]).subtracting([images[1].key]))
                report = try await Self.check(open, listing)
                #expect(report.counts.findingsByKind == ["file_missing": 1, "file_damaged": 1])
                #expect(report.counts.imageBytes == images.reduce(0) { $0 + $1.byteCount } - images[1].byteCount - images[2].byteCount)

                // A row that nothing links to and nobody queued, and one that waits too long.
                try await open.execute("DELETE FROM image_link WHERE object = '\(images[8].key.object?.text ?? "")'")
                report = try await Self.check(open, listing, isRepairing: true)
                #expect(report.findings.filter { $0.kind == .rowOrphaned }.map(\.subject) == [hexadecimal(images[8].digest)])
                #expect(try open.count("media") == 8 && !FileManager.default.fileExists(atPath: open.file(of: images[8])))
            }
        }

        @Test("What is stored or removed while the check goes on is no finding")
        func meanwhile() async throws {
            try await withStorage(on: .postgres) { open in
                let account = try await open.account()
                let kept = try await open.stored(1...3)
                _ = try await open.insert("Kept", of: account, images: kept, outcome: .completed)
                let seed = Shared<UInt64>(100)
                var listing = Listing(blobs: ObjectFolder(open.directory + "/objects"), modifiedAt: .now.adding(days: -2))
                listing.afterPage = {
                    // New objects behind the listing's place and before it, and others that go.
                    do {
                        let first = seed.withLock { seed in
                            seed += 30
                            return seed - 30
                        }
                        let item = try await open.create("Item \(first)", of: account, images: first...(first + 9))
                        let going = try await open.create("Gone \(first)", of: account, images: (first + 10)...(first + 19))
                        _ = try await open.items.delete(going.id, mode: nil, accountID: account, at: .second(1))
                        _ = try await open.collector.collect()
                        _ = item
                    } catch {
                        Issue.record("\(error)")
                    }
                }
                let once = listing.afterPage
                let calls = Shared(0)
                listing.afterPage = {
                    if calls.withLock({
                        $0 += 1; return $0
                    }) <= 5 {
                        await once()
                    }
                }
                let report = try await Self.check(open, listing)
                #expect(report.findings == [])
                #expect(calls.value >= 3)
            }
        }

        @Test("What waits for its removal longer than it may is found, and goes with a repair")
        func overdue() async throws {
            try await withStorage(on: .postgres) { open in
                let account = try await open.account()
                let item = try await open.create("Nova", of: account, images: 1...3)
                _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(-100_000_000))
                let listing = Listing(blobs: ObjectFolder(open.directory + "/objects"), modifiedAt: .now.adding(days: -2))
                var report = try await Self.check(open, listing)
                #expect(report.counts.findingsByKind == ["removal_overdue": 3] && report.counts.pendingRemovals == 3)
                report = try await Self.check(open, listing, isRepairing: true)
                #expect(report.counts.repaired == 3 && report.sound)
                #expect(try open.count("media") == 0 && open.imageFiles() == [])
            }
        }
    }
}
