import Personas
import Synchronization
import Testing

@Suite("Asynchronous mutex", .timeLimit(.minutes(1)))
struct AsyncMutexTests {
    /// What tasks note down, in order.
    private final class Notes: Sendable {
        private let state = Mutex<[String]>([])
        var all: [String] { state.withLock { $0 } }
        func add(_ note: String) { state.withLock { $0.append(note) } }
        func reach(_ note: String) async { while !all.contains(note) { await Task.yield() } }
    }

    /// A number that tasks change.
    private final class Count: Sendable {
        private let state = Mutex(0)
        @discardableResult func add(_ number: Int) -> Int {
            state.withLock { state in
                state += number
                return state
            }
        }
    }

    private struct Broken: Error, Equatable {}

    @Test("Tasks are served one by one")
    func exclusive() async throws {
        let (mutex, inside, served) = (AsyncMutex(), Count(), Count())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    try await mutex.withLock {
                        #expect(inside.add(1) == 1)
                        for _ in 0..<5 { await Task.yield() }
                        inside.add(-1)
                    }
                    served.add(1)
                }
            }
            try await group.waitForAll()
        }
        #expect(served.add(0) == 50)
    }

    @Test("A task that is cancelled while it waits does nothing and keeps no other; what the body throws is thrown, and others come next")
    func ends() async throws {
        let (mutex, notes, mayEnd) = (AsyncMutex(), Notes(), WakeSignal())
        let first = Task {
            try await mutex.withLock {
                notes.add("first")
                await mayEnd.wait(after: 0, atMost: .seconds(30))
                throw Broken()
            }
        }
        await notes.reach("first")
        let second = Task {
            notes.add("second asks")
            try await mutex.withLock { notes.add("second") }
        }
        await notes.reach("second asks")
        for _ in 0..<50 { await Task.yield() }
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        mayEnd.notify()
        await #expect(throws: Broken()) { try await first.value }
        #expect(try await mutex.withLock { 3 } == 3)
        #expect(notes.all == ["first", "second asks"])
    }
}
