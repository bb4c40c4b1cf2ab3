import Personas
import TestSupport

/// Something keeps credits otherwise than the model does.
struct CreditDisagreement: Error, CustomStringConvertible {
    let description: String
}

/// How often what happened in runs.
struct CreditCases: Sendable {
    var counts: [String: Int] = [:]

    /// How many steps there were.
    var steps: Int { counts.values.reduce(0, +) }
    /// How many were refused, or refused in part.
    var refusals: Int { counts.filter { !$0.key.hasSuffix(" done") }.values.reduce(0, +) }

    /// What a set of runs has to come across, or it proves nothing.
    static let needed: Set<String> = [
        "grant done", "revoke done", "revoke balanceTooLow", "prices done", "create done", "create insufficient", "create nameTaken",
        "importItems done", "importItems insufficient", "lease done", "complete done", "fail done", "reportLate late", "leasesRunOut done",
        "restart done", "cancel done", "cancel notProcessing", "cancel notFound", "retry done", "retry insufficient", "retry notFailed",
        "retry notFound", "retry outdated", "delete done", "delete stillProcessing", "delete notFound", "force done", "force notFound",
        "settle done", "settle notFound", "trash done", "trash stillProcessing", "trash notFound", "restore done", "restore notFound",
        "purge done", "purge notFound", "purgeExpired done",
    ]
}

/// Random interleavings of steps, taken with the model and with a store.
struct CreditRun {
    static let accounts = 3
    /// Items that are there at once.
    private static let itemsMax = 10
    private static let dayMilliseconds: Int64 = 86_400_000

    let seed: UInt64
    private(set) var model: CreditModel
    private(set) var cases = CreditCases()
    private var generator: SplitMix64
    private var now: Int64
    private var taken: [CreditStep] = []

    /// - Parameters:
    ///   - now: the moment at which it begins, in milliseconds.
    ///   - isShared: whether others may be at work when a process starts anew.
    init(seed: UInt64, at now: Int64, isShared: Bool) {
        model = CreditModel(accounts: Self.accounts, isShared: isShared)
        (self.seed, self.now) = (seed, now)
        generator = SplitMix64(seed: seed)
    }

    /// Takes so many steps, the first of which is given, and looks after each whether all is as it has to be.
    /// - Throws: `CreditDisagreement`, with the seed and the steps that led there.
    mutating func take(_ count: Int, in store: inout CreditsInStore, beginningWith first: CreditStep? = nil) async throws {
        for number in 0..<count {
            let step = number == 0 ? first ?? nextStep() : nextStep()
            taken.append(step)
            switch step {
            case .leasesRunOut: now += Int64(CreditsInStore.policy.seconds) * 1_000
            case .purgeExpired: now += Int64(CreditsInStore.trashDays + 1) * Self.dayMilliseconds
            default: now += Int64.random(in: 1...40, using: &generator)
            }
            let (before, expected) = (model.ledgers.map(\.count), model.take(step))
            let answer = try await store.take(step, pricedAt: model.prices, at: Timestamp(milliseconds: now))
            guard answer == expected else { throw disagreement("answered \(answer) instead of \(expected)") }
            cases.counts["\(step.name) \(answer.name)", default: 0] += 1
            for account in 0..<Self.accounts {
                let lines = Array(model.ledgers[account][before[account]...])
                if let fault = try await store.fault(account, written: lines, balance: model.balance(of: account)) {
                    throw disagreement(fault)
                }
            }
            if let fault = try await store.fault() { throw disagreement(fault) }
        }
    }

    private func disagreement(_ words: String) -> CreditDisagreement {
        CreditDisagreement(description: "seed \(seed): \(words), after \(taken.map { "\($0)" })")
    }

    private mutating func nextStep() -> CreditStep {
        let account = Int.random(in: 0..<Self.accounts, using: &generator)
        let some = model.items.indices.randomElement(using: &generator)
        let leased = model.items.indices.filter { model.items[$0].isLeased }.randomElement(using: &generator)
        switch (Int.random(in: 0..<44, using: &generator), some, leased) {
        case (0..<4, _, _): return .grant(account: account, Int.random(in: 1...12, using: &generator))
        case (4, _, _): return .revoke(account: account, Int.random(in: 1...12, using: &generator))
        case (5, _, _):
            let persona = Int.random(in: 0...4, using: &generator)
            return .prices(Int.random(in: 0..<5, using: &generator) == 0 ? nil : CreditPrices(persona: persona, style: 5))
        case (6..<14, _, _): return create(account)
        case (14..<19, _, _), (_, nil, _): return .lease
        case (19..<21, _, let item?): return .complete(item: item)
        case (21..<25, _, let item?): return .fail(item: item, isPassing: Bool.random(using: &generator))
        case (25..<27, let item?, _): return late(item) ?? .lease
        case (27, _, _): return .leasesRunOut
        case (28, _, _): return .restart
        case (29..<32, let item?, _): return .cancel(item: item)
        case (32..<36, let item?, _): return .retry(item: item, isOutdated: Int.random(in: 0..<6, using: &generator) == 0)
        case (36, let item?, _): return .delete(item: item)
        case (37, let item?, _): return .force(item: item)
        case (38, let item?, _): return .settle(item: item, .deleted)
        case (39, let item?, _): return .settle(item: item, .trash)
        case (40, let item?, _): return .trash(item: item)
        case (41, let item?, _): return .restore(item: item)
        case (42, let item?, _): return .purge(item: item)
        case (43, _, _) where Int.random(in: 0..<3, using: &generator) == 0: return .purgeExpired
        default: return .lease
        }
    }

    private mutating func create(_ account: Int) -> CreditStep {
        let listed = model.items.indices.filter { model.items[$0].place == .listed }
        let mode = Bool.random(using: &generator) ? Mode.persona : .style
        guard listed.count < Self.itemsMax else { return .force(item: listed[0]) }
        switch Int.random(in: 0..<8, using: &generator) {
        case 0:
            let trained = (0..<Int.random(in: 1...4, using: &generator)).map { _ in Bool.random(using: &generator) }
            return .importItems(account: account, mode, isTrained: trained)
        case 1:
            let holder = listed.filter { model.items[$0].account == account && model.items[$0].mode == mode }.randomElement(
                using: &generator)
            return .create(account: account, mode, takingNameOf: holder)
        default: return .create(account: account, mode, takingNameOf: nil)
        }
    }

    /// A report under a lease of an item that has ended.
    private mutating func late(_ item: Int) -> CreditStep? {
        let ended = model.items[item].leases - (model.items[item].isLeased ? 1 : 0)
        guard ended > 0 else { return nil }
        return .reportLate(item: item, lease: Int.random(in: 0..<ended, using: &generator), isWell: Bool.random(using: &generator))
    }
}
