/// Lets one task at a time do something, in the order in which they asked. A task that waits takes no thread and looks at nothing meanwhile.
package final class AsyncMutex: Sendable {
    private let semaphore = AsyncSemaphore(count: 1)

    /// A mutex that no task holds.
    package init() {}

    /// Does something once no other task does.
    /// - Throws: `CancellationError` when the task is cancelled before its turn comes, and what the body throws.
    package func withLock<Value>(_ body: () async throws -> Value) async throws -> Value {
        guard await semaphore.enter() == .admitted else { throw CancellationError() }
        defer { semaphore.leave() }
        return try await body()
    }
}
