import Personas
import Synchronization
import TestSupport
import Testing

@Suite("Wake signals", .timeLimit(.minutes(5)))
struct WakeSignalTests {
    /// Longer than anything takes that works: a lost signal shows as a wait of this length.
    static let forever = Duration.seconds(120)
    /// What everything takes at most, on a machine however busy.
    static let deadline = Duration.seconds(60)

    /// Runs the steps of tasks only when told to, in an order drawn from a seed, so that a test knows without sleeping who waits for what.
    final class SteppedExecutor: TaskExecutor {
        private struct State {
            var ready: [UnownedJob] = []
            var generator: SplitMix64
        }

        private let state: Mutex<State>

        init(seed: UInt64 = 0) {
            state = Mutex(State(generator: SplitMix64(seed: seed)))
        }

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            state.withLock { $0.ready.append(job) }
        }

        /// Runs one step; false when no task is ready.
        func step() -> Bool {
            let job = state.withLock { state -> UnownedJob? in
                guard let index = state.ready.indices.randomElement(using: &state.generator) else { return nil }
                return state.ready.remove(at: index)
            }
            job?.runSynchronously(on: asUnownedTaskExecutor())
            return job != nil
        }

        /// Runs what is ready, and what becomes ready by that, until every task waits for something from outside.
        func settle() {
            while step() {}
        }
    }

    /// Remembers which tasks are back from their wait.
    final class Returns: Sendable {
        private let numbers = Mutex<[Int]>([])

        var all: [Int] { numbers.withLock { $0.sorted() } }
        func note(_ number: Int) { numbers.withLock { $0.append(number) } }
    }

    static func waiter(
        _ number: Int = 0, for signal: WakeSignal, after seen: UInt64, on executor: SteppedExecutor, noting returns: Returns
    ) -> Task<Void, Never> {
        Task(executorPreference: executor) {
            await signal.wait(after: seen, atMost: forever)
            returns.note(number)
        }
    }

    @Test("Signals are counted from none on")
    func counts() {
        let signal = WakeSignal()
        #expect(signal.count == 0)
        for number in 1...5 as ClosedRange<UInt64> {
            signal.notify()
            #expect(signal.count == number)
        }
    }

    @Test("A signal between the look and the wait is not lost")
    func signalBeforeWait() async {
        let signal = WakeSignal()
        let seen = signal.count
        signal.notify()
        let duration = await ContinuousClock().measure { await signal.wait(after: seen, atMost: Self.forever) }
        #expect(duration < Self.deadline)
    }

    @Test("A signal wakes every task that waits, and none before")
    func signalDuringWait() {
        let (signal, executor, returns) = (WakeSignal(), SteppedExecutor(), Returns())
        let tasks = (0..<10).map { Self.waiter($0, for: signal, after: 0, on: executor, noting: returns) }
        executor.settle()
        #expect(returns.all.isEmpty, "No signal was given")
        signal.notify()
        executor.settle()
        #expect(returns.all == Array(0..<10))
        for task in tasks { task.cancel() }
    }

    @Test("A task that has seen a signal waits for the next one")
    func seenSignals() {
        let (signal, executor, returns) = (WakeSignal(), SteppedExecutor(), Returns())
        signal.notify()
        signal.notify()
        let tasks = [0, 1, 2].map { Self.waiter(Int($0), for: signal, after: $0, on: executor, noting: returns) }
        executor.settle()
        #expect(returns.all == [0, 1], "Only those whose look was before a signal are back")
        signal.notify()
        executor.settle()
        #expect(returns.all == [0, 1, 2])
        for task in tasks { task.cancel() }
    }

    @Test("A cancelled wait ends, and only that one")
    func cancelledDuringWait() {
        let (signal, executor, returns) = (WakeSignal(), SteppedExecutor(), Returns())
        let tasks = (0..<3).map { Self.waiter($0, for: signal, after: 0, on: executor, noting: returns) }
        executor.settle()
        tasks[1].cancel()
        executor.settle()
        #expect(returns.all == [1])
        signal.notify()
        executor.settle()
        #expect(returns.all == [0, 1, 2], "A signal after a cancellation wakes the others, and the cancelled one not again")
    }

    @Test("A task that is cancelled already does not wait")
    func cancelledBeforeWait() {
        let (signal, executor, returns) = (WakeSignal(), SteppedExecutor(), Returns())
        let task = Self.waiter(for: signal, after: 0, on: executor, noting: returns)
        task.cancel()
        executor.settle()
        #expect(returns.all == [0])
        #expect(signal.count == 0)
    }

    @Test("In whatever order steps, signals and cancellations come, every task is back in the end", arguments: 0..<10 as Range<UInt64>)
    func interleavings(block: UInt64) {
        for seed in block * 100..<(block + 1) * 100 {
            var generator = SplitMix64(seed: seed)
            let (signal, executor, returns) = (WakeSignal(), SteppedExecutor(seed: seed), Returns())
            var tasks: [Task<Void, Never>] = []
            var seen: [UInt64] = []
            var cancelled: Set<Int> = []
            for _ in 0..<60 {
                switch Int.random(in: 0..<8, using: &generator) {
                case 0:
                    seen.append(signal.count)
                    tasks.append(Self.waiter(tasks.count, for: signal, after: signal.count, on: executor, noting: returns))
                case 1: signal.notify()
                case 2:
                    guard let index = tasks.indices.randomElement(using: &generator) else { continue }
                    tasks[index].cancel()
                    cancelled.insert(index)
                default: _ = executor.step()
                }
            }
            executor.settle()
            let expected = tasks.indices.filter { seen[$0] < signal.count || cancelled.contains($0) }
            #expect(returns.all == expected, "seed \(seed): those are back whose signal was given, or that were cancelled, each once")
            signal.notify()
            executor.settle()
            #expect(returns.all == Array(tasks.indices), "seed \(seed)")
        }
    }

    @Test("A wait ends when its time is over, and no signal is needed", arguments: [Duration.zero, .milliseconds(20), .seconds(-1)])
    func timeout(duration: Duration) async {
        let signal = WakeSignal()
        let waited = await ContinuousClock().measure { await signal.wait(after: signal.count, atMost: duration) }
        #expect(waited >= max(duration, .zero))
        #expect(waited < Self.deadline)
        // A waiter that was left behind would be woken a second time by this, which stops the process.
        signal.notify()
    }

    /// Work that is put down by some and taken by others.
    final class Work: Sendable {
        private let pieces = Mutex((waiting: 0, done: 0))

        var done: Int { pieces.withLock { $0.done } }
        func put() { pieces.withLock { $0.waiting += 1 } }

        /// Takes a piece and does it; false when none is there.
        func take() -> Bool {
            pieces.withLock { pieces in
                guard pieces.waiting > 0 else { return false }
                pieces = (pieces.waiting - 1, pieces.done + 1)
                return true
            }
        }
    }

    @Test("Under load no signal is lost: every piece of work is done long before a wait would end by itself")
    func soak() async {
        let (producers, consumers, pieces) = (4, 4, 2_000)
        let (signal, work) = (WakeSignal(), Work())
        let duration = await ContinuousClock().measure {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<producers {
                    group.addTask {
                        for _ in 0..<pieces {
                            work.put()
                            signal.notify()
                            await Task.yield()
                        }
                    }
                }
                for _ in 0..<consumers {
                    group.addTask {
                        while true {
                            let seen = signal.count
                            let wasTaken = work.take()
                            if work.done == producers * pieces { return signal.notify() }
                            if !wasTaken { await signal.wait(after: seen, atMost: Self.forever) }
                        }
                    }
                }
            }
        }
        #expect(work.done == producers * pieces)
        #expect(duration < Self.deadline)
    }

    @Test("Under load every wait ends that is cancelled while the signal is given")
    func cancellationSoak() async {
        let duration = await ContinuousClock().measure {
            for _ in 0..<500 {
                let signal = WakeSignal()
                await withTaskGroup(of: Void.self) { group in
                    let waiters = (0..<4).map { _ in Task.detached { await signal.wait(after: 0, atMost: Self.forever) } }
                    group.addTask { for waiter in waiters.prefix(2) { waiter.cancel() } }
                    group.addTask { signal.notify() }
                    for waiter in waiters { group.addTask { await waiter.value } }
                }
            }
        }
        #expect(duration < Self.deadline)
    }
}
