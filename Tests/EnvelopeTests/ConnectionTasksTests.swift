import Hummingbird
import Logging
import NIOEmbedded
import Synchronization
import TestSupport
import Testing

@testable import ErrorEnvelopeHummingbird

@Suite("Tasks of connections and of their requests")
struct ConnectionTasksTests {
    /// A connection that lasts until it is told to end, or is cancelled.
    private struct Connection {
        let work: @Sendable () async -> Void
        let end: @Sendable () -> Void
        let hasBegun = Shared(false)
        let wasCancelled = Shared(false)

        init() {
            let (events, continuation) = AsyncStream.makeStream(of: Void.self)
            let (hasBegun, wasCancelled) = (hasBegun, wasCancelled)
            work = {
                hasBegun.withLock { $0 = true }
                for await _ in events {}
                wasCancelled.withLock { $0 = Task.isCancelled }
            }
            end = { continuation.finish() }
        }
    }

    @Test("The first call stays until no connection is left, the others return at once, and then one stays again")
    func attendance() async throws {
        let tasks = ConnectionTasks()
        for _ in 0..<3 {
            let connections = (0..<3).map { _ in Connection() }
            let isOver = Shared(false)
            let attendant = Task {
                await tasks.run(connections[0].work)
                isOver.withLock { $0 = true }
            }
            try await eventually("the first connection begins") { connections[0].hasBegun.value }
            try await bounded("the other calls") { for connection in connections[1...] { await tasks.run(connection.work) } }
            connections[0].end()
            connections[1].end()
            try await eventually("the last connection begins") { connections[2].hasBegun.value }
            #expect(!isOver.value)
            connections[2].end()
            try await bounded("the first call") { await attendant.value }
            #expect(connections.allSatisfy { !$0.wasCancelled.value })
        }
    }

    @Test("All connections are cancelled with the call that stays for them, which waits for their ends")
    func cancellation() async throws {
        let tasks = ConnectionTasks()
        let connections = (0..<3).map { _ in Connection() }
        let attendant = Task { await tasks.run(connections[0].work) }
        try await eventually("the first connection begins") { connections[0].hasBegun.value }
        for connection in connections[1...] { await tasks.run(connection.work) }
        attendant.cancel()
        try await bounded("the first call") { await attendant.value }
        #expect(connections.allSatisfy { $0.wasCancelled.value })
    }

    @Test("A connection that comes when all are cancelled already is cancelled as well")
    func lateComer() async throws {
        let tasks = ConnectionTasks()
        let (stubborn, late) = (Connection(), Connection())
        defer { for connection in [stubborn, late] { connection.end() } }
        // Its own task is cancelled, and what it waits for is not.
        let attendant = Task { await tasks.run { await Task { await stubborn.work() }.value } }
        try await eventually("the first connection begins") { stubborn.hasBegun.value }
        attendant.cancel()
        let cancelled = Task {
            try? await Task.sleep(for: .seconds(3_600))
            await tasks.run(late.work)
        }
        cancelled.cancel()
        try await bounded("the late call") { await cancelled.value }
        try await eventually("the late connection's end") { late.wasCancelled.value }
        stubborn.end()
        try await bounded("the first call") { await attendant.value }
    }

    /// Notes which task it runs in, and fails where it is told to.
    private struct Probe: HTTPResponder {
        struct Refused: Error {}

        let tasks = Shared<[Int]>([])
        let fails: Bool

        func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
            let task = ConnectionTasksTests.currentTask
            tasks.withLock { $0.append(task) }
            if fails { throw Refused() }
            return Response(status: .accepted)
        }
    }

    private static var currentTask: Int { withUnsafeCurrentTask { $0?.hashValue ?? 0 } }

    @Test("A request is worked on in another task than the connection, whose answer and error are its own")
    func requests() async throws {
        let request = Request(head: .init(method: .get, scheme: "http", authority: "a", path: "/"), body: .init(buffer: .init()))
        let context = BasicRequestContext(source: .init(channel: EmbeddedChannel(), logger: Logger(label: "test")))
        let probe = Probe(fails: false)
        #expect(try await RequestTask(inner: probe).respond(to: request, context: context).status == .accepted)
        #expect(probe.tasks.value.count == 1 && probe.tasks.value != [Self.currentTask])
        await #expect(throws: Probe.Refused.self) {
            try await RequestTask(inner: Probe(fails: true)).respond(to: request, context: context)
        }
    }
}
