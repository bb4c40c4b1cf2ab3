import Crypto
import Foundation
import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Collecting blobs", .timeLimit(.minutes(1)))
struct BlobCollectorTests {
    @Test("A file that is pinned stays, and goes once the last pin ends")
    func pins() async throws {
        try await withStorage { open in
            let image = try await open.store(try .fixture(1))
            #expect(try await open.store(try .fixture(1)) == image)
            try await queue([image], open)
            #expect(try await open.collector.collect() == 0)
            open.unpin([image])
            #expect(try await open.collector.collect() == 0)
            #expect(try await open.verifiedBytes(of: image).count == image.byteCount)
            open.unpin([image])
            #expect(try await open.collector.collect() == 1)
            #expect(try open.imageFiles() == [])
            #expect(try open.count("media_removal") == 0)
        }
    }

    @Test("A queue longer than a round is worked off at once, past files that are pinned and files that are needed", arguments: House.all)
    func longQueue(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            var images: [StoredImage] = []
            for seed in 0..<150 { images.append(try await open.store(try .fixture(UInt64(seed)))) }
            try await queue(images, open)
            // In the order of the queue the first hundred must stay, more than one round holds.
            images.sort { $0.digest.lexicographicallyPrecedes($1.digest) }
            let (needed, pinned) = (Array(images[0..<70]), Array(images[70..<100]))
            for index in stride(from: 0, to: 70, by: 2) {
                _ = try await open.insert("Item \(index)", of: account, images: Array(needed[index...index + 1]))
            }
            open.unpin(needed + images[100...])
            #expect(try await open.collector.collect() == 50)
            #expect(try open.imageFiles() == (needed + pinned).map(open.file).sorted())
            #expect(try open.count("media_removal") == 30, "those pinned are tried again")
            open.unpin(pinned)
            #expect(try await open.collector.collect() == 30)
            #expect(try open.count("media_removal") == 0)
        }
    }

    @Test("A file of the queue that went already, as after a crash, is no error", arguments: House.all)
    func goneAlready(on house: House) async throws {
        try await withStorage(on: house) { open in
            let image = try await open.store(try .fixture(1))
            open.unpin([image])
            try await queue([image], open)
            try FileManager.default.removeItem(atPath: open.file(of: image))
            _ = try await open.collector.collect()
            #expect(try open.count("media_removal") == 0)
        }
    }

    @Test("The sweep takes files that no row names, in every folder, and leaves the needed, the pinned and what is no image file")
    func sweep() async throws {
        try await withStorage { open in
            var (orphans, needed): ([StoredImage], [StoredImage]) = ([], [])
            for seed in 0..<40 { orphans.append(try await open.store(try .fixture(UInt64(seed)))) }
            for seed in 100..<103 { needed.append(try await open.store(try .fixture(UInt64(seed)))) }
            let pinned = try await open.store(try .fixture(200))
            _ = try await open.insert("Nova", of: try await open.account(), images: needed)
            open.unpin(orphans + needed)
            let strange = ["\(open.files.folder.path)/00/notes.txt", "\(open.files.folder.path)/00/" + String(repeating: "x", count: 62)]
            for path in strange { try Data().write(to: URL(fileURLWithPath: path)) }
            #expect(Set(orphans.map { $0.digest[0] }).count > 20, "the files are spread")

            #expect(try await open.sweepAll() == 40)
            #expect(try open.imageFiles() == ((needed + [pinned]).map { open.files.folder.file(of: $0.key) } + strange).sorted())
            #expect(try await open.sweepAll() == 0)
        }
    }

    @Test("Abandoned files go with the next removal, unless a row names them or something pins them", arguments: House.all)
    func abandoned(on house: House) async throws {
        try await withStorage(on: house) { open in
            var images: [StoredImage] = []
            for seed in 0..<6 { images.append(try await open.store(try .fixture(UInt64(seed)))) }
            let (doomed, needed, pinned) = (Array(images[0..<2]), Array(images[2..<4]), Array(images[4..<6]))
            for seed in 4..<6 { _ = try await open.store(try .fixture(UInt64(seed))) }
            _ = try await open.insert("Nova", of: try await open.account(), images: needed)
            await open.abandon(doomed + needed)
            await open.storage.images.abandon(pinned)
            #expect(try await open.collector.collect() == 2)
            #expect(try open.imageFiles() == (needed + pinned).map(open.file).sorted())
            #expect(try open.count("media_removal") == 0)
            open.unpin(pinned)
        }
    }

    @Test("A file that cannot be removed keeps none of the others, and goes when it can be", arguments: House.all)
    func stuckFile(on house: House) async throws {
        try await withStorage(on: house) { open in
            var images: [StoredImage] = []
            for seed in 0..<150 { images.append(try await open.store(try .fixture(UInt64(seed)))) }
            open.unpin(images)
            try await queue(images, open)
            images.sort { $0.digest.lexicographicallyPrecedes($1.digest) }
            // A folder in its place is not removed as files are.
            let stuck = open.file(of: images[10])
            try FileManager.default.removeItem(atPath: stuck)
            try FileManager.default.createDirectory(atPath: stuck, withIntermediateDirectories: false)
            await #expect(throws: Failure.self) { try await open.collector.collect() }
            #expect(try open.imageFiles().filter { $0 != stuck } == [])
            // Where an object's row goes first, what is left to be done is written down by its object.
            let queue = house == .postgres ? "object_removal" : "media_removal"
            #expect(try open.count(queue) == 1)
            try FileManager.default.removeItem(atPath: stuck)
            _ = try await open.collector.collect()
            #expect(try open.count("media_removal") == 0 && open.count(queue) == 0)
        }
    }

    @Test("What is given up while removals pause, as for a backup, goes with the first removal after")
    func abandonedInPause() async throws {
        try await withStorage { open in
            await open.index.pins.pauseDeleting()
            await open.index.abandon([try await open.store(try .fixture(1))])
            #expect(try await open.collector.collect() == 0)
            #expect(try open.imageFiles().count == 1)
            #expect(try await open.findings() == [], "it is no orphan meanwhile")
            open.index.pins.resumeDeleting(at: .now)
            #expect(try await open.collector.collect() == 1)
            #expect(try open.imageFiles() == [])
        }
    }

    @Test("Before a file goes something is written, in whose place an older commit that failed cannot come back")
    func writesBeforeRemoval() async throws {
        try await withStorage { open in
            let image = try await open.store(try .fixture(1))
            let log = "\(open.directory)/personas.sqlite-wal"
            let before = try Data(contentsOf: URL(fileURLWithPath: log))
            await open.index.abandon([image])
            #expect(try await open.collector.collect() == 1)
            let after = try Data(contentsOf: URL(fileURLWithPath: log))
            // One commit before the file goes, one when the queue forgets it.
            let frameBytes = 4_096 + 24
            #expect(after.count >= before.count + 2 * frameBytes)
        }
    }

    @Test("Looking for work passes through all folders in 256 calls", arguments: House.all)
    func sweepIsSpread(on house: House) async throws {
        try await withStorage(on: house) { open in
            var images: [StoredImage] = []
            for seed in 0..<10 { images.append(try await open.store(try .fixture(UInt64(seed)))) }
            open.unpin(images)
            var removed = 0
            for _ in 0..<256 { removed += try await open.collector.collect() }
            #expect(removed == 10)
            #expect(try open.imageFiles() == [])
        }
    }

    @Test("A task that wants to pin a blob that is just being deleted waits until it is gone")
    func pinWaits() async {
        let (pins, events) = (ImagePins(), Ledger<String>())
        for number in 0..<50 {
            let key = BlobKey(digest: [UInt8(number)])
            #expect(pins.beginDeleting([key, [255]]).contains(key))
            let caller = Task {
                events.append("asked \(number)")
                await pins.pin(key)
                events.append("pinned \(number)")
            }
            // Who was told to stop waits all the same, but not by looking again and again.
            if number % 2 == 0 { caller.cancel() }
            while events.entries.count < number * 3 + 1 { await Task.yield() }
            for _ in 0..<20 { await Task.yield() }
            events.append("gone \(number)")
            pins.endDeleting([key, [255]])
            await caller.value
            #expect(events.entries.suffix(3) == ["asked \(number)", "gone \(number)", "pinned \(number)"])
            #expect(pins.beginDeleting([key]) == [], "pinned from now on")
        }
    }

    @Test("However storing, inserting, deleting and removing mix, what a row names is there and whole", arguments: House.all)
    func race(on house: House) async throws {
        try await withStorage(on: house, readers: 4) { open in
            let account = try await open.account()
            // Few images for many items, so that every task gets in the way of the others.
            let images = try (0..<4).map { try SanitizedImage.fixture(UInt64($0), side: 8) }
            let removed = Shared(0)
            let end = ContinuousClock.now + timeout
            try await withThrowingTaskGroup { group in
                let sweeper = Task {
                    while !Task.isCancelled {
                        let count = try await open.collector.collect() + open.sweepAll()
                        removed.withLock { $0 += count }
                    }
                }
                for worker in 0..<6 {
                    group.addTask {
                        var random = SplitMix64(seed: UInt64(worker))
                        var round = 0
                        // Files have to go while others come, which on a slow machine takes more rounds.
                        while round < 24 || (removed.value == 0 && .now < end) {
                            try await work(worker, round, account, images, open, isKept: false, &random)
                            round += 1
                        }
                        try await work(worker, round, account, images, open, isKept: true, &random)
                    }
                }
                do {
                    try await group.waitForAll()
                } catch {
                    sweeper.cancel()
                    throw error
                }
                sweeper.cancel()
                try await sweeper.value
                #expect(removed.value > 0, "files went while others came")
            }
            try await expectConsistency(open)
            _ = try await open.collector.collect()
            _ = try await open.sweepAll()
            try await expectConsistency(open)
            #expect(try open.imageFiles().count == open.count("media"), "nothing superfluous is left")
            #expect(try open.count("media_removal") == 0)
        }
    }

    /// One create and, unless it is kept, one deletion, as the use cases do them.
    private func work(
        _ worker: Int, _ round: Int, _ account: Identifier, _ images: [SanitizedImage], _ open: OpenStorage, isKept: Bool,
        _ random: inout SplitMix64
    ) async throws {
        var stored: [StoredImage] = []
        for _ in 0..<2 { stored.append(try await open.store(images[Int.random(in: 0..<images.count, using: &random)])) }
        let item = try await open.insert("\(worker) \(round)", of: account, images: stored, outcome: .completed)
        open.unpin(stored)
        for (image, token) in zip(stored, item.referenceTokens) {
            let bytes = try await open.verifiedBytes(of: image)
            #expect(try await open.images.open(token).read(at: 0, count: bytes.count) == bytes)
        }
        if !isKept { _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(round)) }
    }

    /// Makes sure that every linked digest has its file with the right hash.
    private func expectConsistency(_ open: OpenStorage) async throws {
        let keys = try await open.reader.read { connection in
            try connection.all(
                "SELECT DISTINCT digest\(connection.dialect.namesObjects ? ", object" : "") FROM image_link", []
            ) { row in
                BlobKey(digest: Array(row.bytes(0)), object: connection.dialect.namesObjects ? try row.identifier(1) : nil)
            }
        }
        #expect(!keys.isEmpty)
        for key in keys { #expect(try await open.storage.blobs.isIntact(key)) }
    }

    /// Writes what a deletion leaves: rows that nothing links to, and entries in the queue.
    private func queue(_ images: [StoredImage], _ open: OpenStorage) async throws {
        for image in images {
            let digest = "\(open.house == .postgres ? "'\\x" : "X'")\(hexadecimal(image.digest))'"
            if open.house == .sqlite {
                try await open.execute(
                    "INSERT INTO media (digest, format, width, height, byte_count) VALUES (\(digest), 'png', 2, 2, \(image.byteCount))")
            }
            try await open.execute("INSERT INTO media_removal (digest, queued_at) VALUES (\(digest), 0)")
        }
    }
}
