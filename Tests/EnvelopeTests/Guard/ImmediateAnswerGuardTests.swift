import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import TestSupport
import Testing

@testable import ErrorEnvelopeHummingbird

/// What the guard does about connections some of whose requests it never sees.
@Suite("Immediate answers and the guard")
struct ImmediateAnswerGuardTests {
    private typealias Connection = ImmediateConnection

    private func registry(_ connectionsMax: Int) -> ConnectionRegistry {
        var limits = ConnectionRegistry.Limits()
        limits.connectionsMax = connectionsMax
        limits.servedPaths = ["/fast/health"]
        return ConnectionRegistry(limits: limits)
    }

    @Test("A silent connection is closed so long after its last answer")
    func idle() throws {
        let connection = try Connection()
        connection.advance(90)
        try connection.receive(Connection.get("/fast"))
        connection.advance(199)
        #expect(connection.isOpen, "the time of the first request does not count any more")
        try connection.receive(Connection.get("/fast"))
        connection.advance(199)
        #expect(connection.isOpen)
        connection.advance(1)
        #expect(!connection.isOpen)
        #expect(connection.recorder.lines.isEmpty)
    }

    @Test("A header that drips behind an answered request has its time, and one that does not go on is silence")
    func partialHeader() throws {
        let dripping = try Connection()
        try dripping.receive(Connection.get("/fast") + "GET /fa")
        #expect(try dripping.sent() == ["200 /fast"])
        for _ in 0..<9 {
            dripping.advance(1)
            try dripping.receive("s")
        }
        #expect(dripping.isOpen)
        dripping.advance(2)
        #expect(!dripping.isOpen)
        #expect(dripping.met.all == [.requestTime])

        let silent = try Connection()
        try silent.receive(Connection.get("/fast") + "GET /fa")
        silent.advance(199)
        #expect(silent.isOpen)
        silent.advance(1)
        #expect(!silent.isOpen)

        // The time of a header that came in pieces ends with its answer.
        let late = try Connection()
        try late.receive("GET /fa")
        late.advance(9)
        try late.receive("st HTTP/1.1\r\nHost: a\r\n\r\n")
        late.advance(9)
        try late.receive("GET /fa")
        late.advance(9)
        #expect(late.isOpen)
        late.advance(1)
        #expect(!late.isOpen)
    }

    @Test("A client that does not take its answer is closed after the timeout, and the log says whose answer that was")
    func stalled() throws {
        let connection = try Connection()
        connection.client.takes = false
        try connection.receive(Connection.get("/fast"))
        connection.advance(29)
        #expect(connection.isOpen)
        connection.advance(7)
        #expect(!connection.isOpen)
        #expect(connection.met.all == [.answerTime])
        #expect(connection.recorder.lines.map(\.message) == ["Connection closed", "Answer cut off"])
        #expect(connection.recorder.lines.last?.metadata["hb.request.id"] == "id of /fast")
    }

    @Test("A client that takes its answer late goes on, and is silent only from then on")
    func takenLate() throws {
        let connection = try Connection()
        connection.client.takes = false
        try connection.receive(Connection.get("/fast"))
        connection.advance(28)
        try connection.client.take(on: connection.channel)
        connection.advance(199)
        #expect(connection.isOpen)
        connection.advance(1)
        #expect(!connection.isOpen)
        #expect(connection.met.all == [] && connection.recorder.lines.isEmpty)
    }

    @Test("An answer that the client went away from is logged as cut off, once")
    func gone() throws {
        let untaken = try Connection()
        untaken.client.takes = false
        try untaken.receive(Connection.get("/fast/1") + Connection.get("/fast/2"))
        untaken.client.close(
            context: try untaken.channel.pipeline.syncOperations.context(handler: untaken.client), mode: .all, promise: nil)
        let reset = try Connection()
        reset.client.isGone = true
        try? reset.receive(Connection.get("/fast/2"))
        reset.channel.embeddedEventLoop.run()
        for connection in [untaken, reset] {
            #expect(connection.recorder.lines.map(\.message) == ["Answer cut off"])
            #expect(connection.recorder.lines.first?.metadata["hb.request.id"] == "id of /fast/2")
        }
        let taken = try Connection()
        try taken.receive(Connection.get("/fast"))
        try taken.channel.close().wait()
        #expect(taken.recorder.lines.isEmpty)
    }

    @Test("A server that stops lets an answer be taken, then closes; further requests are Hummingbird's, which says so")
    func quiescing() throws {
        let connection = try Connection()
        connection.client.takes = false
        try connection.receive(Connection.get("/fast"))
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        // What Hummingbird does, which knows of no request.
        connection.channel.pipeline.close(promise: nil)
        #expect(connection.isOpen)
        try connection.client.take(on: connection.channel)
        #expect(!connection.isOpen)
        #expect(try connection.sent() == ["200 /fast"])
        #expect(connection.recorder.lines.isEmpty)

        let other = try Connection()
        other.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        try other.receive(Connection.get("/fast"))
        #expect(try other.passed() == ["/fast", "end"])
        other.answer("last")
        #expect(try other.sent() == ["200 close last"])
    }

    @Test("A connection without a place is told so, whatever it asks, and every client gets one in turn while places are short")
    func places() throws {
        let registry = self.registry(1)
        let busy = try Connection(among: registry)
        try busy.receive(Connection.get("/slow"))
        _ = try busy.passed()
        let refused = try Connection(among: registry)
        #expect(throws: HTTPParserError.self) { try refused.receive(Connection.get("/fast")) }
        #expect(refused.responder.asked.value == [])
        let health = try Connection(among: registry)
        try health.receive(Connection.get("/fast/health"))
        #expect(try health.passed() == ["/fast/health", "end"])
        health.answer("well")
        #expect(try health.sent() == ["200 close well"])
        busy.answer("slow")
        #expect(try busy.sent() == ["200 close slow"])

        // Nor is one kept for a next request that has a place by now.
        busy.channel.close(promise: nil)
        let next = try Connection(among: registry)
        try next.receive(Connection.get("/fast"))
        #expect(try next.passed() == ["/fast", "end"])
        next.answer("fast")
        #expect(try next.sent() == ["200 close fast"])
    }

    @Test("A connection is quiet as soon as it is answered, and the one that was answered last is the last to give way")
    func quiet() throws {
        let registry = self.registry(2)
        let (first, second) = (try Connection(among: registry), try Connection(among: registry))
        for connection in [first, second, first] { try connection.receive(Connection.get("/fast")) }
        #expect(try first.requestGuard.place?.isQuiet == true)
        let third = try Connection(among: registry)
        for connection in [first, second, third] { connection.channel.embeddedEventLoop.run() }
        #expect([first, second, third].map(\.isOpen) == [true, false, true])
        // One that does not take its answer is not quiet for a while, as if Hummingbird had given it.
        third.client.takes = false
        try third.receive(Connection.get("/fast"))
        #expect(try third.requestGuard.place?.isQuiet == false)
        #expect(try third.requestGuard.place?.isTaking == true)
        try third.client.take(on: third.channel)
        #expect(try third.requestGuard.place?.isQuiet == true)
        #expect(try third.requestGuard.place?.isTaking == false)
    }
}
