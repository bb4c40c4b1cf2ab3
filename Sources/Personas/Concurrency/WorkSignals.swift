/// What use cases wake background work with.
package struct WorkSignals: Sendable {
    /// Notified when a training job was queued.
    package let jobs = WakeSignal()
    /// Notified when image bytes may have become superfluous.
    package let removals: WakeSignal
    /// Notified when something may have become due to an endpoint.
    package let deliveries = WakeSignal()
    /// Notified when deliveries may have become superfluous.
    package let deliveryRemovals = WakeSignal()
    /// Notified when a top-up may have been asked for.
    package let topUps = WakeSignal()

    /// Signals that were never given.
    /// - Parameter removals: the one that the store gives as well.
    package init(removals: WakeSignal = WakeSignal()) {
        self.removals = removals
    }
}
