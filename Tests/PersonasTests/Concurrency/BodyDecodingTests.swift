import Foundation
import Personas
import Synchronization
import Testing

@Suite("Work on bodies", .timeLimit(.minutes(1)))
struct BodyDecodingTests {
    private static let large = BodyDecoding.smallBytesMax + 1
    private let threads = MarkedThreads()

    @Test("Large bodies are worked on by threads of their own, small ones by the task that has them")
    func threadsOfItsOwn() async throws {
        let decoding = BodyDecoding(places: 2, threads: threads) { _ in }
        #expect(try await decoding.perform(on: Self.large, for: .random(), MarkedThreads.isCurrent))
        #expect(try await !decoding.perform(on: BodyDecoding.smallBytesMax, for: .random(), MarkedThreads.isCurrent))
        #expect(try !MarkedThreads.isCurrent(), "and the task that asked goes on where it was")
        await #expect(throws: Failure.notFound) {
            try await decoding.perform(on: Self.large, for: .random()) { () throws(Failure) in throw .notFound }
        }
    }

    @Test("An ordinary create waits for no body of many megabytes, whichever account they are from")
    func mediumAndLarge() async throws {
        let depth = Mutex(0)
        let decoding = BodyDecoding(places: 2, threads: threads) { count in depth.withLock { $0 = count } }
        let hold = DispatchSemaphore(value: 0)
        let running = (0..<3).map { _ in
            Task {
                try await decoding.perform(on: BodyDecoding.mediumBytesMax + 1, for: .random()) { () throws(Failure) in hold.wait() }
            }
        }
        while depth.withLock({ $0 }) < 1 { await Task.yield() }
        #expect(try await decoding.perform(on: BodyDecoding.mediumBytesMax, for: .random()) { () throws(Failure) in 1 } == 1)
        for _ in running { hold.signal() }
        for task in running { try await task.value }
    }

    @Test("One account never holds the last place, and work that fails gives its place back")
    func places() async throws {
        let depth = Mutex(0)
        let decoding = BodyDecoding(places: 2, threads: threads) { count in depth.withLock { $0 = count } }
        let (account, other) = (Identifier.random(), Identifier.random())
        for _ in 0..<5 {
            await #expect(throws: Failure.notFound) {
                try await decoding.perform(on: Self.large, for: account) { () throws(Failure) in throw .notFound }
            }
        }
        let hold = DispatchSemaphore(value: 0)
        let running = (0..<3).map { _ in
            Task { try await decoding.perform(on: Self.large, for: account) { () throws(Failure) in hold.wait() } }
        }
        while depth.withLock({ $0 }) < 2 { await Task.yield() }
        #expect(try await decoding.perform(on: Self.large, for: other) { () throws(Failure) in 1 } == 1)
        running[2].cancel()
        for _ in 0..<3 { hold.signal() }
        var refused = 0
        for task in running where (try? await task.value) == nil { refused += 1 }
        #expect(refused <= 1, "only who was cancelled while it waited")
        #expect(depth.withLock { $0 } == 0)
    }
}

/// A thread for each part of a task, marked so that what runs on it can tell.
private final class MarkedThreads: TaskExecutor {
    private static let mark = "decoding"

    /// Whether this is called on one of them.
    @Sendable static func isCurrent() throws(Failure) -> Bool { Thread.current.threadDictionary[mark] != nil }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread.detachNewThread { [executor = asUnownedTaskExecutor()] in
            Thread.current.threadDictionary[Self.mark] = true
            job.runSynchronously(on: executor)
        }
    }
}
