import Personas
import Synchronization

/// Has the operations of each account done one after another, in the order in which they came, and those of different accounts side by side.
final class AccountTurns: Sendable {
    /// The part of all that may wait which one account may fill.
    private static let accountsMin = 2

    private struct State {
        /// Who waits behind the operation of an account that runs; an account without one is not there.
        var waiting: [Identifier: [CheckedContinuation<Bool, Never>]] = [:]
        var waitingCount = 0
    }

    private let waitingMax: Int
    private let state = Mutex(State())

    /// - Parameter waitingMax: operations of all accounts that wait; further ones are refused, and those of one account from half of it on.
    init(waitingMax: Int) {
        self.waitingMax = waitingMax
    }

    /// Operations that wait for one of their account.
    var waitingCount: Int { state.withLock { $0.waitingCount } }

    /// Does something when its turn comes. A cancelled task waits on: what it waits for takes a moment, and its outcome is told.
    /// - Throws: `storeBusy` where too many wait already, and whatever the body throws.
    func take<Value: Sendable>(
        of accountID: Identifier, _ body: @Sendable () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        guard await enter(accountID) else { throw .storeBusy("Too many operations wait for others of their account already") }
        defer { leave(accountID) }
        return try await body()
    }

    /// - Returns: whether it is its turn; it is refused otherwise.
    private func enter(_ accountID: Identifier) async -> Bool {
        await withCheckedContinuation { continuation in
            let isAdmitted: Bool? = state.withLock { state in
                guard let own = state.waiting[accountID] else {
                    state.waiting[accountID] = []
                    return true
                }
                guard state.waitingCount < waitingMax, own.count < waitingMax / Self.accountsMin else { return false }
                state.waiting[accountID]?.append(continuation)
                state.waitingCount += 1
                return nil
            }
            if let isAdmitted { continuation.resume(returning: isAdmitted) }
        }
    }

    private func leave(_ accountID: Identifier) {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard var own = state.waiting[accountID], !own.isEmpty else {
                state.waiting[accountID] = nil
                return nil
            }
            let next = own.removeFirst()
            state.waiting[accountID] = own
            state.waitingCount -= 1
            return next
        }
        next?.resume(returning: true)
    }
}
