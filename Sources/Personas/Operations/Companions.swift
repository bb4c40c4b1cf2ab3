/// Work that only one process does at a time, of all those that share a store.
package enum Duty: String, Sendable, Hashable, Codable, CaseIterable {
    /// Events go to endpoints of webhooks.
    case deliveries
    /// The payment service is asked for top-ups.
    case topUps = "top_ups"
    /// Fal is told what nobody wants any more.
    case closings
    /// What is over is done away with.
    case clearing
}

/// A process that serves from a store which it shares, as an operator's program sees it.
package struct CompanionReport: Sendable, Codable, Equatable {
    /// Its number, made at random when it starts.
    package let id: Identifier
    /// Its version, with the commit that it was built from.
    package let version: String
    /// Where it listens, `http://127.0.0.1:8080`; empty until it does.
    package let address: String
    /// When the store last heard of it, by the store's clock, RFC 3339.
    package let lastSeenAt: String

    /// Takes what the store says of a process.
    package init(id: Identifier, version: String, address: String, lastSeenAt: Timestamp) {
        self.id = id
        self.version = version
        self.address = address
        self.lastSeenAt = lastSeenAt.text
    }
}

/// The other processes that serve from the same store: what this one tells them, what it hears of them, and who does what only one may do.
package protocol Companions: Sendable {
    /// Whether there may be any.
    var isShared: Bool { get }
    /// Given whenever a duty came to this process, or went.
    var dutyChanges: WakeSignal { get }

    /// Has this process be one of them from now on, until the store is closed.
    /// - Parameters:
    ///   - version: its version, with the commit that it was built from.
    ///   - signals: given here whenever one of the others gives its own, and the other way round.
    ///   - topUpWaits: where those wait here who are told of outcomes, whoever asks for top-ups; nil where nobody can be asked.
    func begin(version: String, signals: WorkSignals, topUpWaits: TopUpWaits?)
    /// Says where this process listens.
    func listens(at address: String)
    /// Has keys held to their rates by what they use at all processes together.
    func share(_ limiter: RateLimiter)
    /// Asks for a duty, as often as it is given up again.
    func seek(_ duty: Duty)
    /// Asks for it no more. When all have given it up, another process may have it.
    func giveUp(_ duty: Duty)
    /// Whether this process has a duty at this moment.
    func leads(_ duty: Duty) -> Bool
    /// All processes that serve at this moment, this one among them, by their numbers; none where the store is not shared.
    func all() async throws(Failure) -> [CompanionReport]
}

extension Companions {
    /// Does work whenever this process has a duty: it is cancelled when the duty goes, and done anew when that comes back.
    ///
    /// Between the loss of a duty and its notice here another process may have begun, so that work comes out right when it is done twice at a time.
    /// - Parameters:
    ///   - stop: nothing is begun any more once this is given.
    ///   - work: what is to be done. Where it ends by itself it is not done again.
    package func lead(_ duty: Duty, until stop: WakeSignal = WakeSignal(), _ work: @escaping @Sendable () async -> Void) async {
        guard isShared else { return await work() }
        seek(duty)
        defer { giveUp(duty) }
        while true {
            await awaitDuty(duty, until: stop)
            guard stop.count == 0, !Task.isCancelled else { return }
            let hasEnded = await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    await work()
                    return true
                }
                group.addTask {
                    await self.awaitLoss(of: duty)
                    return false
                }
                let first = await group.next() ?? true
                group.cancelAll()
                return first
            }
            if hasEnded { return }
        }
    }

    /// Waits until this process has a duty, or nothing is to be begun any more.
    private func awaitDuty(_ duty: Duty, until stop: WakeSignal) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    let seen = self.dutyChanges.count
                    if self.leads(duty) { return }
                    await self.dutyChanges.wait(after: seen, atMost: WorkLoop.pauseMax)
                }
            }
            group.addTask {
                while !Task.isCancelled, stop.count == 0 { await stop.wait(after: 0, atMost: WorkLoop.pauseMax) }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func awaitLoss(of duty: Duty) async {
        while !Task.isCancelled {
            let seen = dutyChanges.count
            guard leads(duty) else { return }
            await dutyChanges.wait(after: seen, atMost: WorkLoop.pauseMax)
        }
    }
}

/// Of a process that has its store for itself: all duties are its own, always.
package struct NoCompanions: Companions {
    /// Always false.
    package let isShared = false
    /// Never given.
    package let dutyChanges = WakeSignal()

    /// One process with nobody beside it.
    package init() {}

    package func begin(version: String, signals: WorkSignals, topUpWaits: TopUpWaits?) {}
    package func listens(at address: String) {}
    package func share(_ limiter: RateLimiter) {}
    package func seek(_ duty: Duty) {}
    package func giveUp(_ duty: Duty) {}
    package func leads(_ duty: Duty) -> Bool { true }
    package func all() async throws(Failure) -> [CompanionReport] { [] }
}
