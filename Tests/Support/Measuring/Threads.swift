import Foundation
import Synchronization

/// Threads that block, one per connection: the least overhead, and none of it shared with the server's runtime.
package enum Threads {
    /// Runs `body` on that many threads and gathers what all return.
    package static func gather(_ count: Int, _ body: @escaping @Sendable (Int) throws -> [String]) throws -> [String] {
        let results = Results()
        let done = DispatchSemaphore(value: 0)
        for index in 0..<count {
            let thread = Thread {
                let result = Result { try body(index) }
                results.add(result)
                done.signal()
            }
            thread.start()
        }
        for _ in 0..<count { done.wait() }
        return try results.all()
    }

    private final class Results: Sendable {
        private let gathered = Mutex<(values: [String], failure: (any Error)?)>(([], nil))

        func add(_ result: Result<[String], any Error>) {
            gathered.withLock { gathered in
                switch result {
                case .success(let values): gathered.values += values
                case .failure(let error): gathered.failure = gathered.failure ?? error
                }
            }
        }

        func all() throws -> [String] {
            try gathered.withLock { gathered in
                if let failure = gathered.failure { throw failure }
                return gathered.values
            }
        }
    }
}
