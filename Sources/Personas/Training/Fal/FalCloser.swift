/// Tells fal of requests that nobody wants any more, for as long as the process runs, and forgets those that are over.
package struct FalCloser: Sendable {
    /// Requests that fal is told of at once.
    private static let closingsAtOnce = 16
    /// The longest time without a look at the store.
    private static let pauseMax = Duration.seconds(5)
    /// Rows that are forgotten in one transaction.
    private static let forgottenAtOnce = 1_000
    /// How often it is looked for such rows.
    private static let forgettingPause = Duration.seconds(600)

    private let store: any FalRequestStore
    private let queue: any FalQueue
    private let signal: WakeSignal
    private let timeoutSeconds: Int
    private let clock: WallClock
    private let tell: @Sendable (FalNews) -> Void

    /// - Parameters:
    ///   - signal: given when something may be due.
    ///   - timeoutSeconds: how long a request may take from when it was first sent.
    package init(
        store: any FalRequestStore, queue: any FalQueue, signal: WakeSignal, timeoutSeconds: Int, clock: WallClock,
        tell: @escaping @Sendable (FalNews) -> Void
    ) {
        self.store = store
        self.queue = queue
        self.signal = signal
        self.timeoutSeconds = timeoutSeconds
        self.clock = clock
        self.tell = tell
    }

    /// Goes on until its task is cancelled. Whatever is not done by then is done after the next start.
    package func run() async {
        var nextForgetting = ContinuousClock.now
        while !Task.isCancelled {
            let seen = signal.count
            var isIdle = true
            do throws(Failure) {
                isIdle = try await close() == 0
                if nextForgetting <= .now, try await forget() < Self.forgottenAtOnce { nextForgetting = .now + Self.forgettingPause }
            } catch {
                tell(.storeFailed(error))
            }
            if isIdle { await signal.wait(after: seen, atMost: Self.pauseMax) }
        }
    }

    /// Tells fal of some that are due.
    /// - Returns: how many it was told of.
    func close() async throws(Failure) -> Int {
        let now = clock.now
        let due = try await store.dueClosings(
            at: now, silentSince: now.adding(seconds: -timeoutSeconds), limit: Self.closingsAtOnce)
        let results = await mapConcurrently(due) { (_, request) async throws(Failure) in try await close(request) }
        for result in results { try result.get() }
        return due.count
    }

    private func close(_ request: FalRequest) async throws(Failure) {
        var isHeard = false
        if let handle = request.handle { isHeard = await queue.cancel(handle) }
        let now = clock.now
        // What fal never named, nobody can tell it of.
        let event: FalEvent =
            isHeard || request.handle == nil ? .closed : .closeFailed(retryAt: FalRules.closeAt(now, attempts: request.attempts))
        let changed = try await store.take(event, ofJob: request.jobID, at: now)
        if changed?.state == .ended { tell(.closed(jobID: request.jobID, isHeard: isHeard)) }
    }

    private func forget() async throws(Failure) -> Int {
        try await store.forget(
            intendedBefore: clock.now.adding(seconds: -timeoutSeconds - FalRules.secondsKept), limit: Self.forgottenAtOnce)
    }
}
