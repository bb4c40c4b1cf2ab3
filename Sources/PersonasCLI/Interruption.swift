import Foundation
import UnixSignals

/// Ending long commands early: what they have begun is taken back before the process ends.
enum Interruption {
    /// Does something, and cancels it at SIGINT or SIGTERM.
    static func cancelling<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(CommandFailure) -> Value
    ) async throws(CommandFailure) -> Value {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let work = Task { () async -> Result<Value, CommandFailure> in
            do throws(CommandFailure) {
                return .success(try await body())
            } catch {
                return .failure(error)
            }
        }
        let watch = Task {
            for await _ in signals {
                // Whoever asks twice does not want to wait for what cannot be broken off; a crash loses no more.
                if work.isCancelled { _exit(ExitStatus.failed.rawValue) }
                work.cancel()
            }
        }
        defer { watch.cancel() }
        return try await work.value.get()
    }
}
