import Foundation
import Personas
import Testing

@testable import PersonasDB

@Suite("Deleting items", .timeLimit(.minutes(1)))
struct ItemDeletionTests {
    @Test("An item in training cannot be deleted, neither by its owner nor by an operator", arguments: House.all)
    func processing(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", mode: .style, of: account)
            let before = try open.counts()
            for owner in [account, nil] {
                await #expect(throws: Failure.stillProcessing(.style)) {
                    try await open.items.delete(item.id, mode: nil, accountID: owner, at: .second(1))
                }
            }
            #expect(try open.counts() == before)
        }
    }

    @Test("Deleting takes the item, its links and its job, and queues its images; a second time it is not there", arguments: House.all)
    func delete(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, images: try await stored(3, open))
            let job = try #require(try await open.jobs.lease(limit: 1, policy: LeasePolicy(), at: .second(0)).first)
            try await open.jobs.complete(job.id, token: job.leaseToken, portrait: try await stored(1, from: 10, open)[0], at: .second(1))
            let completed = try await open.items.find(item.id, mode: nil, accountID: account)
            let tokens = completed.referenceTokens + [try #require(completed.portraitToken)]
            for token in tokens { _ = try await open.images.open(token) }

            #expect(try await open.items.delete(item.id, mode: .persona, accountID: account, at: .second(2)) == .persona)
            for token in tokens { await #expect(throws: Failure.notFound) { try await open.images.open(token) } }
            await #expect(throws: Failure.notFound) { try await open.items.find(item.id, mode: nil, accountID: account) }
            #expect(try open.counts() == ["pikzonality": 0, "image_link": 0, "media": 4, "media_removal": 4, "training_job": 0])
            for owner in [account, nil] {
                await #expect(throws: Failure.notFound) {
                    try await open.items.delete(item.id, mode: nil, accountID: owner, at: .second(3))
                }
            }

            #expect(try await open.collector.collect() == 4)
            #expect(try open.counts().values.allSatisfy { $0 == 0 })
            #expect(try open.imageFiles() == [])
        }
    }

    @Test(
        "An item in training goes where that is asked for, with all that it has; its worker is told, and can change nothing any more",
        arguments: House.all, ["queued", "leased", "queued again", "completed"])
    func endingTraining(on house: House, state: String) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let (item, other) = (
                try await open.insert("Nova", of: account, images: try await stored(3, open)),
                try await open.insert("Other", of: account, images: try await stored(3, from: 20, open), at: .second(1))
            )
            let policy = LeasePolicy(seconds: 30, attemptsMax: 3)
            var lease: LeasedJob?
            if state != "queued" { lease = try await open.jobs.lease(limit: 1, policy: policy, at: .second(1)).first }
            if let lease, state == "queued again" { try await open.jobs.handBack(lease.id, token: lease.leaseToken, at: .second(2)) }
            if let lease, state == "completed" {
                try await open.jobs.complete(lease.id, token: lease.leaseToken, portrait: nil, at: .second(2))
            }
            #expect(
                try await open.items.delete(
                    item.id, mode: nil, accountID: nil, if: .none, endingTraining: true, in: WriteContext(at: .second(3))) == .persona)
            await #expect(throws: Failure.notFound) { try await open.items.find(item.id, mode: nil, accountID: account) }
            for token in item.referenceTokens { await #expect(throws: Failure.notFound) { try await open.images.open(token) } }
            #expect(try await open.collector.collect() == 3)
            #expect(try open.count("image_link") == 3 && open.count("media_removal") == 0)
            if let lease {
                let gone: Failure = state == "completed" ? .notFound : .staleLease
                await #expect(throws: gone) {
                    try await open.jobs.complete(lease.id, token: lease.leaseToken, portrait: nil, at: .second(4))
                }
                await #expect(throws: gone) {
                    try await open.jobs.fail(
                        lease.id, token: lease.leaseToken, error: .fixture, retryable: true, policy: policy, at: .second(4))
                }
                if state == "leased" {
                    let beat = try await open.jobs.heartbeat(lease.id, token: lease.leaseToken, progress: 5, policy: policy, at: .second(4))
                    #expect(beat.isCancelled)
                } else {
                    await #expect(throws: gone) {
                        try await open.jobs.heartbeat(lease.id, token: lease.leaseToken, progress: 5, policy: policy, at: .second(4))
                    }
                }
            }
            #expect(try await open.jobs.lease(limit: 9, policy: policy, at: .second(5)).map(\.item.id) == [other.id])
            #expect(try await sound(open))
        }
    }

    @Test("An operator deletes the items of any account", arguments: House.all)
    func byOperator(on house: House) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Nova", mode: .style, of: try await open.account(), outcome: .failed(.fixture))
            #expect(try await open.items.delete(item.id, mode: nil, accountID: nil, at: .second(1)) == .style)
            #expect(try open.count("pikzonality") == 0)
        }
    }

    @Test("Bytes that several items share, or one item twice, stay until the last of them goes", arguments: House.all)
    func sharedBytes(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let images = try await stored(2, open)
            let (shared, own) = (images[0], images[1])
            let first = try await open.insert("First", of: account, images: [shared, shared, own], outcome: .completed)
            let second = try await open.insert("Second", of: account, images: [shared, shared, shared], outcome: .completed)
            #expect(try open.count("media") == 2)

            _ = try await open.items.delete(first.id, mode: nil, accountID: account, at: .second(1))
            #expect(try await open.collector.collect() == 1)
            #expect(try open.imageFiles() == [open.file(of: shared)])
            #expect(try open.count("media_removal") == 0)
            let content = try await open.images.open(second.referenceTokens[2])
            #expect(content.image == shared)
            #expect(try await content.read(at: 0, count: shared.byteCount).count == shared.byteCount)

            _ = try await open.items.delete(second.id, mode: nil, accountID: account, at: .second(2))
            #expect(try await open.collector.collect() == 1)
            #expect(try open.imageFiles() == [])
        }
    }

    /// Stores images whose pins end at once, which is safe as long as nothing removes meanwhile.
    private func stored(_ count: UInt64, from seed: UInt64 = 0, _ open: OpenStorage) async throws -> [StoredImage] {
        var images: [StoredImage] = []
        for number in seed..<seed + count { images.append(try await open.store(try .fixture(number))) }
        open.unpin(images)
        return images
    }
}

/// The paths of all files in the media folder, sorted.
func mediaFiles(_ open: OpenStorage) throws -> [String] {
    let found = try #require(FileManager.default.enumerator(atPath: open.files.folder.path))
    var isFolder: ObjCBool = false
    return found.compactMap { $0 as? String }.map { "\(open.files.folder.path)/\($0)" }.filter {
        FileManager.default.fileExists(atPath: $0, isDirectory: &isFolder) && !isFolder.boolValue
    }.sorted()
}
