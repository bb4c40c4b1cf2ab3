import Synchronization

/// Asks the payment service for top-ups as long as the process runs, each until its outcome is known. Whatever it has in hand when that ends is asked for
/// again at the next start, under the same id.
package final class TopUpEngine: WorkEngine {
    /// Questions at once, of each account one, because an account has no second top-up.
    package static let placesMax = 16
    /// How many of them may be such as were asked before: so that, however many have no outcome because their questions take long, a first one finds a place.
    package static let repeatedPlacesMax = 12
    /// Deleted accounts that are told of at once.
    private static let abandonedAtOnce = 100

    /// What happens to top-ups, for logs and metrics.
    package enum News: Sendable {
        /// A question is asked.
        case began(TopUp)
        /// It was answered, or given up, and what followed is written down.
        case ended(TopUp, PaymentAnswer, RecordedTopUp)
        /// It was broken off, because the process ends; it is asked again.
        case givenUp(TopUp)
        /// An account was deleted before anybody knew whether somebody had paid.
        case abandoned(AbandonedTopUp)
        /// The store could not say what is to be asked for, or could not write down an answer. It is tried again.
        case storeFailed(Failure)
    }

    private struct InHand {
        var repeated: Set<Identifier> = []
        var first: Set<Identifier> = []
        /// Those that have ended since the store was last asked what is due, of which what it says may be older than that.
        var ended: Set<Identifier> = []
        /// Those of deleted accounts that were told of, and that the store could not forget yet.
        var told: Set<Identifier> = []

        var count: Int { repeated.count + first.count }
    }

    private let store: any TopUpStore
    private let payments: any PaymentService
    private let waits: TopUpWaits
    private let signal: WakeSignal
    private let loop: WorkLoop
    private let clock: WallClock
    private let tell: @Sendable (News) -> Void
    private let inHand = Mutex(InHand())

    /// - Parameters:
    ///   - waits: where those wait who are told of outcomes.
    ///   - signal: given whenever a top-up may have been asked for.
    ///   - tell: is told what happens, from any thread, and has to return at once.
    package init(
        store: any TopUpStore, payments: any PaymentService, waits: TopUpWaits, signal: WakeSignal, clock: WallClock,
        tell: @escaping @Sendable (News) -> Void
    ) {
        self.store = store
        self.payments = payments
        self.waits = waits
        self.signal = signal
        self.clock = clock
        self.tell = tell
        loop = WorkLoop(signal: signal)
    }

    /// Begins nothing more. `run` returns when what is in hand has ended.
    package func stop() { loop.stop() }

    /// Asks until it is told to stop, or its task is cancelled, which breaks off what is in hand.
    /// - Parameter within: how long what is in hand may go on once it is told to stop.
    package func run(endingWithin within: Duration) async {
        waits.begin()
        defer { waits.end() }
        await loop.run(endingWithin: within, isBusy: { inHand.withLock { $0.count > 0 } }, look: { await look(&$0) })
    }

    /// Begins what is due, as far as there are places. Returns how long there is nothing to do, unless the signal is given.
    private func look(_ group: inout DiscardingTaskGroup) async -> Duration {
        let now = clock.now
        inHand.withLock { $0.ended = [] }
        do throws(Failure) {
            for isRepeated in [false, true] {
                // Those in hand are due as well.
                for topUp in try await store.due(at: now, isRepeated: isRepeated, limit: 2 * Self.placesMax) {
                    guard enter(topUp, isRepeated) else { continue }
                    group.addTask { await self.ask(for: topUp) }
                }
            }
            try await tellOfAbandoned()
            return WorkLoop.pause(until: try await store.nextDueAt(after: now), from: clock.now)
        } catch {
            tell(.storeFailed(error))
            return WorkLoop.failurePause
        }
    }

    /// Tells of top-ups whose accounts were deleted, and has them forgotten only then: a process that ends in between tells of them again, rather than that
    /// nobody ever hears of what somebody may have paid.
    private func tellOfAbandoned() async throws(Failure) {
        let abandoned = try await store.abandoned(limit: Self.abandonedAtOnce)
        guard !abandoned.isEmpty else { return }
        let new = inHand.withLock { inHand in abandoned.filter { inHand.told.insert($0.id).inserted } }
        for topUp in new { tell(.abandoned(topUp)) }
        try await store.forget(abandoned)
        inHand.withLock { $0.told = [] }
    }

    /// Takes a place for a top-up that has none, where there is one.
    private func enter(_ topUp: TopUp, _ isRepeated: Bool) -> Bool {
        inHand.withLock { inHand in
            guard inHand.count < Self.placesMax, !inHand.ended.contains(topUp.id), !inHand.first.contains(topUp.id),
                !inHand.repeated.contains(topUp.id)
            else { return false }
            guard isRepeated else { return inHand.first.insert(topUp.id).inserted }
            return inHand.repeated.count < Self.repeatedPlacesMax && inHand.repeated.insert(topUp.id).inserted
        }
    }

    private func ask(for topUp: TopUp) async {
        tell(.began(topUp))
        let answer = await payments.ask(for: topUp)
        if let answer, let recorded = await record(answer, of: topUp) {
            tell(.ended(topUp, answer, recorded))
            if case .repeated = recorded {} else { waits.settled(topUp.accountID) }
        } else {
            tell(.givenUp(topUp))
        }
        inHand.withLock { inHand in
            inHand.first.remove(topUp.id)
            inHand.repeated.remove(topUp.id)
            inHand.ended.insert(topUp.id)
        }
        signal.notifyHere()
    }

    /// Writes an answer down, however long the store cannot: what was paid is credited. Nil where the process ends first.
    private func record(_ answer: PaymentAnswer, of topUp: TopUp) async -> RecordedTopUp? {
        let (end, waitFactor) = (clock.now, Double.random(in: TopUpRules.waitFactors))
        return await WorkLoop.persist { [store] () async throws(Failure) in
            try await store.record(answer, of: topUp.id, at: end, waitFactor: waitFactor)
        } failed: {
            tell(.storeFailed($0))
        }
    }
}
