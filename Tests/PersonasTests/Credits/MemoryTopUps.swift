import Synchronization

@testable import Personas

/// Credits and top-ups in memory, which do what the rules say.
final class MemoryTopUps: SmartBalanceStore, TopUpStore {
    struct State {
        var balance = 0
        var smartBalance: SmartBalance?
        var open: [Identifier: (topUp: TopUp, nextAt: Timestamp)] = [:]
        /// What became of each that is over.
        var ended: [Identifier: PaymentAnswer] = [:]
        var abandoned: [AbandonedTopUp] = []
        /// What every call throws.
        var failure: Failure?
        /// What `forget` throws.
        var forgetFailure: Failure?
    }

    private let state = Mutex(State())

    var now: State { state.withLock { $0 } }

    func edit(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    private func call<Value: Sendable>(_ body: (inout State) throws(Failure) -> Value) throws(Failure) -> Value {
        try state.withLock { (state) throws(Failure) in
            if let failure = state.failure { throw failure }
            return try body(&state)
        }
    }

    /// Asks for a top-up, as a charge does.
    func add(_ topUp: TopUp, nextAt: Timestamp = .now) -> Identifier {
        state.withLock { $0.open[topUp.id] = (topUp, nextAt) }
        return topUp.id
    }

    private static func standing(_ state: State, _ accountID: Identifier) -> CreditStanding {
        CreditStanding(
            balance: state.balance, smartBalance: state.smartBalance,
            topUp: state.open.values.first { $0.topUp.accountID == accountID }?.topUp)
    }

    func set(
        _ smartBalance: SmartBalance, accountID: Identifier, in context: WriteContext<CreditStanding>
    ) throws(Failure) -> CreditStanding {
        try call { (state) throws(Failure) in
            state.smartBalance = state.smartBalance?.changed(to: smartBalance) ?? smartBalance
            return Self.standing(state, accountID)
        }
    }

    func remove(accountID: Identifier, in context: WriteContext<CreditStanding>) throws(Failure) -> CreditStanding {
        try call { (state) throws(Failure) in
            guard state.smartBalance != nil else { throw .notFound }
            state.smartBalance = nil
            return Self.standing(state, accountID)
        }
    }

    func resume(accountID: Identifier, in context: WriteContext<ResumedBalance>) throws(Failure) -> ResumedBalance {
        try call { (state) throws(Failure) in
            guard let before = state.smartBalance else { throw .notFound }
            state.smartBalance = SmartBalance(threshold: before.threshold, amount: before.amount)
            return ResumedBalance(standing: Self.standing(state, accountID), isChanged: before.status == .paused)
        }
    }

    func ask(toCover price: Int, accountID: Identifier, at now: Timestamp) throws(Failure) -> CreditStanding {
        try call { (state) throws(Failure) in
            let standing = Self.standing(state, accountID)
            guard case .askable(let amount) = standing.coverage(of: price) else { return standing }
            let topUp = TopUp(id: .random(), accountID: accountID, amount: amount, balance: state.balance, requestedAt: now)
            state.open[topUp.id] = (topUp, now)
            return Self.standing(state, accountID)
        }
    }

    func due(at now: Timestamp, isRepeated: Bool, limit: Int) throws(Failure) -> [TopUp] {
        try call { (state) throws(Failure) in
            let due = state.open.values.filter { $0.nextAt <= now && ($0.topUp.attempts > 0) == isRepeated }
            return due.sorted { $0.nextAt < $1.nextAt }.prefix(limit).map(\.topUp)
        }
    }

    func nextDueAt(after now: Timestamp) throws(Failure) -> Timestamp? {
        try call { (state) throws(Failure) in state.open.values.map(\.nextAt).filter { $0 > now }.min() }
    }

    func record(_ answer: PaymentAnswer, of id: Identifier, at end: Timestamp, waitFactor: Double) throws(Failure) -> RecordedTopUp {
        try call { (state) throws(Failure) in
            guard let (topUp, _) = state.open.removeValue(forKey: id) else { return .unawaited }
            switch TopUpRules.verdict(on: answer, attempts: topUp.attempts + 1, at: end, waitFactor: waitFactor) {
            case .credited(let reference):
                state.ended[id] = answer
                state.balance += topUp.amount.value
                var ledger = CreditLedger(of: topUp.accountID)
                return .credited(ledger.topUp(topUp.amount, reference: reference, at: end))
            case .declined(let reason):
                state.ended[id] = answer
                state.smartBalance = state.smartBalance.map {
                    SmartBalance(threshold: $0.threshold, amount: $0.amount, pausedReason: reason)
                }
                return .declined(reason: reason)
            case .repeated(let at):
                let repeated = TopUp(
                    id: id, accountID: topUp.accountID, amount: topUp.amount, balance: topUp.balance, requestedAt: topUp.requestedAt,
                    attempts: topUp.attempts + 1, nextAttemptAt: at)
                state.open[id] = (repeated, at)
                return .repeated(at: at)
            }
        }
    }

    func abandoned(limit: Int) throws(Failure) -> [AbandonedTopUp] {
        try call { (state) throws(Failure) in Array(state.abandoned.prefix(limit)) }
    }

    func forget(_ abandoned: [AbandonedTopUp]) throws(Failure) {
        try call { (state) throws(Failure) in
            if let failure = state.forgetFailure { throw failure }
            state.abandoned.removeAll { abandoned.contains($0) }
        }
    }
}

/// Answers questions as it is told, and remembers them.
final class StubPayments: PaymentService {
    let asked = Mutex<[TopUp]>([])
    private let answer: @Sendable (TopUp) async -> PaymentAnswer?

    init(_ answer: @escaping @Sendable (TopUp) async -> PaymentAnswer?) {
        self.answer = answer
    }

    var count: Int { asked.withLock { $0.count } }

    func ask(for topUp: TopUp) async -> PaymentAnswer? {
        asked.withLock { $0.append(topUp) }
        return await answer(topUp)
    }

    /// One that answers when the test says so, or never.
    static func waiting(for signal: WakeSignal, then answer: PaymentAnswer) -> StubPayments {
        StubPayments { _ in
            while signal.count == 0, !Task.isCancelled { await signal.wait(after: 0, atMost: .seconds(60)) }
            return Task.isCancelled ? nil : answer
        }
    }
}
