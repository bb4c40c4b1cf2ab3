import Foundation

/// Something that a test waits for did not happen in time.
package struct Overdue: Error, CustomStringConvertible {
    package let description: String

    package init(_ what: String, after limit: Duration, detail: String = "") {
        description = "\(what) did not happen within \(limit)\(detail.isEmpty ? "" : ":\n\(detail)")"
    }
}

/// How long tests wait for what should take a moment: generous, because a busy machine with two cores is no failure.
package let timeout = Duration.seconds(60) * timeoutFactor

/// How many times slower than usual the tested build is; .ci/sanitize sets it.
package let timeoutFactor = ProcessInfo.processInfo.environment["PERSONAS_TEST_TIMEOUT_FACTOR"].flatMap(Int.init) ?? 1

/// Asks until there is an answer.
/// - Parameters:
///   - what: what is awaited, for the failure.
///   - detail: what to show when it does not come.
///   - answer: the answer, or nil while there is none yet.
package func eventually<Value>(
    _ what: String, within limit: Duration = timeout, detail: () -> String = { "" }, _ answer: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try await answer() { return value }
        guard ContinuousClock.now < deadline else { throw Overdue(what, after: limit, detail: detail()) }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// Asks until a condition holds.
package func eventually(
    _ what: String, within limit: Duration = timeout, detail: () -> String = { "" }, _ condition: () async throws -> Bool
) async throws {
    let _: Bool = try await eventually(what, within: limit, detail: detail) { try await condition() ? true : nil }
}

/// Whether a condition comes to hold in time; a task that is cancelled does not wait.
package func comesTrue(within limit: Duration = timeout, _ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline, (try? await Task.sleep(for: .milliseconds(5))) != nil else { return false }
    }
    return true
}

/// Ends what takes longer than it may.
package func bounded<Value: Sendable>(
    _ what: String, within limit: Duration = timeout, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: limit)
            throw Overdue(what, after: limit)
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}
