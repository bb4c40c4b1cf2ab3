import Personas
import TestLife
import TestSupport
import Testing

/// Items and jobs in memory: the rules of the domain and nothing else.
private struct ItemsInMemory: LivingItems {
    private struct Entry {
        var job: TrainingJob
        var item: Int?
        var cancelledAt: Int64?
    }

    private let accountID = Identifier.random()
    private var items: [Pikzonality?] = []
    private var images: [Int] = []
    private var entries: [Entry?] = []
    private var leases: [(entry: Int, token: RandomToken)] = []
    private var events: [LifeEvent] = []

    init() {}

    mutating func take(_ step: LifeStep, at now: Int64) -> LifeAnswer {
        let moment = Timestamp(milliseconds: now)
        do throws(Failure) {
            return try attempt(step, at: moment)
        } catch {
            return switch error {
            case .staleLease: .staleLease
            case .notFound: .notFound
            case .notProcessing: .notProcessing
            case .notFailed: .notFailed
            case .stillProcessing: .stillProcessing
            default: .invalid
            }
        }
    }

    private mutating func attempt(_ step: LifeStep, at now: Timestamp) throws(Failure) -> LifeAnswer {
        let until = now.adding(seconds: Int(LifeModel.leaseMilliseconds / 1_000))
        switch step {
        case .create:
            let new = NewPikzonality(
                id: .random(), accountID: accountID, mode: .persona, details: PikzonalityDetails(name: Name(stored: "Nova")), references: []
            )
            items.append(Pikzonality(new, at: now, referenceTokens: Self.tokens(), portraitToken: nil))
            images.append(0)
            entries.append(Entry(job: TrainingJob(id: .random()), item: items.count - 1))
            events.append(LifeEvent(item: items.count - 1, kind: "created"))
        case .lease:
            sweep(until: now, at: now)
            let token = RandomToken.random()
            for number in entries.indices {
                guard let item = entries[number]?.item, entries[number]?.job.lease(token: token, until: until) == true else { continue }
                leases.append((number, token))
                return .leased(item: item)
            }
            return .nothing
        case .heartbeat(let lease, let progress):
            let token = leases[lease].token
            let isCancelled = try change(lease, at: now) { (job) throws(Failure) in
                try job.heartbeat(token: token, progress: progress, until: until, at: now)
            }
            return isCancelled ? .stop : .done
        case .complete(let lease):
            let token = leases[lease].token
            try change(lease, at: now) { (job) throws(Failure) in try job.complete(token: token, at: now) }
        case .fail(let lease, let isPassing):
            let (token, error) = (leases[lease].token, TrainingError(code: .rejected, message: "No"))
            try change(lease, at: now) { (job) throws(Failure) in
                try job.fail(token: token, error: error, retryable: isPassing, attemptsMax: LifeModel.attemptsMax, at: now)
            }
        case .handBack(let lease):
            let token = leases[lease].token
            try change(lease, at: now) { (job) throws(Failure) in try job.handBack(token: token, at: now) }
        case .expire, .restart:
            let oldest = now.milliseconds - LifeModel.dayMilliseconds
            for number in entries.indices where (entries[number]?.cancelledAt).map({ $0 <= oldest }) ?? false { entries[number] = nil }
            sweep(until: step == .restart ? Timestamp(milliseconds: .max) : now, at: now)
        case .cancel, .retry, .delete, .settle, .wish: return try attemptOfOwner(step, at: now)
        }
        return .done
    }

    private mutating func attemptOfOwner(_ step: LifeStep, at now: Timestamp) throws(Failure) -> LifeAnswer {
        switch step {
        case .cancel(let number):
            try find(number).requireProcessing()
            guard let entry = entries.firstIndex(where: { $0?.item == number }) else { throw .unexpected("No job") }
            entries[entry]?.job.cancel()
            follow(entry, at: now)
        case .retry(let number, let withImages):
            let item = try find(number)
            store(try item.retried(with: withImages ? Self.tokens() : nil, at: now), from: item, number)
            for entry in entries.indices where entries[entry]?.item == number {
                if entries[entry]?.job.attempts == 0 {
                    entries[entry] = nil
                } else {
                    entries[entry]?.item = nil
                    let cancelledAt = entries[entry]?.cancelledAt ?? now.milliseconds
                    entries[entry]?.cancelledAt = cancelledAt
                }
            }
            entries.append(Entry(job: TrainingJob(id: .random()), item: number))
        case .delete(let number), .settle(let number):
            let item = try find(number)
            guard item.status == .processing else {
                store(ItemStep(item, .deleted), from: item, number)
                return .done
            }
            guard case .settle = step else { throw .stillProcessing(item.mode) }
            let settling = item.settling(to: .deleted, at: now)
            if settling.version != item.version { store(ItemStep(settling, .updated), from: item, number) }
            return .later
        case .wish(let number, let isGone):
            let item = try find(number)
            let changed = try item.changed(by: PikzonalityChange(deleteWhenSettled: isGone), at: now)
            if let changed { store(ItemStep(changed, .updated), from: item, number) }
        default: throw .unexpected("Not an owner's step")
        }
        return .done
    }

    private func find(_ number: Int) throws(Failure) -> Pikzonality {
        guard let item = items[number] else { throw .notFound }
        return item
    }

    private mutating func change<Value>(
        _ lease: Int, at now: Timestamp, _ transition: (inout TrainingJob) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let number = leases[lease].entry
        guard var job = entries[number]?.job else { throw .notFound }
        let value = try transition(&job)
        entries[number]?.job = job
        follow(number, at: now)
        return value
    }

    private mutating func sweep(until end: Timestamp, at now: Timestamp) {
        for number in entries.indices where entries[number]?.job.expire(at: end, attemptsMax: LifeModel.attemptsMax) == true {
            follow(number, at: now)
        }
    }

    private mutating func follow(_ number: Int, at now: Timestamp) {
        guard let entry = entries[number] else { return }
        if case .cancelled = entry.job.state, entry.cancelledAt == nil { entries[number]?.cancelledAt = now.milliseconds }
        guard let place = entry.item, let item = items[place], let step = item.following(entry.job, at: now) else { return }
        store(step, from: item, place)
    }

    private mutating func store(_ step: ItemStep, from before: Pikzonality, _ number: Int) {
        if step.kind == .deleted {
            items[number] = nil
            for entry in entries.indices where entries[entry]?.item == number {
                switch entries[entry]?.job.state {
                case .completed, .failed: entries[entry] = nil
                default: entries[entry]?.item = nil
                }
            }
            return events.append(LifeEvent(item: number, kind: "deleted"))
        }
        if step.item.referenceTokens != before.referenceTokens { images[number] += 1 }
        items[number] = step.item
        guard step.kind != .progress else { return }
        let changed = ItemMember.changed(from: before, to: step.item).map(\.rawValue)
        events.append(LifeEvent(item: number, kind: step.kind.rawValue, changed: changed))
    }

    private static func tokens() -> ReferenceTokens { ReferenceTokens((0..<3).map { _ in RandomToken.random() }) }

    func look(at item: Int) -> LifeView? { items[item].map { LifeView(of: $0, images: images[item]) } }

    func told() -> [LifeEvent] { events }

    func fault(liveItems: [Int]) -> String? {
        let live = entries.compactMap { entry in entry.flatMap { $0.job.isLive ? $0.item : nil } }.sorted()
        if live != liveItems { return "jobs work for \(live)" }
        let processing = items.indices.filter { items[$0]?.status == .processing }
        if processing != live { return "in training are \(processing), and jobs work for \(live)" }
        let waiting = items.compactMap { $0 }.filter { $0.settlement != nil && $0.status != .processing }
        return waiting.isEmpty ? nil : "an item that has settled is still to go"
    }
}

extension TrainingJob {
    fileprivate var isLive: Bool {
        switch state {
        case .queued, .leased: true
        case .completed, .failed, .cancelled: false
        }
    }
}

@Suite("The lives of items against a model")
struct LifeModelTests {
    @Test(
        "Thousands of random interleavings of what owners, workers and restarts do go as in the model", arguments: 0..<10 as Range<UInt64>)
    func interleavings(block: UInt64) async throws {
        var seen: Set<String> = []
        for seed in block * 300..<(block + 1) * 300 {
            var run = LifeRun(seed: seed, at: 1_795_231_740_000)
            var items = ItemsInMemory()
            try await run.take(60, in: &items)
            seen.formUnion(run.seen)
        }
        #expect(LifeRun.neededCases.subtracting(seen).isEmpty)
    }
}
