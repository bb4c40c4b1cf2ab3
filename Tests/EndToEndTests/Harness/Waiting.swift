import Foundation

/// Something that a test waits for did not happen in time.
struct Overdue: Error, CustomStringConvertible {
    let description: String

    init(_ what: String, after limit: Duration, detail: String = "") {
        description = "\(what) did not happen within \(limit)\(detail.isEmpty ? "" : ":\n\(detail)")"
    }
}

/// How long tests wait for what should take a moment: generous, because a busy machine with two cores is no failure.
let timeout = Duration.seconds(60) * patienceFactor

/// How many times slower than usual the tested build is; .ci/sanitize sets it.
let patienceFactor = ProcessInfo.processInfo.environment["PERSONAS_TEST_PATIENCE_FACTOR"].flatMap(Int.init) ?? 1

/// Asks until there is an answer.
/// - Parameters:
///   - what: what is awaited, for the failure.
///   - detail: what to show when it does not come.
///   - probe: the answer, or nil while there is none yet.
func eventually<Value>(
    _ what: String, within limit: Duration = timeout, detail: () -> String = { "" }, _ probe: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try await probe() { return value }
        guard ContinuousClock.now < deadline else { throw Overdue(what, after: limit, detail: detail()) }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Asks until a condition holds.
func eventually(
    _ what: String, within limit: Duration = timeout, detail: () -> String = { "" }, _ condition: () async throws -> Bool
) async throws {
    let _: Bool = try await eventually(what, within: limit, detail: detail) { try await condition() ? true : nil }
}

/// Ends what takes longer than it may.
func bounded<Value: Sendable>(
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

/// A small generator of reproducible random numbers (Steele, Lea and Flood, 2014).
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
