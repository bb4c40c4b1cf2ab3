import AsyncHTTPClient
import NIOCore

/// Something took longer than it may.
struct Overdue: Error {}

/// Does something that ends when it is cancelled, and cancels it when time is up.
/// - Throws: `Overdue`, and what the body throws.
func within<Value: Sendable>(_ seconds: Double, _ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw Overdue()
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}

/// Reads the body of an answer, no faster than it is asked to: what nobody asks for stays in the connection. When nothing holds it any more, what is
/// left of the body is not waited for, and its connection ends.
///
/// An actor, because each reading is a task of its own, which a deadline can end.
actor BodyReader {
    private var parts: HTTPClientResponse.Body.AsyncIterator
    private var rest = ByteBuffer()

    init(_ response: HTTPClientResponse) {
        parts = response.body.makeAsyncIterator()
    }

    /// The next so many bytes; fewer, or none, at the end of the body alone. After an error the reader is of no more use.
    func bytes(_ count: Int) async throws -> [UInt8] {
        while rest.readableBytes < count {
            guard var part = try await nextPart() else {
                // What is cancelled looks as though the body were over.
                try Task.checkCancellation()
                break
            }
            rest.discardReadBytes()
            rest.writeBuffer(&part)
        }
        return rest.readBytes(length: min(count, rest.readableBytes)) ?? []
    }

    private func nextPart() async throws -> ByteBuffer? {
        var parts = parts
        defer { self.parts = parts }
        return try await parts.next(isolation: self)
    }
}
