package import Hummingbird

/// Has each request worked on in a task of its own, while the connection's task waits for the answer and writes it.
///
/// A task keeps the memory that its deepest calls have needed until it ends, and the connection's lasts as long as the connection: of 43 KB
/// that a connection held after a request, idle or not, 20 were these.
package struct RequestTask<Inner: HTTPResponder>: HTTPResponder where Inner.Context: Sendable {
    private let inner: Inner

    /// - Parameter inner: What answers.
    package init(inner: Inner) {
        self.inner = inner
    }

    /// Answers as what it wraps does, in another task; cancelled when this one is.
    package func respond(to request: Request, context: Inner.Context) async throws -> Response {
        try await withThrowingTaskGroup(of: Response.self) { group in
            let work: @Sendable () async throws -> Response = { try await self.inner.respond(to: request, context: context) }
            // One that begins on the spot saves a change of threads.
            if #available(macOS 26, *) {
                group.addImmediateTask(operation: work)
            } else {
                group.addTask(operation: work)
            }
            for try await response in group { return response }
            throw CancellationError()
        }
    }
}
