/// Delivers what is due for as long as the process runs. Whatever it has in hand when that ends is due again at the next start.
package final class DeliveryEngine: WorkEngine {
    /// What happens to deliveries, for logs and metrics.
    package enum News: Sendable {
        /// An attempt has begun.
        case began(DueDelivery)
        /// An attempt has ended, and what followed is written down.
        case ended(DueDelivery, DeliveryAttempt, RecordedAttempt)
        /// An attempt was given up, because the process ends; it is made again.
        case givenUp(DueDelivery)
        /// The store could not say what is due, or not of one endpoint, or could not write down an attempt. It is asked again.
        case storeFailed(Failure, endpointID: Identifier?)
    }

    private let store: any DeliveryStore
    private let sender: any WebhookSender
    private let plan: DeliveryPlan
    private let signal: WakeSignal
    private let loop: WorkLoop
    private let clock: WallClock
    private let body: @Sendable (Event) -> [UInt8]
    private let tell: @Sendable (News) -> Void

    /// - Parameters:
    ///   - signal: given whenever something may have become due.
    ///   - body: writes an event as it is sent.
    ///   - tell: is told what happens, from any thread, and has to return at once.
    package init(
        store: any DeliveryStore, sender: any WebhookSender, signal: WakeSignal, clock: WallClock,
        body: @escaping @Sendable (Event) -> [UInt8], tell: @escaping @Sendable (News) -> Void
    ) {
        self.store = store
        self.sender = sender
        self.signal = signal
        self.clock = clock
        self.body = body
        self.tell = tell
        loop = WorkLoop(signal: signal)
        plan = DeliveryPlan(store: store)
    }

    /// Begins nothing more. `run` returns when what is in hand has ended.
    package func stop() { loop.stop() }

    /// Delivers until it is told to stop, or its task is cancelled, which gives up what is in hand.
    /// - Parameter within: how long what is in hand may go on once it is told to stop.
    package func run(endingWithin within: Duration) async {
        await loop.run(endingWithin: within, isBusy: { await plan.count > 0 }, look: { await look(&$0) })
    }

    /// Begins what is due, as far as there are places. Returns how long there is nothing to do, unless the signal is given.
    private func look(_ group: inout DiscardingTaskGroup) async -> Duration {
        let now = clock.now
        do throws(Failure) {
            let round = try await plan.next(at: now)
            for delivery in round.deliveries { group.addTask { await self.attempt(delivery) } }
            for (endpointID, failure) in round.failures { tell(.storeFailed(failure, endpointID: endpointID)) }
            if round.isUnfinished { return .zero }
            if !round.failures.isEmpty { return WorkLoop.failurePause }
            return WorkLoop.pause(until: try await store.nextDueAt(after: now), from: clock.now)
        } catch {
            tell(.storeFailed(error, endpointID: nil))
            return WorkLoop.failurePause
        }
    }

    private func attempt(_ delivery: DueDelivery) async {
        tell(.began(delivery))
        let message = WebhookMessage(
            id: delivery.event.id, accountID: delivery.accountID, url: delivery.url, secrets: delivery.secrets, body: body(delivery.event))
        let attempt = await sender.send(message)
        if let attempt, let recorded = await record(attempt, of: delivery) {
            tell(.ended(delivery, attempt, recorded))
        } else {
            tell(.givenUp(delivery))
        }
        await plan.ended(delivery.id, attempt)
        signal.notifyHere()
    }

    /// Writes an attempt down, however long the store cannot: a delivery that was given back without that would be sent again at once. Nil where the
    /// process ends first.
    private func record(_ attempt: DeliveryAttempt, of delivery: DueDelivery) async -> RecordedAttempt? {
        let waitFactor = Double.random(in: DeliveryRules.waitFactors)
        return await WorkLoop.persist { [store] () async throws(Failure) in
            try await store.record(attempt, of: delivery.id, timesQueued: delivery.timesQueued, waitFactor: waitFactor)
        } failed: {
            tell(.storeFailed($0, endpointID: delivery.endpointID))
        }
    }
}
