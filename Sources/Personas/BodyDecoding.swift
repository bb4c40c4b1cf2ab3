/// Where request bodies and images are worked on: on threads of their own, in places that accounts share.
///
/// Such work takes as long as its bytes are many, and costs a multiple of them in memory while it runs. On the threads that serve all requests
/// it would hold up everybody, and without bounds one account's would leave no processor to the others.
package struct BodyDecoding: Sendable {
    /// Up to so many bytes are worked on at once by whoever has them: that takes no longer than an ordinary request.
    package static let smallBytesMax = 65_536

    private let places: SharedPlaces
    private let threads: any TaskExecutor

    /// - Parameters:
    ///   - places: how many are worked on at once. One account never holds the last of them, unless there is but one.
    ///   - threads: as many threads.
    ///   - onWaiting: told how many wait whenever that changes.
    package init(places: Int, threads: any TaskExecutor, onWaiting: @escaping @Sendable (Int) -> Void) {
        self.places = SharedPlaces(count: places, onWaiting: onWaiting)
        self.threads = threads
    }

    /// Does work, waiting for a place first where it is large.
    ///
    /// The work must neither wait nor touch network or disk, because it holds a place.
    /// - Parameter byteCount: how many bytes are worked on.
    /// - Throws: what the work throws; `usedUp` when the task was cancelled while it waited, which nobody is there to be told.
    package func perform<Value: Sendable>(
        on byteCount: Int, for accountID: Identifier, _ work: () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        guard byteCount > Self.smallBytesMax else { return try work() }
        guard await places.enter(accountID) == .admitted else { throw .usedUp(.bodyMemory, retryAfterSeconds: 1) }
        defer { places.leave(accountID) }
        return try await withTaskExecutorPreference(threads) { () async throws(Failure) -> Value in try work() }
    }
}
