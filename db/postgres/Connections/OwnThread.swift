import Foundation
import Personas

/// Threads for work that waits for the network for minutes, which would take those of others.
enum OwnThread {
    /// Runs something on a thread that ends with it.
    static func run<Value: Sendable>(_ name: String, _ body: @escaping @Sendable () throws -> Value) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            let thread = Thread {
                let result = Result(catching: body).mapError { Failure(postgres: $0) }
                continuation.resume(returning: result)
            }
            thread.name = name
            thread.start()
        }
        return try result.get()
    }
}
