import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import TestSupport
import Testing

@testable import ErrorEnvelopeHummingbird

/// Connections of a server that is about to stop, and what is cut off when it does.
@Suite("Draining")
struct DrainingTests {
    @Test("Every answer says that it is the last of its connection, on old connections and on new ones")
    func closes() throws {
        let registry = ConnectionRegistry()
        let old = try GuardedConnection(among: registry)
        try old.receiveGet()
        try old.answer()
        #expect(try old.sent() == ["200"])
        registry.drain()
        let new = try GuardedConnection(among: registry)
        for connection in [old, new] {
            #expect(connection.isOpen, "until its client has asked for something")
            try connection.receiveGet()
            try connection.answer(.notFound)
            #expect(try connection.sent() == ["404 close"])
            #expect(connection.reads.outputIsClosed)
            connection.advance(1)
            #expect(!connection.isOpen)
        }
    }

    @Test("Requests that were sent in a row are all answered, and the last answer ends the connection")
    func pipelined() throws {
        let registry = ConnectionRegistry()
        let connection = try GuardedConnection(among: registry)
        for _ in 0..<3 { try connection.receiveGet() }
        try connection.answer()
        registry.drain()
        try connection.answer()
        try connection.answer()
        #expect(try connection.sent() == ["200", "200", "200 close"])
    }

    @Test("An answer that comes before the end of its request ends the connection, however little is left of that")
    func early() throws {
        let registry = ConnectionRegistry()
        for (isDraining, expected) in [(false, ["400"]), (true, ["400 close"])] {
            if isDraining { registry.drain() }
            let connection = try GuardedConnection(among: registry)
            try connection.receivePostHead([.contentLength: "10"])
            try connection.answer(.badRequest)
            #expect(try connection.sent() == expected)
        }
    }

    @Test("What is answered at once at other times says so as well, and so does what has waited")
    func immediate() throws {
        let registry = ConnectionRegistry()
        let connection = try ImmediateConnection(among: registry)
        let waiting = try ImmediateConnection(among: registry)
        try connection.receive(ImmediateConnection.get("/fast"))
        try waiting.receive(ImmediateConnection.get("/wait"))
        #expect(try connection.sent() == ["200 /fast"])
        registry.drain()
        try connection.receive(ImmediateConnection.get("/fast"))
        #expect(try connection.passed() == ["/fast", "end"])
        connection.answer("slow")
        #expect(try connection.sent() == ["200 close slow"])
        #expect(try waiting.sent() == [], "whoever were answered now would come back here at once")
        let wait = try #require(waiting.responder.pending.value.first)
        wait.outcome.withLock { $0 = .answer }
        let wake = try #require(wait.wake.value)
        wake(.zero)
        waiting.channel.embeddedEventLoop.run()
        #expect(try waiting.sent() == ["200 close /wait"])
        #expect(!waiting.isOpen)
    }

    @Test("Requests count as cut off from the moment on at which nobody waits for them, one each, and those that were answered never")
    func cutOff() throws {
        let registry = ConnectionRegistry()
        let gone = try GuardedConnection(among: registry)
        try gone.receiveGet()
        gone.channel.pipeline.close(promise: nil)
        registry.countCutOffRequests()
        #expect(registry.cutOffRequestCount == 0)
        let connections = try (0..<5).map { _ in try GuardedConnection(among: registry) }
        try connections[0].receiveGet()
        for _ in 0..<2 { try connections[1].receiveGet() }
        try connections[1].answer()
        try connections[2].receiveGet()
        try connections[2].answer()
        try connections[3].receiveGet()
        connections[3].answerUntaken()
        for (index, connection) in connections.enumerated() {
            // As Hummingbird does when it is broken off while it stops.
            connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            connection.channel.pipeline.close(mode: .input, promise: nil)
            connection.channel.embeddedEventLoop.run()
            // Said twice, it does not begin anew.
            if index == 0 { registry.countCutOffRequests() }
        }
        #expect(registry.cutOffRequestCount == 3, "one without an answer, the second of two, and one whose answer was not taken")
    }
}
