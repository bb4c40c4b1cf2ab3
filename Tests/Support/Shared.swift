import Synchronization

/// A value that several tasks look at and change.
package final class Shared<Value: Sendable>: Sendable {
    private let content: Mutex<Value>

    /// Starts with a value.
    package init(_ value: Value) { content = Mutex(value) }

    /// What it is at this moment.
    package var value: Value { content.withLock { $0 } }

    /// Looks at it or changes it while no other task does.
    package func withLock<Result: Sendable>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try content.withLock { value in try body(&value) }
    }
}
