import TestSupport

/// That something does not live as the model does.
package struct LifeDisagreement: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) {
        self.description = description
    }
}

/// Random interleavings of steps, taken with the model and with what is held against it.
package struct LifeRun {
    private static let itemsMax = 4

    private var generator: SplitMix64
    private var now: Int64
    private var model: LifeModel
    /// Which answers each kind of step got.
    package private(set) var seen: Set<String> = []

    /// - Parameters:
    ///   - now: the moment at which it begins, in milliseconds.
    ///   - isShared: whether others may be at work when a process starts anew.
    package init(seed: UInt64, at now: Int64, isShared: Bool = false) {
        model = LifeModel(isShared: isShared)
        generator = SplitMix64(seed: seed)
        self.now = now
    }

    /// Takes so many steps, and looks after each whether all is as it has to be.
    /// - Throws: `LifeDisagreement`, with the steps that led there.
    package mutating func take(_ count: Int, in system: inout some LivingItems) async throws {
        var taken: [LifeStep] = []
        for _ in 0..<count {
            let step = nextStep()
            taken.append(step)
            let expected = model.take(step, at: now)
            let answer = try await system.take(step, at: now)
            func agree<Value: Equatable>(_ found: Value, _ wanted: Value, _ what: String) throws {
                guard found != wanted else { return }
                throw LifeDisagreement(description: "\(what): \(found) instead of \(wanted) after \(taken.map { "\($0)" })")
            }
            try agree(answer, expected, "the answer")
            for item in model.items.indices { try agree(try await system.look(at: item), model.items[item], "item \(item)") }
            try agree(try await system.told(), model.events, "the events")
            try agree(try await system.fault(liveItems: model.liveItems), nil, "the state")
            seen.insert("\(step.name) \(answer.name)")
        }
    }

    private mutating func nextStep() -> LifeStep {
        // Jobs are queued in the order of time, so no two steps share a moment. Now and then a lease runs out, or a day passes.
        switch Int.random(in: 0..<200, using: &generator) {
        case 0: now += LifeModel.dayMilliseconds
        case 1..<16: now += LifeModel.leaseMilliseconds
        default: now += Int64.random(in: 1...4_000, using: &generator)
        }
        let some = model.items.isEmpty ? nil : Int.random(in: 0..<model.items.count, using: &generator)
        guard let item = some else { return .create }
        // Mostly the youngest lease, often an old one.
        let last = model.leaseCount - 1
        let lease = last < 0 ? nil : Bool.random(using: &generator) ? last : Int.random(in: 0...last, using: &generator)
        switch (Int.random(in: 0..<26, using: &generator), lease) {
        case (0, _) where model.items.count(where: { $0 != nil }) < Self.itemsMax: return .create
        case (0..<5, _): return .lease
        case (5..<9, let lease?):
            let progress = Bool.random(using: &generator) ? nil : Int.random(in: 0...110, using: &generator)
            return .heartbeat(lease: lease, progress: progress)
        case (9, let lease?): return .complete(lease: lease)
        case (10..<13, let lease?): return .fail(lease: lease, isPassing: Bool.random(using: &generator))
        case (13, let lease?): return .handBack(lease: lease)
        case (14, _): return .expire
        case (15, _): return .restart
        case (16..<18, _): return .cancel(item: item)
        case (18..<22, _): return .retry(item: item, withImages: Bool.random(using: &generator))
        case (22, _): return .delete(item: item)
        case (23, _): return .settle(item: item)
        case (24, _): return .wish(item: item, isGone: false)
        case (25, _): return .wish(item: item, isGone: true)
        default: return .lease
        }
    }

    /// What a set of runs has to come across, or it proves nothing.
    package static let neededCases: Set<String> = [
        "create done", "lease leased", "lease nothing", "heartbeat done", "heartbeat stop", "heartbeat staleLease", "heartbeat notFound",
        "complete done", "complete staleLease", "complete notFound", "fail done", "fail staleLease", "fail notFound", "handBack done",
        "handBack staleLease", "expire done", "restart done", "cancel done", "cancel notProcessing", "cancel notFound", "retry done",
        "retry notFailed", "retry notFound", "delete done", "delete stillProcessing", "delete notFound", "settle later", "settle done",
        "settle notFound", "wish done", "wish invalid", "wish notFound",
    ]
}
