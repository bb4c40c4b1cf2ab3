import Synchronization

/// Where request bodies and images are worked on: on threads of their own, in places that accounts share.
///
/// Such work takes as long as its bytes are many, and costs a multiple of them in memory while it runs. On the threads that serve all requests
/// it would hold up every client, and without bounds one account's would leave no processor to the others.
package struct BodyDecoding: Sendable {
    /// Up to so many bytes are worked on at once by the task that has them: that takes no longer than an ordinary request.
    package static let smallBytesMax = 65_536
    /// What is larger than this takes a processor for tens of milliseconds, for which the images of an ordinary create shall not wait.
    package static let mediumBytesMax = 1_048_576

    private let mediumPlaces: AsyncSemaphore
    private let largePlaces: AsyncSemaphore
    private let threads: any TaskExecutor

    /// - Parameters:
    ///   - places: how many are worked on at once, of those over and of those up to `mediumBytesMax`. One account never holds the last of them,
    ///     unless there is but one.
    ///   - threads: twice as many threads.
    ///   - onWaiting: told how many wait whenever that changes.
    package init(places: Int, threads: any TaskExecutor, onWaiting: @escaping @Sendable (Int) -> Void) {
        let waiting = WaitingCounts(onChange: onWaiting)
        mediumPlaces = AsyncSemaphore(count: places) { waiting.set(medium: $0) }
        largePlaces = AsyncSemaphore(count: places) { waiting.set(large: $0) }
        self.threads = threads
    }

    /// Does work, waiting for a place first where it is large.
    ///
    /// The work must neither wait nor touch network or disk, because it holds a place.
    /// - Parameter byteCount: how many bytes are worked on.
    /// - Throws: what the work throws; `usedUp` when the task was cancelled while it waited, of which no client is left to be told.
    package func perform<Value: Sendable>(
        on byteCount: Int, for accountID: Identifier, _ work: () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        guard byteCount > Self.smallBytesMax else { return try work() }
        let places = byteCount > Self.mediumBytesMax ? largePlaces : mediumPlaces
        guard await places.enter(accountID) == .admitted else { throw .usedUp(.bodyMemory, retryAfterSeconds: 1) }
        defer { places.leave(accountID) }
        return try await withTaskExecutorPreference(threads) { () async throws(Failure) -> Value in try work() }
    }
}

/// How many wait, in both lines together.
private final class WaitingCounts: Sendable {
    private let counts = Mutex((medium: 0, large: 0))
    private let onChange: @Sendable (Int) -> Void

    init(onChange: @escaping @Sendable (Int) -> Void) {
        self.onChange = onChange
    }

    func set(medium count: Int) {
        counts.withLock { counts in
            counts.medium = count
            onChange(counts.medium + counts.large)
        }
    }

    func set(large count: Int) {
        counts.withLock { counts in
            counts.large = count
            onChange(counts.medium + counts.large)
        }
    }
}
