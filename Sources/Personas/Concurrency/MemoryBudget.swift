import Synchronization

/// The memory for request bodies, and for images on their way in, shared by account.
///
/// Bytes are reserved as they arrive, never for what is only announced. An account may hold as much as is still free (the dynamic threshold
/// of Choudhury and Hahne, 1998): alone it gets half, and however many accounts there are, something is left for one more. The one of an
/// account's requests that came first goes beyond that for as long as anything is free at all, so that the largest request is taken from
/// an account that sends nothing else.
package final class MemoryBudget: Sendable {
    /// Bytes that are reserved at once, so that a body which arrives in small parts costs few locks.
    static let stepBytes = 65_536
    /// Bytes of one request that do not count: a body of 64 KiB, a copy of it without escapes, and what is decoded from that. As many such
    /// requests as there are connections fit into memory anyway.
    package static let uncountedBytes = 196_608

    private struct Holding {
        var bytes = 0
        /// The reservations that hold something, the oldest first.
        var tickets: [UInt64] = []
    }

    private struct State {
        var reservedBytes = 0
        var byAccount: [Identifier: Holding] = [:]
        var nextTicket: UInt64 = 0
    }

    private let bytesMax: Int
    private let state = Mutex(State())

    /// - Parameter bytesMax: bytes of all requests together.
    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// Bytes that are reserved, of all accounts together.
    package var reservedBytes: Int { state.withLock { $0.reservedBytes } }

    /// What one request of an account holds: nothing yet.
    package func reservation(for accountID: Identifier) -> MemoryReservation {
        let ticket = state.withLock { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        return MemoryReservation(accountID: accountID, budget: self, ticket: ticket)
    }

    fileprivate func take(_ count: Int, for accountID: Identifier, _ ticket: UInt64) throws(Failure) {
        try state.withLock { (state) throws(Failure) in
            var holding = state.byAccount[accountID] ?? Holding()
            let isFirst = (holding.tickets.first ?? ticket) == ticket
            let wanted = holding.bytes + count
            let free = bytesMax - state.reservedBytes
            guard count <= free else {
                // Whose doing it is, is told by whether it would fit if no other account held anything.
                let fitsAlone = isFirst ? wanted <= bytesMax : wanted <= bytesMax - wanted
                throw fitsAlone ? .usedUp(.bodyMemory, retryAfterSeconds: 1) : .tooManyRequests(.bodyBytes, retryAfterSeconds: 1)
            }
            guard isFirst || wanted <= free - count else { throw .tooManyRequests(.bodyBytes, retryAfterSeconds: 1) }
            state.reservedBytes += count
            holding.bytes = wanted
            if !holding.tickets.contains(ticket) { holding.tickets.append(ticket) }
            state.byAccount[accountID] = holding
        }
    }

    fileprivate func giveBack(_ count: Int, from accountID: Identifier, _ ticket: UInt64, isLast: Bool) {
        guard count > 0 else { return }
        state.withLock { state in
            state.reservedBytes -= count
            guard var holding = state.byAccount[accountID] else { return }
            holding.bytes -= count
            if isLast { holding.tickets.removeAll { $0 == ticket } }
            state.byAccount[accountID] = holding.bytes > 0 ? holding : nil
        }
    }
}

/// The memory that one request holds, on the share of its account. It goes back once, when the request ends, whichever way.
package final class MemoryReservation: Sendable {
    private struct State {
        var heldBytes = 0
        var reservedBytes = 0
        var isClosed = false
    }

    /// The account on whose share it is.
    package let accountID: Identifier
    private let budget: MemoryBudget?
    private let ticket: UInt64
    private let state = Mutex(State())

    fileprivate init(accountID: Identifier, budget: MemoryBudget?, ticket: UInt64) {
        self.accountID = accountID
        self.budget = budget
        self.ticket = ticket
    }

    deinit {
        close()
    }

    /// A reservation without a bound, for work that no client asks for.
    package static func unlimited(for accountID: Identifier = .random()) -> MemoryReservation {
        MemoryReservation(accountID: accountID, budget: nil, ticket: 0)
    }

    /// Bytes that the request holds, counted or not.
    package var heldBytes: Int { state.withLock { $0.heldBytes } }

    /// Makes room for bytes that have arrived, or are about to be made of such.
    /// - Throws: `tooManyRequests` where the account's share is used up, `usedUp` where other accounts hold all there is. Nothing is reserved then.
    package func grow(by count: Int) throws(Failure) {
        try state.withLock { (state) throws(Failure) in
            // What ends later than its request, such as a download that was given up, must not hold anything for ever.
            guard !state.isClosed else { throw .tooManyRequests(.bodyBytes, retryAfterSeconds: 1) }
            let reservedBytes = Self.reservedBytes(for: state.heldBytes + count)
            if let budget, reservedBytes > state.reservedBytes {
                try budget.take(reservedBytes - state.reservedBytes, for: accountID, ticket)
                state.reservedBytes = reservedBytes
            }
            state.heldBytes += count
        }
    }

    /// Gives back what was let go of before the request has ended.
    package func shrink(by count: Int) {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.heldBytes = max(0, state.heldBytes - count)
            giveBack(downTo: Self.reservedBytes(for: state.heldBytes), in: &state)
        }
    }

    /// Gives everything back. Nothing can be reserved any more; what comes after the first call does nothing.
    package func close() {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.isClosed = true
            state.heldBytes = 0
            giveBack(downTo: 0, in: &state)
        }
    }

    private func giveBack(downTo reservedBytes: Int, in state: inout State) {
        guard reservedBytes < state.reservedBytes else { return }
        budget?.giveBack(state.reservedBytes - reservedBytes, from: accountID, ticket, isLast: reservedBytes == 0)
        state.reservedBytes = reservedBytes
    }

    /// Whole steps, or nothing for what is too small to count.
    private static func reservedBytes(for heldBytes: Int) -> Int {
        guard heldBytes > MemoryBudget.uncountedBytes else { return 0 }
        return (heldBytes + MemoryBudget.stepBytes - 1) / MemoryBudget.stepBytes * MemoryBudget.stepBytes
    }
}
