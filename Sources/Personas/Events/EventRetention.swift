/// Forgets events whose time is over, and what is left in events of items that are gone.
package struct EventRetention: Sendable {
    /// Events of one transaction, behind which all writes wait: some milliseconds.
    static let eventsAtOnce = 200

    private let events: any EventStore
    private let clock: WallClock
    private let pause: @Sendable () async throws -> Void

    /// - Parameter pause: waits between two transactions, so that what others write is not behind one after another of these.
    package init(
        events: any EventStore, clock: WallClock,
        pause: @escaping @Sendable () async throws -> Void = { try await Task.sleep(for: .milliseconds(25)) }
    ) {
        self.events = events
        self.clock = clock
        self.pause = pause
    }

    /// Does all that there is to do at this moment, step by step, unless the task is cancelled in between.
    /// - Returns: how many events were forgotten or reduced.
    package func clear() async throws(Failure) -> Int {
        let now = clock.now
        let progressBefore = now.adding(seconds: -Limits.progressEventHoursKept * 3_600)
        let before = now.adding(seconds: -Limits.eventDaysKept * 86_400)
        var count = 0
        while true {
            let done = try await events.clear(progressBefore: progressBefore, before: before, limit: Self.eventsAtOnce)
            count += done
            guard done >= Self.eventsAtOnce, (try? await pause()) != nil else { return count }
        }
    }
}
