import Foundation
import Personas
import TestLife
import TestSupport
import Testing

@testable import PersonasDB

/// Items and jobs of one account in a database on disk.
private struct ItemsInStore: LivingItems {
    private static let policy = LeasePolicy(seconds: Int(LifeModel.leaseMilliseconds / 1_000), attemptsMax: LifeModel.attemptsMax)

    let open: OpenStorage
    let account: Identifier
    /// Two sets of images, which take turns.
    let imageSets: [[StoredImage]]
    private var ids: [Identifier] = []
    private var tokens: [ReferenceTokens] = []
    private var images: [Int] = []
    private var leases: [LeasedJob] = []
    private var events: [Event] = []

    init(_ open: OpenStorage, account: Identifier, imageSets: [[StoredImage]]) {
        (self.open, self.account, self.imageSets) = (open, account, imageSets)
    }

    mutating func take(_ step: LifeStep, at now: Int64) async throws -> LifeAnswer {
        do throws(Failure) {
            return try await attempt(step, at: Timestamp(milliseconds: now))
        } catch {
            return switch error {
            case .staleLease: .staleLease
            case .notFound: .notFound
            case .notProcessing: .notProcessing
            case .notFailed: .notFailed
            case .stillProcessing: .stillProcessing
            case .invalid: .invalid
            default: throw error
            }
        }
    }

    private mutating func attempt(_ step: LifeStep, at now: Timestamp) async throws(Failure) -> LifeAnswer {
        switch step {
        case .create:
            let item = try await open.insert("Item \(ids.count)", of: account, images: imageSets[0], at: now)
            ids.append(item.id)
            tokens.append(item.referenceTokens)
            images.append(0)
        case .lease:
            guard let job = try await open.jobs.lease(limit: 1, policy: Self.policy, at: now).first else { return .nothing }
            leases.append(job)
            return .leased(item: ids.firstIndex(of: job.item.id) ?? -1)
        case .heartbeat(let number, let progress):
            let lease = leases[number]
            let state = try await open.jobs.heartbeat(lease.id, token: lease.leaseToken, progress: progress, policy: Self.policy, at: now)
            return state.isCancelled ? .stop : .done
        case .complete(let number):
            try await open.jobs.complete(leases[number].id, token: leases[number].leaseToken, portrait: nil, at: now)
        case .fail(let number, let isPassing):
            let lease = leases[number]
            try await open.jobs.fail(
                lease.id, token: lease.leaseToken, error: .fixture, retryable: isPassing, policy: Self.policy, at: now)
        case .handBack(let number): try await open.jobs.handBack(leases[number].id, token: leases[number].leaseToken, at: now)
        case .expire: _ = try await open.jobs.expire(policy: Self.policy, at: now)
        case .restart: _ = try await open.jobs.takeOver(policy: Self.policy, at: now)
        case .cancel, .retry, .delete, .settle, .wish: return try await attemptOfOwner(step, in: WriteTime(now: now))
        }
        return .done
    }

    /// The moment of a write, from which its contexts are made.
    private struct WriteTime {
        let now: Timestamp

        func context<Value: Sendable>() -> WriteContext<Value> { WriteContext(at: now) }
    }

    private func attemptOfOwner(_ step: LifeStep, in time: WriteTime) async throws(Failure) -> LifeAnswer {
        switch step {
        case .cancel(let item):
            _ = try await open.items.cancel(ids[item], mode: nil, accountID: account, if: .none, in: time.context())
        case .retry(let item, let withImages):
            _ = try await open.items.retry(
                ids[item], mode: nil, accountID: account, with: withImages ? imageSets[(images[item] + 1) % 2] : nil, if: .none,
                in: time.context())
        case .delete(let item):
            _ = try await open.items.delete(ids[item], mode: nil, accountID: account, at: time.now)
        case .settle(let item):
            let settling = try await open.items.settle(
                ids[item], mode: nil, accountID: account, to: .deleted, if: .none, in: time.context())
            return settling == .later(.persona) ? .later : .done
        case .wish(let item, let isGone):
            _ = try await open.items.update(
                ids[item], mode: nil, accountID: account, change: PikzonalityChange(deleteWhenSettled: isGone), at: time.now)
        default: throw .unexpected("Not an owner's step")
        }
        return .done
    }

    mutating func look(at number: Int) async throws -> LifeView? {
        guard let item = try? await open.items.find(ids[number], mode: nil, accountID: account) else { return nil }
        if item.referenceTokens != tokens[number] {
            images[number] += 1
            tokens[number] = item.referenceTokens
        }
        return LifeView(of: item, images: images[number])
    }

    mutating func told() async throws -> [LifeEvent] {
        let page = try await open.storage.events.events(EventFilter(), after: events.last?.sequence ?? 0, limit: 1_000, accountID: account)
        for event in page.events {
            guard event.sequence == (events.last?.sequence ?? 0) + 1 else {
                throw LifeDisagreement(description: "a sequence is missing before \(event.sequence)")
            }
            events.append(event)
        }
        return events.filter { !$0.type.isProgress }.map { event in
            LifeEvent(
                item: event.itemID.flatMap { ids.firstIndex(of: $0) } ?? -1, kind: String(event.type.text.dropFirst("persona.".count)),
                changed: event.changed)
        }
    }

    func fault(liveItems: [Int]) async throws -> String? {
        let counts = try open.counts([
            ("pikzonality", "status = 'processing'"),
            ("training_job", "(state = 'queued' OR state = 'leased') AND pikzonality_id IS NOT NULL"),
            ("training_job", "(state = 'queued' OR state = 'leased') AND pikzonality_id IS NULL"),
            ("pikzonality", "settles_to IS NOT NULL AND status <> 'processing'"),
        ])
        let (processing, live, lost, waiting) = (counts[0], counts[1], counts[2], counts[3])
        guard live == liveItems.count, processing == live, lost == 0 else {
            return "\(processing) items in training, \(live) jobs for them, \(lost) for none"
        }
        return waiting == 0 ? nil : "an item that has settled is still to go"
    }

    /// Whether what links, counts and bytes say is what the items are, once a run is over.
    func expectSound() async throws {
        let known = try await open.items.page(PikzonalityFilter(), sort: .newestFirst, after: nil, limit: 100, accountID: account)
        for item in known {
            let number = try #require(ids.firstIndex(of: item.id))
            for (token, image) in zip(item.referenceTokens, imageSets[images[number] % 2]) {
                #expect(try await open.images.image(token) == image)
            }
        }
        #expect(try open.count("image_link") == known.count * 3 + known.count { $0.status == .completed })
        let usage = try await open.items.usage(accountID: account)
        let bytes = known.indices.reduce(0) { sum, place in
            let number = ids.firstIndex(of: known[place].id) ?? 0
            return sum + imageSets[images[number] % 2].reduce(0) { $0 + $1.byteCount }
        }
        #expect(usage.items == known.count && usage.storedBytes == bytes)
    }
}

@Suite("The lives of stored items against a model", .timeLimit(.minutes(10)))
struct StoredLifeModelTests {
    @Test(
        "Random interleavings of what owners, workers and restarts do go as in the model, and leave nothing that a check finds",
        arguments: House.all)
    func interleavings(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            var seen: Set<String> = []
            // A network takes its time with each step.
            for block in 0..<(house == .sqlite ? 20 : 2) as Range<UInt64> {
                // Each block opens the folder anew, beside what the runs before have left.
                try await withStorage(on: house, in: directory) { open in
                    let imageSets = try await Self.imageSets(open)
                    for seed in block * 10..<(block + 1) * 10 {
                        let name = "acme \(seed)"
                        // Days pass in a run, and jobs are queued in the order of time.
                        let start = Timestamp.second(Int(seed) * 10_000_000).milliseconds
                        var run = LifeRun(seed: seed, at: start, isShared: house == .postgres)
                        var items = ItemsInStore(open, account: try await open.account(name), imageSets: imageSets)
                        try await run.take(60, in: &items)
                        try await items.expectSound()
                        seen.formUnion(run.seen)
                        try await open.accounts.delete(accountNamed: name, at: .second(Int(seed) * 10_000_000 + 9_999_999))
                    }
                    open.unpin(imageSets.flatMap { $0 })
                    _ = try await open.collector.collect()
                    #expect(try await sound(open))
                }
            }
            if house == .sqlite { #expect(LifeRun.neededCases.subtracting(seen).isEmpty) }
        }
    }

    private static func imageSets(_ open: OpenStorage) async throws -> [[StoredImage]] {
        var sets: [[StoredImage]] = []
        for set in 0..<2 as Range<UInt64> {
            var images: [StoredImage] = []
            for number in 0..<3 as Range<UInt64> {
                images.append(try await open.store(try .fixture(10 * set + number, side: Int(2 + set))))
            }
            sets.append(images)
        }
        return sets
    }
}
