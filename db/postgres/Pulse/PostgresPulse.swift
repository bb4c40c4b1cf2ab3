import CoreMetrics
import Dispatch
import Foundation
import Personas
import Synchronization

/// What keeps processes that share a database in step: a thread with a connection that listens, and beats several times a second.
///
/// With each beat a process says that it is there, hears whether anything has changed of what it answers from memory, what time it is, and what keys
/// have used at others. In between it hears bells of other processes, and rings its own. Duties are locks of this session: they go with it, whatever
/// ends it.
///
/// A process that does not serve, such as a command, has the thread only once it has to ring, and hears nothing.
final class PostgresPulse: Sendable {
    /// How long things take.
    struct Times: Sendable {
        /// Milliseconds from one beat to the next.
        var beatMilliseconds = 400
        /// Milliseconds after a beat for which memory counts as right.
        var freshMilliseconds = 900
        /// Milliseconds after a beat for which the process counts as being in touch with its database.
        var touchMilliseconds = 3_000
        /// Milliseconds from one bell to the next.
        var bellMilliseconds = 50
        /// Milliseconds that an answer may take before the connection is given up.
        var answerMilliseconds = 2_000
        /// Milliseconds without a word after which the server ends the session.
        var silenceMilliseconds = 5_000
        /// Milliseconds that the end of the process waits for the thread.
        var endMilliseconds = 2_500
    }

    /// What has to know when something has changed that is answered from memory.
    struct Memory: Sendable {
        /// Forgets keys. Called on the thread of the pulse.
        let forget: @Sendable () -> Void
        /// Reads the rest anew.
        let load: @Sendable () async throws(Failure) -> Void
        /// Whether the schema is one that this process can work with.
        let isSchemaReady: @Sendable (any SQLConnection) throws -> Bool
    }

    /// What the thread and others know of each other.
    struct State: Sendable {
        var member: PulseLink.Member?
        var memory: Memory?
        var receivers: BellReceivers?
        var limiter: RateLimiter?
        var pending = Bell()
        /// How often each duty is sought.
        var sought: [Duty: Int] = [:]
        var led: Set<Duty> = []
        var beatAt: ContinuousClock.Instant?
        var isSchemaReady = false
        /// The generation of what was loaded; nil where that is not known.
        var loadedGeneration: Int64?
        var isLoading = false
        var hasThread = false
        var isClosing = false
    }

    /// The number of this process.
    let id = Identifier.random()
    let settings: PostgresSettings
    let times: Times
    let clock: ServerClock
    let metrics: PulseMetrics
    /// Given when a duty came or went.
    let dutyChanges = WakeSignal()
    let bell = PulseBell()
    private let state = Mutex(State())
    private let ended = DispatchSemaphore(value: 0)

    init(settings: PostgresSettings, clock: ServerClock, metrics: any MetricsFactory, times: Times = Times()) {
        self.settings = settings.ofPulse(answerMillisecondsMax: times.answerMilliseconds)
        self.times = times
        self.clock = clock
        self.metrics = PulseMetrics(factory: metrics)
    }

    /// Ties it to what it keeps in step. Called once, before anything else.
    func attach(_ memory: Memory, _ receivers: BellReceivers) {
        state.withLock { state in
            state.memory = memory
            state.receivers = receivers
        }
    }

    /// Has the others told, soon. Never waits.
    func tell(_ bell: Bell) {
        let wakes = state.withLock { state in
            let isFirst = state.pending.isEmpty
            state.pending.add(bell)
            return isFirst && start(&state)
        }
        if wakes { self.bell.ring() }
    }

    /// Begins to beat.
    func begin(version: String, _ complete: (inout BellReceivers) -> Void) {
        let receivers = state.withLock { state -> BellReceivers? in
            state.member = PulseLink.Member(id: id, version: version, address: state.member?.address ?? "")
            if var receivers = state.receivers {
                complete(&receivers)
                state.receivers = receivers
            }
            return start(&state) ? state.receivers : nil
        }
        receivers?.forward { [weak self] in self?.tell($0) }
        bell.ring()
    }

    /// Says where the process listens.
    func listens(at address: String) {
        state.withLock { state in
            if let member = state.member { state.member = PulseLink.Member(id: id, version: member.version, address: address) }
        }
        bell.ring()
    }

    /// Has what keys use told to others, and taken from their buckets here.
    func share(_ limiter: RateLimiter) {
        // From here on it counts.
        _ = limiter.takeUses(limit: 0)
        state.withLock { $0.limiter = limiter }
    }

    /// Seeks a duty once more, or once less.
    func seek(_ duty: Duty, _ change: Int) {
        let isChanged = state.withLock { state in
            let before = state.sought[duty, default: 0]
            state.sought[duty] = before + change
            return (before > 0) != (before + change > 0)
        }
        if isChanged { bell.ring() }
    }

    /// Whether this process has a duty.
    func leads(_ duty: Duty) -> Bool {
        let (isLed, beatAt) = state.withLock { ($0.led.contains(duty) && $0.sought[duty, default: 0] > 0, $0.beatAt) }
        return isLed && isWithin(times.touchMilliseconds, of: beatAt)
    }

    /// Whether what is in memory is as the database has it, but for what has changed since the latest beat.
    var isFresh: Bool { isWithin(times.freshMilliseconds, of: state.withLock { $0.beatAt }) }

    /// Whether this process is to get requests; nil where it does not beat.
    var isReady: Bool? {
        let (isMember, isSchemaReady, beatAt) = state.withLock { ($0.member != nil, $0.isSchemaReady, $0.beatAt) }
        return isMember ? isSchemaReady && isWithin(times.touchMilliseconds, of: beatAt) : nil
    }

    /// Ends the thread, once it has rung what there is to ring. A server that does not answer is not waited for longer than the times allow.
    func close() {
        let hasThread = state.withLock { state in
            state.isClosing = true
            return state.hasThread
        }
        if hasThread {
            bell.ring()
            if ended.wait(timeout: .now() + .milliseconds(times.endMilliseconds)) == .success { ended.signal() }
        }
        // They know of this one as well, so that nothing of it would ever go.
        state.withLock { state in
            state.memory = nil
            state.receivers = nil
        }
    }

    /// Reads and changes what is known, for the thread.
    func withState<Value: Sendable>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

    private func isWithin(_ milliseconds: Int, of beatAt: ContinuousClock.Instant?) -> Bool {
        beatAt.map { ContinuousClock.now - $0 <= .milliseconds(milliseconds) } ?? false
    }

    /// Starts the thread where there is none.
    /// - Returns: whether there is one.
    private func start(_ state: inout State) -> Bool {
        guard !state.isClosing else { return false }
        guard !state.hasThread else { return true }
        state.hasThread = true
        let thread = Thread { [self] in
            PulseThread(self).run()
            ended.signal()
        }
        thread.name = "personas-pulse"
        thread.start()
        return true
    }
}
