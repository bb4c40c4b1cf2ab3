import Synchronization

/// What goes on for as long as the process runs, with work in hand that may be over soon when that ends.
package protocol WorkEngine: Sendable {
    /// Begins nothing more. `run` returns when what is in hand has ended.
    func stop()

    /// Works until it is told to stop, or its task is cancelled, which breaks off what is in hand.
    /// - Parameter within: how long what is in hand may go on once it is told to stop.
    func run(endingWithin within: Duration) async
}

/// Does what a store says is due, for as long as the process runs: looks, begins what it finds, and looks again once a signal is given or it is time.
final class WorkLoop: Sendable {
    /// The longest time without a look: the clock of the machine may have been set meanwhile.
    static let pauseMax = Duration.seconds(60)
    /// The time until a store is asked again that failed.
    static let failurePause = Duration.seconds(1)
    /// The shortest time between two looks, so that a thousand commits a second are not a thousand looks.
    private static let pauseMin = Duration.milliseconds(5)

    private let signal: WakeSignal
    private let isStopping = Atomic(false)

    /// - Parameter signal: given whenever something may have become due, or has ended.
    init(signal: WakeSignal) {
        self.signal = signal
    }

    /// Begins nothing more. `run` returns when what is in hand has ended.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        signal.notifyHere()
    }

    /// Looks until it is told to stop, or its task is cancelled, which gives up what is in hand.
    /// - Parameters:
    ///   - within: how long what is in hand may go on once it is told to stop.
    ///   - isBusy: whether anything is in hand.
    ///   - look: begins what is due. Returns how long there is nothing to do, unless the signal is given.
    func run(
        endingWithin within: Duration, isBusy: () async -> Bool, look: (inout DiscardingTaskGroup) async -> Duration
    ) async {
        await withDiscardingTaskGroup { group in
            while !isStopping.load(ordering: .relaxed), !Task.isCancelled {
                let seen = signal.count
                let pause = await look(&group)
                await signal.wait(after: seen, atMost: pause)
                try? await Task.sleep(for: Self.pauseMin)
            }
            await waitForEnd(before: .now + within, while: isBusy)
            group.cancelAll()
        }
    }

    private func waitForEnd(before deadline: ContinuousClock.Instant, while isBusy: () async -> Bool) async {
        while !Task.isCancelled, ContinuousClock.now < deadline {
            let seen = signal.count
            guard await isBusy() else { return }
            await signal.wait(after: seen, atMost: ContinuousClock.now.duration(to: deadline))
        }
    }

    /// How long there is nothing to do where the next is due at a moment; nil for nothing.
    static func pause(until next: Timestamp?, from now: Timestamp) -> Duration {
        guard let next else { return pauseMax }
        return min(pauseMax, max(.zero, .milliseconds(next.milliseconds - now.milliseconds)))
    }

    /// Writes down what has happened, however long the store cannot.
    /// - Parameter failed: told each time.
    /// - Returns: nil where the process ends first.
    static func persist<Value: Sendable>(
        _ write: @escaping @Sendable () async throws(Failure) -> Value, failed: (Failure) -> Void
    ) async -> Value? {
        while true {
            // A task of its own, because a cancelled one would not get its transaction.
            let result = await Task { () async -> Result<Value, Failure> in
                do throws(Failure) {
                    return .success(try await write())
                } catch {
                    return .failure(error)
                }
            }.value
            switch result {
            case .success(let value): return value
            case .failure(let failure): failed(failure)
            }
            guard !Task.isCancelled else { return nil }
            try? await Task.sleep(for: failurePause)
        }
    }
}
