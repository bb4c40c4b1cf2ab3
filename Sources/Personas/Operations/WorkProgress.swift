/// How far long work has come.
package struct WorkProgress: Sendable, Codable, Equatable {
    /// What is being done, in words for a person: "Copying images".
    package let step: String
    /// Units of the step that are done.
    package let done: Int
    /// Units that the step has; 0 while that is not known.
    package let total: Int

    package init(step: String, done: Int, total: Int) {
        self.step = step
        self.done = done
        self.total = total
    }
}

/// Told how far work has come. It is called often and from any thread, so it must be quick.
package typealias ProgressHandler = @Sendable (WorkProgress) -> Void
