import ErrorEnvelope
import Foundation
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import Synchronization
import Testing

@testable import ErrorEnvelopeHummingbird

/// Who gets a place among the connections, and whose is given to another.
@Suite("The registry of connections")
struct ConnectionRegistryTests {
    private func registry(
        _ connectionsMax: Int, perAddress: Int = 0, shared: String? = nil, refusedMax: Int = 2
    ) -> ConnectionRegistry {
        var limits = ConnectionRegistry.Limits()
        limits.connectionsMax = connectionsMax
        limits.refusedMax = refusedMax
        limits.connectionsPerAddressMax = perAddress
        limits.servedPaths = ["/healthz"]
        limits.isShared = { $0.ipAddress == shared }
        return ConnectionRegistry(limits: limits)
    }

    private func refusal(of connection: GuardedConnection, path: String = "/v2/personas") throws -> [String] {
        let head = HTTPRequest(method: .get, scheme: "http", authority: "a", path: path, headerFields: [:])
        #expect(throws: HTTPParserError.self) { try connection.channel.writeInbound(HTTPRequestPart.head(head)) }
        try connection.answer(.badRequest, [.connection: "close", .contentLength: "0"])
        return try connection.sent()
    }

    /// Has spared connections closed, which their own event loops do.
    private func settle(_ connections: [GuardedConnection]) {
        for connection in connections { connection.channel.embeddedEventLoop.run() }
    }

    @Test("closes the connection that was quiet longest for a new one, whether it ever said something or not")
    func longestQuiet() throws {
        let registry = self.registry(3)
        let (first, second, third) = (
            try GuardedConnection(among: registry), try GuardedConnection(among: registry), try GuardedConnection(among: registry)
        )
        // The first has just been answered, so that the second was quiet longest.
        try first.receiveGet()
        try first.answer()
        let fourth = try GuardedConnection(among: registry)
        self.settle([first, second, third, fourth])
        #expect([first, second, third, fourth].map(\.isOpen) == [true, false, true, true])
        #expect(second.met.all == [.connections])
        let fifth = try GuardedConnection(among: registry)
        self.settle([first, third, fourth, fifth])
        #expect([first, third, fourth, fifth].map(\.isOpen) == [true, false, true, true])
        #expect(registry.servedCount == 3)
        try fifth.receiveGet()
        #expect(try fifth.passed() == 2)
    }

    @Test("closes none that is worked for; the new one is told so, but gets to see health")
    func allBusy() throws {
        let registry = self.registry(2)
        let busy = [try GuardedConnection(among: registry), try GuardedConnection(among: registry)]
        for connection in busy { try connection.receiveGet() }
        let refused = try GuardedConnection(among: registry)
        #expect(try self.refusal(of: refused) == ["503 close"])
        #expect(refused.met.all == [.connections])
        let health = try GuardedConnection(among: registry)
        let head = HTTPRequest(method: .get, scheme: "http", authority: "a", path: "/healthz?now", headerFields: [:])
        try health.channel.writeInbound(HTTPRequestPart.head(head))
        try health.receiveEnd()
        #expect(try health.passed() == 2)
        try health.answer()
        #expect(try health.sent() == ["200 close"])
        self.settle(busy)
        #expect(busy.map(\.isOpen) == [true, true])
        // As soon as one is answered its place can go.
        try busy[1].answer()
        let served = try GuardedConnection(among: registry)
        self.settle(busy)
        #expect(busy.map(\.isOpen) == [true, false])
        try served.receiveGet()
        #expect(try served.passed() == 2)
    }

    @Test("keeps no connection for a next request while newcomers find no place, so that all have their turn")
    func turns() throws {
        let registry = self.registry(1)
        let greedy = try GuardedConnection(among: registry)
        // There is always a further request behind the one that is answered.
        for _ in 0..<3 { try greedy.receiveGet() }
        try greedy.answer()
        #expect(try greedy.sent() == ["200"])
        let refused = try GuardedConnection(among: registry)
        #expect(try self.refusal(of: refused) == ["503 close"])
        try greedy.answer()
        #expect(try greedy.sent() == ["200 close"])
        greedy.advance(1)
        #expect(!greedy.isOpen)
        let next = try GuardedConnection(among: registry)
        try next.receiveGet()
        #expect(try next.passed() == 2)
    }

    @Test("a request that is half there behind one that is worked for does not make the connection one that can be spared")
    func pipelinedBody() throws {
        let registry = self.registry(1)
        let connection = try GuardedConnection(among: registry)
        try connection.receiveGet()
        try connection.receivePostHead([.contentLength: "100"])
        try connection.receiveBody(10)
        connection.channel.pipeline.fireChannelReadComplete()
        #expect(connection.isQuiet == false)
        try connection.answer()
        #expect(connection.isQuiet == false, "it has some seconds for the rest")
    }

    @Test("spares the reader that takes nothing of its answer, and none that does")
    func stalledReaders() throws {
        let registry = self.registry(9)
        let idle = try GuardedConnection(among: registry)
        let reader = try GuardedConnection(among: registry)
        try reader.receiveGet()
        reader.answerUntaken()
        registry.spareStalledReader()
        self.settle([idle, reader])
        #expect([idle, reader].map(\.isOpen) == [true, true], "it has only just begun to take nothing")
        try reader.makeQuiet()
        registry.spareStalledReader()
        self.settle([idle, reader])
        #expect([idle, reader].map(\.isOpen) == [true, false])
    }

    @Test("says with the refusal what it was, and when to come back")
    func refusalEnvelope() throws {
        for (refusal, status, code) in [
            (RequestRefusal.connections, 503, ErrorCode.serviceUnavailable), (.addressConnections, 429, .tooManyRequests),
        ] {
            let (head, body) = refusal.envelopeError.answer(requestID: "id")
            #expect(head.status.code == status)
            #expect(head.headerFields[.retryAfter] == "1")
            #expect(try ErrorEnvelope(decoding: [UInt8](buffer: body)).error.code == code)
        }
    }

    @Test("does not keep a connection that waits to be told that there is no place")
    func refusedTimeout() throws {
        let registry = self.registry(1)
        let busy = try GuardedConnection(among: registry)
        try busy.receiveGet()
        let refused = try GuardedConnection(among: registry)
        refused.advance(2)
        #expect(!refused.isOpen)
        #expect(busy.isOpen)
    }

    @Test("gives back the place of every connection that ends, once")
    func places() throws {
        let registry = self.registry(2)
        for _ in 0..<50 {
            let connections = try (0..<4).map { _ in try GuardedConnection(among: registry) }
            self.settle(connections)
            #expect(connections.filter(\.isOpen).count == 2)
            #expect(registry.servedCount == 2)
            for connection in connections { connection.channel.pipeline.close(promise: nil) }
            #expect(registry.servedCount == 0)
        }
    }

    @Test("keeps a connection that has begun a request before it could be closed, and counts it again")
    func tooLateToSpare() throws {
        let registry = self.registry(1)
        let first = try GuardedConnection(among: registry)
        let second = try GuardedConnection(among: registry)
        try first.receiveGet()
        self.settle([first, second])
        #expect(first.isOpen && second.isOpen)
        #expect(registry.servedCount == 2)
        try first.answer()
        first.channel.pipeline.close(promise: nil)
        #expect(registry.servedCount == 1)
    }

    @Test("holds an address to its share, closing the longest quiet one of its own; proxies have none")
    func addresses() throws {
        let registry = self.registry(100, perAddress: 2, shared: "10.0.0.9")
        let own = try (0..<2).map { _ in try GuardedConnection(among: registry, from: "10.0.0.1") }
        let other = try GuardedConnection(among: registry, from: "10.0.0.2")
        let third = try GuardedConnection(among: registry, from: "10.0.0.1")
        self.settle(own + [other, third])
        #expect((own + [other, third]).map(\.isOpen) == [false, true, true, true])
        try own[1].receiveGet()
        try third.receiveGet()
        let refused = try GuardedConnection(among: registry, from: "10.0.0.1")
        #expect(try self.refusal(of: refused) == ["429 close"])
        #expect(refused.met.all == [.addressConnections])
        let proxied = try (0..<5).map { _ in try GuardedConnection(among: registry, from: "10.0.0.9") }
        self.settle(proxied)
        #expect(proxied.filter(\.isOpen).count == 5)
    }

    @Test("takes a network of IPv6 for one client, and an IPv4 client for itself on a socket of both families")
    func shares() throws {
        func share(_ address: String) throws -> AddressShare? { AddressShare(try SocketAddress(ipAddress: address, port: 9)) }
        #expect(try share("2001:db8::1") == share("2001:db8::ffff:2"))
        #expect(try share("2001:db8::1") != share("2001:db8:0:1::1"))
        #expect(try share("::ffff:10.0.0.1") == share("10.0.0.1"))
        #expect(try share("::ffff:10.0.0.1") != share("::ffff:10.0.0.2"))
        #expect(try AddressShare(SocketAddress(unixDomainSocketPath: "/tmp/a")) == nil)
    }

    @Test("takes connections up to its places and those for refusals, then makes room for more")
    func accepting() throws {
        let registry = self.registry(1, refusedMax: 1)
        var accepting = BoundedConnections(registry: registry)
        let busy = try GuardedConnection(among: registry)
        try busy.receiveGet()
        accepting.connectionOpened()
        #expect(accepting.isAcceptingNewConnections())
        let refused = try GuardedConnection(among: registry)
        accepting.connectionOpened()
        #expect(!accepting.isAcceptingNewConnections())
        self.settle([busy, refused])
        #expect([busy, refused].map(\.isOpen) == [true, false])
        accepting.connectionClosed()
        #expect(accepting.isAcceptingNewConnections())
    }

    @Test("a pause in taking connections follows every shortage, and ends")
    func acceptPause() throws {
        let channel = EmbeddedChannel()
        let errors = Mutex<[CInt]>([])
        try channel.pipeline.syncOperations.addHandler(AcceptPause { error in errors.withLock { $0.append(error.errnoCode) } })
        func autoReads() -> [Bool] {
            channel.options.compactMap { $0.option is ChannelOptions.Types.AutoReadOption ? $0.value as? Bool : nil }
        }
        channel.pipeline.fireErrorCaught(IOError(errnoCode: EMFILE, reason: "accept"))
        #expect(autoReads() == [false])
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(99))
        #expect(autoReads() == [false])
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(autoReads() == [true])
        #expect(errors.withLock { $0 } == [EMFILE])
        channel.pipeline.fireErrorCaught(IOError(errnoCode: ECONNABORTED, reason: "accept"))
        #expect(autoReads() == [true])
        try channel.throwIfErrorCaught()
        channel.pipeline.fireErrorCaught(IOError(errnoCode: EBADF, reason: "accept"))
        #expect(throws: IOError.self) { try channel.throwIfErrorCaught() }
    }
}
