import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import TestSupport
import Testing

@testable import ErrorEnvelopeHummingbird

/// Requests that wait on their connection, without a task, whose clock the test turns.
@Suite("Pending answers")
struct PendingAnswersTests {
    private typealias Connection = ImmediateConnection

    /// A connection whose request waits.
    private static func waiting(among connections: ConnectionRegistry? = nil) throws -> (Connection, ImmediateConnection.TestWait) {
        let connection = try Connection(among: connections)
        try connection.receive(Connection.get("/wait"))
        let wait = try #require(connection.responder.pending.value.first)
        #expect(wait.looks.value == [false], "once, after it began to listen")
        #expect(try connection.sent() == [] && connection.passed() == [])
        return (connection, wait)
    }

    private static func wake(_ wait: ImmediateConnection.TestWait, after delay: TimeAmount = .zero) throws {
        let wake = try #require(wait.wake.value)
        wake(delay)
    }

    @Test("come when they are woken and there is something to say; the connection goes on afterwards, and has its time")
    func woken() throws {
        let (connection, wait) = try Self.waiting()
        try Self.wake(wait)
        connection.channel.embeddedEventLoop.run()
        #expect(wait.looks.value == [false, false] && !wait.hasEnded.value)
        // Silence is the server's turn, however long.
        connection.advance(250)
        wait.outcome.withLock { $0 = .answer }
        for _ in 0..<3 { try Self.wake(wait) }
        connection.channel.embeddedEventLoop.run()
        #expect(wait.looks.value == [false, false, false], "of many changes at once the first look sees all")
        #expect(try connection.sent() == ["200 /wait"])
        #expect(wait.hasEnded.value)
        try Self.wake(wait)
        connection.advance(199)
        #expect(wait.looks.value.count == 3 && connection.isOpen)
        try connection.receive(Connection.get("/fast") + Connection.get("/wait/2"))
        #expect(try connection.sent() == ["200 /fast"])
        #expect(try connection.passed() == ["/wait/2", "end"], "behind another request it is Hummingbird's")
        connection.answer("2")
        #expect(try connection.sent() == ["200 2"])
        connection.advance(199)
        #expect(connection.isOpen)
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test("come after the delay that they are woken with")
    func delayed() throws {
        let (connection, wait) = try Self.waiting()
        wait.outcome.withLock { $0 = .answer }
        try Self.wake(wait, after: .seconds(2))
        connection.advance(1)
        #expect(try connection.sent() == [])
        connection.advance(1)
        #expect(try connection.sent() == ["200 /wait"])
    }

    @Test("come when their time is over, as things stand")
    func deadline() throws {
        let (connection, wait) = try Self.waiting()
        connection.advance(299)
        #expect(connection.isOpen && wait.looks.value == [false])
        connection.advance(1)
        #expect(wait.looks.value == [false, true])
        #expect(try connection.sent() == ["200 /wait"])
        #expect(connection.isOpen && connection.met.all.isEmpty)
    }

    @Test("come at once to a client that sends no more")
    func ended() throws {
        let (connection, wait) = try Self.waiting()
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(wait.looks.value == [false, true] && wait.hasEnded.value)
        #expect(try connection.sent() == ["200 /wait"])
    }

    @Test("come before the refusal of what follows them and is no request")
    func refused() throws {
        let (connection, wait) = try Self.waiting()
        // What is left of the error at the end of the pipeline is what Hummingbird would answer.
        #expect(throws: (any Error).self) { try connection.receive("nonsense\r\n\r\n") }
        #expect(wait.looks.value == [false, true] && wait.hasEnded.value)
        #expect(try connection.sent() == ["200 /wait"])
        #expect(try connection.passed() == [])
    }

    @Test("come at once when the server stops, which closes the connection behind them")
    func stopping() throws {
        let (connection, wait) = try Self.waiting()
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(wait.hasEnded.value)
        #expect(try connection.sent() == ["200 close /wait"])
        #expect(!connection.isOpen)
    }

    @Test("come at once when their place is needed, and not before others had theirs for a while")
    func spared() throws {
        var limits = ConnectionRegistry.Limits()
        limits.connectionsMax = 1
        let registry = ConnectionRegistry(limits: limits)
        let (first, _) = try Self.waiting(among: registry)
        // One that has just begun to wait is not quiet yet.
        _ = try Connection(among: registry)
        first.channel.embeddedEventLoop.run()
        #expect(try first.sent() == [] && first.isOpen)
        let guardOfFirst = try first.requestGuard
        guardOfFirst.place?.becomesQuiet()
        _ = try Connection(among: registry)
        first.channel.embeddedEventLoop.run()
        #expect(try first.sent() == ["200 close /wait"])
        #expect(!first.isOpen)
        #expect(first.met.all == [.connections])
    }

    @Test("end with the connection, and leave nothing behind")
    func closed() throws {
        let (connection, wait) = try Self.waiting()
        try connection.channel.close().wait()
        connection.channel.embeddedEventLoop.run()
        #expect(wait.hasEnded.value)
        try Self.wake(wait)
        connection.channel.embeddedEventLoop.run()
        #expect(wait.looks.value == [false])
    }

    @Test("are Hummingbird's where more is sent behind the request, or there is no room for one more, or the answer is not theirs to give")
    func handedOn() throws {
        let (crowded, wait) = try Self.waiting()
        try crowded.receive(Connection.get("/fast"))
        #expect(try crowded.passed() == ["/wait", "end", "/fast", "end"])
        #expect(wait.hasEnded.value && wait.looks.value == [false])
        for body in ["wait", "fast"] { crowded.answer(body) }
        #expect(try crowded.sent() == ["200 wait", "200 fast"])
        try crowded.receive(Connection.get("/fast"))
        #expect(try crowded.sent() == ["200 /fast"], "what was counted is right again")

        let full = try Connection()
        try full.receive(Connection.get("/wait/refused"))
        #expect(try full.passed() == ["/wait/refused", "end"])

        let (failed, failing) = try Self.waiting()
        failing.outcome.withLock { $0 = .handOn }
        try Self.wake(failing)
        failed.channel.embeddedEventLoop.run()
        #expect(try failed.passed() == ["/handed", "end"])
        failed.answer("handed")
        #expect(try failed.sent() == ["200 handed"])
    }

    @Test("of a handler that waits end with the connection's wishes, too: its place, its client, its server", arguments: 0..<3)
    func handler(what: Int) throws {
        var limits = ConnectionRegistry.Limits()
        limits.connectionsMax = 1
        let registry = ConnectionRegistry(limits: limits)
        let connection = try Connection(among: registry)
        try connection.receive(Connection.get("/slow"))
        let ended = Shared(0)
        AnswerWait.begin(on: connection.channel) { ended.withLock { $0 += 1 } }
        #expect(ended.value == 0)
        let requestGuard = try connection.requestGuard
        switch what {
        case 0:
            requestGuard.place?.becomesQuiet()
            _ = try Connection(among: registry)
            connection.channel.embeddedEventLoop.run()
        case 1: connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        default: connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        #expect(ended.value == 1 && connection.isOpen)
        connection.answer("slow")
        #expect(try connection.sent() == [what == 1 ? "200 slow" : "200 close slow"])
        #expect(ended.value == 1)
        // Where the client has ended before the wait began, there is none.
        let late = try Connection()
        try late.receive(Connection.get("/slow"))
        late.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        AnswerWait.begin(on: late.channel) { ended.withLock { $0 += 1 } }
        #expect(ended.value == 2)
    }
}
