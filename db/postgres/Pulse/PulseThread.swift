import CoreMetrics
import Foundation
import Personas

/// What the thread of a pulse does. Belongs to it.
final class PulseThread {
    /// Milliseconds before a connection is tried again that could not be made, at first and at most.
    private static let pauseMilliseconds = 50
    private static let pauseMillisecondsMax = 800
    /// Beats from one look at the schema, and one at rows that are over, to the next.
    private static let schemaBeats = 12
    private static let clearingBeats = 60
    /// Milliseconds that an answer may take when the process ends.
    private static let endMillisecondsMax = 500
    /// The longest time without a look at what there is to do.
    private static let idleMillisecondsMax: Int32 = 60_000

    private let pulse: PostgresPulse
    private var link: PulseLink?
    private var failureCount = 0
    private var mayConnectAt = ContinuousClock.now
    private var nextBeat = ContinuousClock.now
    private var nextBell = ContinuousClock.now
    private var beatCount = 0
    private var replicas: Set<Identifier> = []
    /// The generation since which keys were forgotten last.
    private var generation: Int64?
    private var rates: SharedRates?
    private var soughtBefore: Set<Duty> = []

    init(_ pulse: PostgresPulse) {
        self.pulse = pulse
    }

    /// Goes on until the pulse is closed.
    func run() {
        while !pulse.withState({ $0.isClosing }) {
            do {
                if link == nil { try connect() }
                if let link { try step(link) }
            } catch {
                lose()
            }
            wait()
        }
        end()
    }

    private var isMember: Bool { pulse.withState { $0.member != nil } }

    private var isPending: Bool { pulse.withState { !$0.pending.isEmpty } }

    private var sought: Set<Duty> { Set(pulse.withState { $0.sought }.filter { $0.value > 0 }.keys) }

    /// Connects where there is something to do and it is time.
    private func connect() throws {
        guard isMember || isPending, ContinuousClock.now >= mayConnectAt else { return }
        link = try PulseLink(pulse.settings, silenceMillisecondsMax: pulse.times.silenceMilliseconds)
        nextBeat = .now
        beatCount = 0
        soughtBefore = []
        // Where it leads to another server than before, one that had not got everything, the same number may mean something else.
        generation = nil
        pulse.withState { $0.loadedGeneration = nil }
    }

    private func step(_ link: PulseLink) throws {
        if isMember {
            if !link.isListening {
                try link.listen()
                // What was rung before is missed.
                receivers?.takeAll()
            }
            if ContinuousClock.now >= nextBeat || sought != soughtBefore { try beat(link) }
        }
        if isPending, ContinuousClock.now >= nextBell { try ring(link) }
        try hear(link)
        failureCount = 0
    }

    private var receivers: BellReceivers? { pulse.withState { $0.receivers } }

    private func beat(_ link: PulseLink) throws {
        let (member, limiter) = pulse.withState { ($0.member, $0.limiter) }
        guard let member else { return }
        let began = ContinuousClock.now
        nextBeat = began + .milliseconds(pulse.times.beatMilliseconds)
        var rates = try self.rates ?? SharedRates(now: try link.time())
        let uses = limiter?.takeUses(limit: SharedRates.toldMax) ?? []
        let told = rates.rows(for: uses, at: pulse.clock.now.milliseconds)
        // The numbers only grow, so that whatever a lost beat has told of comes with the next use.
        self.rates = rates
        let beat = try link.beat(as: member, using: told, since: rates.since)
        pulse.clock.adjust(to: Timestamp(milliseconds: beat.now), asked: beat.asked, heard: beat.heard)
        limiter?.charge(rates.uses(in: beat.uses, at: beat.now))
        self.rates = rates
        try look(at: beat, link, began)
        if beatCount % Self.clearingBeats == Self.clearingBeats - 1 { try link.clear() }
        beatCount += 1
    }

    /// Takes what a beat says of other processes and of what they have changed.
    private func look(at beat: PulseLink.Beat, _ link: PulseLink, _ began: ContinuousClock.Instant) throws {
        // Before the beat counts, by which memory is believed again.
        if generation != beat.generation { pulse.withState { $0.memory }?.forget() }
        generation = beat.generation
        load(beat.generation)
        var isSchemaReady = pulse.withState { $0.isSchemaReady }
        if !isSchemaReady || beatCount % Self.schemaBeats == 0, let memory = pulse.withState({ $0.memory }) {
            isSchemaReady = try link.look(memory.isSchemaReady)
        }
        soughtBefore = sought
        try link.settle(duties: soughtBefore)
        let isChanged = pulse.withState { state in
            state.beatAt = began
            state.isSchemaReady = isSchemaReady
            defer { state.led = link.led }
            return state.led != link.led
        }
        if isChanged { tellDuties(link.led) }
        pulse.metrics.beatAt.set(Double(pulse.clock.now.milliseconds) / 1_000)
        pulse.metrics.replicas.set(beat.replicas.count)
        // One that ended between a commit and its bell has not told of it.
        if !replicas.isSubset(of: beat.replicas) { receivers?.takeAll() }
        replicas = beat.replicas
    }

    /// Has what is in memory beside keys follow what others have changed.
    private func load(_ generation: Int64) {
        let memory = pulse.withState { state -> PostgresPulse.Memory? in
            guard state.loadedGeneration != generation, !state.isLoading else { return nil }
            state.isLoading = true
            return state.memory
        }
        guard let memory else { return }
        Task { [pulse] in
            let isLoaded: Bool
            do throws(Failure) {
                try await memory.load()
                isLoaded = true
            } catch {
                // The next beat finds it undone.
                isLoaded = false
            }
            let receivers = pulse.withState { state in
                state.isLoading = false
                if isLoaded { state.loadedGeneration = generation }
                return state.receivers
            }
            // Whoever follows events may be turned away now.
            if isLoaded { receivers?.feed.ringAll() }
        }
    }

    /// Rings what is pending.
    private func ring(_ link: PulseLink) throws {
        let bell = pulse.withState { state in
            defer { state.pending = Bell() }
            return state.pending
        }
        nextBell = .now + .milliseconds(pulse.times.bellMilliseconds)
        do {
            try link.ring(bell.payloads(from: pulse.id))
            pulse.metrics.bellsSent.increment()
        } catch {
            // To be rung twice does no harm.
            pulse.withState { $0.pending.add(bell) }
            throw error
        }
    }

    /// Takes what others have rung.
    private func hear(_ link: PulseLink) throws {
        var heard = Bell()
        for payload in try link.payloads() {
            let (bell, sender) = Bell.read(payload)
            guard sender != pulse.id else { continue }
            pulse.metrics.bellsReceived.increment()
            heard.add(bell)
        }
        if !heard.isEmpty { receivers?.take(heard) }
    }

    /// Waits for whatever comes first.
    private func wait() {
        let now = ContinuousClock.now
        var next: ContinuousClock.Instant?
        if link == nil {
            if isMember || isPending { next = mayConnectAt }
        } else {
            if isMember { next = nextBeat }
            if isPending { next = min(next ?? nextBell, nextBell) }
        }
        var pause = Self.idleMillisecondsMax
        if let next {
            let left = max(.zero, now.duration(to: next)).components
            pause = min(pause, Int32(clamping: left.seconds * 1_000 + left.attoseconds / 1_000_000_000_000_000 + 1))
        }
        if let link { link.awaitNews(or: pulse.bell.descriptor, milliseconds: pause) } else { pulse.bell.wait(milliseconds: pause) }
        pulse.bell.take()
    }

    /// Gives the connection up, with all duties.
    private func lose() {
        link = nil
        let pause = min(Self.pauseMillisecondsMax, Self.pauseMilliseconds << min(failureCount, 8))
        failureCount += 1
        // Not all at the same moment, for a server that comes back.
        mayConnectAt = .now + .milliseconds(Int.random(in: pause / 2...pause))
        let hadDuties = pulse.withState { state in
            defer { state.led = [] }
            return !state.led.isEmpty
        }
        if hadDuties { tellDuties([]) }
    }

    private func tellDuties(_ led: Set<Duty>) {
        pulse.metrics.tell(led: led)
        pulse.dutyChanges.notify()
    }

    /// Rings what is left, and says that the process is gone, as far as the server answers.
    private func end() {
        let (isMember, isPending) = (isMember, isPending)
        do {
            if link == nil, isPending { link = try PulseLink(pulse.settings, silenceMillisecondsMax: pulse.times.silenceMilliseconds) }
            if let link {
                link.answerMillisecondsMax = Self.endMillisecondsMax
                if isPending { try ring(link) }
                if isMember { try link.leave(pulse.id) }
            }
        } catch {
            // The others find out by themselves.
        }
        link = nil
        pulse.withState { $0.led = [] }
        tellDuties([])
    }
}
