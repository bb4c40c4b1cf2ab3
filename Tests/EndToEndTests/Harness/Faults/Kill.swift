import Synchronization

/// Tells calls that were cut off by a kill from those that the service broke.
final class Kill: Sendable {
    private let isExpected = Atomic(false)
    private let isOver = Atomic(false)

    /// From now on calls may break.
    func begin() { isExpected.store(true, ordering: .sequentiallyConsistent) }
    /// The service is gone.
    func end() { isOver.store(true, ordering: .sequentiallyConsistent) }

    /// Calls again and again until a call breaks.
    /// - Parameter note: told of a call that broke without a kill.
    func call(_ note: (_ problem: String) -> Void, _ step: () async throws -> Void) async {
        while !isOver.load(ordering: .sequentiallyConsistent) {
            do {
                try await step()
            } catch {
                guard isExpected.load(ordering: .sequentiallyConsistent) else { return note("a call broke: \(error)") }
                return
            }
        }
    }
}
