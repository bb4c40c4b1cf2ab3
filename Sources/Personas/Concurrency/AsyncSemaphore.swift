import Synchronization

/// A counting semaphore for tasks, whose places are shared fairly among the accounts that they are taken for.
///
/// An account may take a place as long as it then holds no more than are still free (the dynamic threshold of Choudhury and Hahne, 1998), and
/// always where it holds none: alone it gets half, and however many accounts there are, something is left for one more. Tasks that wait are
/// served round robin by account, and within an account in the order in which they came.
///
/// A task that names no account has no share to keep to. Where none names one, this is a plain semaphore, first come, first served.
package final class AsyncSemaphore: Sendable {
    /// How asking for a place ended.
    package enum Turn: Sendable, Equatable {
        /// There is a place, which `leave` must give back.
        case admitted
        /// Time was up while the account held its whole share.
        case ownShareUsedUp
        /// Time was up while other accounts held what there is.
        case allUsedUp
        /// The task was cancelled first.
        case cancelled
    }

    private struct State {
        var free: Int
        var held: [Identifier: Int] = [:]
        var lines: [Identifier?: [Waiter<Turn>]] = [:]
        /// The accounts that tasks wait for, the one whose turn is next first.
        var order: [Identifier?] = []
        var waitingCount = 0
        var nextTicket: UInt64 = 0
    }

    private let count: Int
    private let state: Mutex<State>
    private let onWaiting: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - count: places in all, at least 1.
    ///   - onWaiting: told how many wait whenever that changes, in order; must return at once.
    package init(count: Int, onWaiting: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.count = count
        self.onWaiting = onWaiting
        state = Mutex(State(free: count))
    }

    /// Places that are not taken.
    package var free: Int { state.withLock { $0.free } }

    /// How many places an account may hold while others hold what they do.
    package func share(of accountID: Identifier) -> Int { state.withLock { share(in: $0, accountID) } }

    /// Takes a place where there is one for the account at this moment.
    package func tryEnter(_ accountID: Identifier? = nil) -> Turn {
        state.withLock { take(in: &$0, accountID) ? .admitted : refusal(in: $0, accountID) }
    }

    /// A place that was taken, and is free again when the last reference to this is gone.
    package final class Permit: Sendable {
        private let semaphore: AsyncSemaphore
        private let accountID: Identifier?

        fileprivate init(_ semaphore: AsyncSemaphore, _ accountID: Identifier?) {
            self.semaphore = semaphore
            self.accountID = accountID
        }

        deinit { semaphore.leave(accountID) }
    }

    /// Takes a place where there is one for the account at this moment, for work whose end is not seen where it began.
    /// - Returns: nil where there is none.
    package func permit(_ accountID: Identifier? = nil) -> Permit? {
        tryEnter(accountID) == .admitted ? Permit(self, accountID) : nil
    }

    /// The same, waiting for a place if need be.
    /// - Returns: nil where the task was cancelled first.
    package func permitInTurn(_ accountID: Identifier? = nil) async -> Permit? {
        await enter(accountID) == .admitted ? Permit(self, accountID) : nil
    }

    /// The accounts that hold as many places as they may at this moment.
    package var accountsAtTheirShare: Set<Identifier> {
        state.withLock { state in Set(state.held.keys.filter { !mayTake(state, $0) }) }
    }

    /// Takes a place, waiting for one if need be.
    /// - Parameter deadline: when to give up; nil waits for as long as it takes.
    package func enter(_ accountID: Identifier? = nil, before deadline: ContinuousClock.Instant? = nil) async -> Turn {
        let ticket = state.withLock { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        // A day stands for every longer time, so that no deadline is too far for the clock.
        let end = deadline.map { min($0, .now + .seconds(86_400)) }
        var clock: (@Sendable () async throws -> Void)?
        if let end { clock = { try await Task.sleep(until: end, clock: .continuous) } }
        return await waitForTurn(clock: clock) { continuation in
            join(Waiter(ticket: ticket, continuation: continuation), accountID, before: end)
        } leave: { [self] isCancelled in
            giveUp(accountID, ticket, isCancelled: isCancelled)
        }
    }

    /// Stands in line, or answers at once.
    private func join(_ waiter: Waiter<Turn>, _ accountID: Identifier?, before end: ContinuousClock.Instant?) -> Turn? {
        state.withLock { state in
            if Task.isCancelled { return .cancelled }
            if take(in: &state, accountID) { return .admitted }
            if let end, end <= .now { return refusal(in: state, accountID) }
            if state.lines[accountID] == nil { state.order.append(accountID) }
            state.lines[accountID, default: []].append(waiter)
            state.waitingCount += 1
            onWaiting(state.waitingCount)
            return nil
        }
    }

    /// Gives a place back, to the waiter whose turn it is.
    package func leave(_ accountID: Identifier? = nil) {
        let admitted = state.withLock { state in
            if let accountID {
                let held = (state.held[accountID] ?? 0) - 1
                state.held[accountID] = held > 0 ? held : nil
            }
            state.free += 1
            return admitWaiting(in: &state)
        }
        for waiter in admitted { waiter.continuation.resume(returning: .admitted) }
    }

    /// What is held of a share: nothing without an account.
    private func held(in state: State, _ accountID: Identifier?) -> Int { accountID.flatMap { state.held[$0] } ?? 0 }

    /// As many as would then still be free, and one in any case.
    private func share(in state: State, _ accountID: Identifier?) -> Int { max(1, (held(in: state, accountID) + state.free) / 2) }

    private func mayTake(_ state: State, _ accountID: Identifier?) -> Bool {
        state.free > 0 && (accountID == nil || held(in: state, accountID) < share(in: state, accountID))
    }

    private func take(in state: inout State, _ accountID: Identifier?) -> Bool {
        guard mayTake(state, accountID) else { return false }
        give(in: &state, to: accountID)
        return true
    }

    private func give(in state: inout State, to accountID: Identifier?) {
        state.free -= 1
        if let accountID { state.held[accountID, default: 0] += 1 }
    }

    /// Whose share stands in the way: the account's own where it would get no place even if no other held one, or where some are free.
    private func refusal(in state: State, _ accountID: Identifier?) -> Turn {
        let own = held(in: state, accountID)
        let isOwnDoing = own > 0 && (state.free > 0 || own + 1 > count - own - 1)
        return isOwnDoing ? .ownShareUsedUp : .allUsedUp
    }

    /// Gives free places to tasks that wait. An account that may not have one now keeps its turn.
    private func admitWaiting(in state: inout State) -> [Waiter<Turn>] {
        var admitted: [Waiter<Turn>] = []
        while state.free > 0, let index = state.order.firstIndex(where: { mayTake(state, $0) }) {
            let accountID = state.order.remove(at: index)
            guard var line = state.lines.removeValue(forKey: accountID), !line.isEmpty else { continue }
            admitted.append(line.removeFirst())
            if !line.isEmpty {
                state.lines[accountID] = line
                state.order.append(accountID)
            }
            give(in: &state, to: accountID)
        }
        if !admitted.isEmpty {
            state.waitingCount -= admitted.count
            onWaiting(state.waitingCount)
        }
        return admitted
    }

    private func giveUp(_ accountID: Identifier?, _ ticket: UInt64, isCancelled: Bool) {
        let (waiter, turn) = state.withLock { state -> (Waiter<Turn>?, Turn) in
            guard let index = state.lines[accountID]?.firstIndex(where: { $0.ticket == ticket }) else { return (nil, .cancelled) }
            let waiter = state.lines[accountID]?.remove(at: index)
            if state.lines[accountID]?.isEmpty == true {
                state.lines[accountID] = nil
                state.order.removeAll { $0 == accountID }
            }
            state.waitingCount -= 1
            onWaiting(state.waitingCount)
            return (waiter, isCancelled ? .cancelled : refusal(in: state, accountID))
        }
        waiter?.continuation.resume(returning: turn)
    }
}
