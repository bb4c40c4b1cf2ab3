import ErrorEnvelope
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import TestSupport
import Testing

@testable import ErrorEnvelopeHummingbird

/// What the guard does while a client takes its answer, on a connection whose clock the test turns.
@Suite("The request guard and answers")
struct RequestGuardAnswerTests {
    private static let chunk = ByteBuffer(repeating: 0x78, count: 20_000)

    /// Writes the head of an answer and some of its body, which the client does not take yet.
    private func begin(_ connection: GuardedConnection, chunks: Int = 1) throws {
        try connection.receiveGet()
        connection.taker.takes = false
        connection.channel.pipeline.write(
            HTTPResponsePart.head(HTTPResponse(status: .ok, headerFields: [.xRequestID: "the id"])), promise: nil)
        for _ in 0..<chunks { connection.channel.pipeline.write(HTTPResponsePart.body(Self.chunk), promise: nil) }
        connection.channel.pipeline.flush()
    }

    private func end(_ connection: GuardedConnection) {
        connection.channel.pipeline.writeAndFlush(HTTPResponsePart.end(nil), promise: nil)
    }

    @Test("no close discards an answer that is being taken; the connection closes when it is")
    func heldClose() throws {
        let connection = try GuardedConnection()
        try self.begin(connection)
        self.end(connection)
        let closed = connection.channel.eventLoop.makePromise(of: Void.self)
        connection.channel.pipeline.close(promise: closed)
        connection.advance(20)
        #expect(connection.isOpen)
        // Nothing more is begun meanwhile.
        _ = try connection.passed()
        try connection.receiveGet()
        #expect(try connection.passed() == 0)
        try connection.taker.take(on: connection.channel)
        #expect(!connection.isOpen)
        try closed.futureResult.wait()
        #expect(try connection.sent() == ["200"])
        #expect(connection.recorder.lines.isEmpty)
    }

    @Test("closing the output alone waits as well")
    func heldOutputClose() throws {
        let connection = try GuardedConnection()
        try self.begin(connection)
        self.end(connection)
        connection.channel.pipeline.close(mode: .output, promise: nil)
        #expect(!connection.reads.outputIsClosed)
        try connection.taker.take(on: connection.channel)
        #expect(connection.reads.outputIsClosed)
    }

    @Test("a close in the middle of an answer cuts it, which is logged with its request")
    func cutAnswer() throws {
        let connection = try GuardedConnection()
        try self.begin(connection)
        connection.channel.pipeline.close(promise: nil)
        #expect(!connection.isOpen)
        #expect(connection.recorder.lines.map(\.message) == ["Answer cut off"])
        #expect(connection.recorder.lines.first?.metadata["hb.request.id"] == "the id")
    }

    @Test(
        "a server that stops gives up an answer that its client does not take, once Hummingbird gives up waiting for it",
        arguments: [false, true])
    func givenUp(isWhole: Bool) throws {
        let connection = try GuardedConnection()
        try self.begin(connection)
        if isWhole { self.end(connection) }
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        connection.channel.pipeline.close(mode: .input, promise: nil)
        #expect(!connection.isOpen)
        #expect(connection.recorder.lines.map(\.message) == ["Answer cut off"])
    }

    @Test("an answer that is whole but not taken when the client goes is logged, too")
    func untakenAnswer() throws {
        let connection = try GuardedConnection()
        try self.begin(connection)
        self.end(connection)
        // What the channel does when the client resets the connection.
        let context = try connection.channel.pipeline.syncOperations.context(handler: connection.taker)
        connection.taker.close(context: context, mode: .all, promise: nil)
        #expect(connection.recorder.lines.map(\.message) == ["Answer cut off"])
    }

    @Test("a client that takes nothing is closed after the timeout")
    func stalled() throws {
        let connection = try GuardedConnection()
        try self.begin(connection)
        self.end(connection)
        connection.advance(29)
        #expect(connection.isOpen)
        connection.advance(7)
        #expect(!connection.isOpen)
        #expect(connection.met.all == [.answerTime])
        #expect(connection.recorder.lines.map(\.message) == ["Connection closed", "Answer cut off"])
    }

    @Test("what is left of a request that makes no sense does not cut off its answer")
    func nonsenseBehindAnswer() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "100"])
        connection.answerUntaken()
        connection.channel.pipeline.fireErrorCaught(HTTPParserError.invalidEOFState)
        #expect(connection.isOpen)
        try connection.taker.take(on: connection.channel)
        #expect(try connection.sent() == ["200"])
        #expect(!connection.isOpen)
    }

    @Test("the time that an answer is worked on is not the client's")
    func workedOn() throws {
        let connection = try GuardedConnection()
        try self.begin(connection)
        for _ in 0..<10 {
            connection.advance(5)
            try connection.taker.take(on: connection.channel)
            // The server takes its time, and the client has taken everything.
            connection.advance(300)
            connection.channel.pipeline.writeAndFlush(HTTPResponsePart.body(Self.chunk), promise: nil)
        }
        #expect(connection.isOpen)
        try connection.taker.take(on: connection.channel)
        self.end(connection)
        try connection.taker.take(on: connection.channel)
        #expect(connection.isOpen)
    }

    @Test("a handler that waits for its client goes on when the system has taken what it wrote, and not before")
    func drained() throws {
        let connection = try GuardedConnection()
        try self.begin(connection, chunks: 2)
        let first = connection.channel.eventLoop.makePromise(of: Void.self)
        connection.channel.pipeline.triggerUserOutboundEvent(AnswerFlow.Drain(), promise: first)
        var isDrained = false
        first.futureResult.whenComplete { _ in isDrained = true }
        try connection.taker.take(2, on: connection.channel)
        #expect(!isDrained, "the head and one part of two are taken")
        try connection.taker.take(on: connection.channel)
        #expect(isDrained)
        let nothing = connection.channel.eventLoop.makePromise(of: Void.self)
        connection.channel.pipeline.triggerUserOutboundEvent(AnswerFlow.Drain(), promise: nothing)
        try nothing.futureResult.wait()
    }

    @Test("a handler that waits for a client that is gone is told so")
    func drainedByClose() throws {
        let connection = try GuardedConnection()
        try self.begin(connection)
        let promise = connection.channel.eventLoop.makePromise(of: Void.self)
        connection.channel.pipeline.triggerUserOutboundEvent(AnswerFlow.Drain(), promise: promise)
        connection.channel.pipeline.close(promise: nil)
        #expect(throws: ChannelError.ioOnClosedChannel) { try promise.futureResult.wait() }
    }

    @Test("a connection that says nothing is closed, the first time sooner than between requests")
    func idle() throws {
        let silent = try GuardedConnection()
        silent.advance(99)
        #expect(silent.isOpen)
        silent.advance(1)
        #expect(!silent.isOpen)

        let used = try GuardedConnection()
        try used.receiveGet()
        used.advance(1_000)
        #expect(used.isOpen, "it is the server's turn")
        try used.answer()
        used.advance(199)
        #expect(used.isOpen)
        used.advance(1)
        #expect(!used.isOpen)
    }

    @Test("lets the rest of a body that is too large come once the request has its answer, and gives no other", arguments: [false, true])
    func answeredTooLarge(isAnswered: Bool) throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "100400"])
        try connection.receiveBody(100_000)
        try connection.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .contentTooLarge)))
        if isAnswered { try connection.channel.writeOutbound(HTTPResponsePart.end(nil)) }
        try connection.receiveBody(400)
        try connection.receiveEnd()
        if !isAnswered { try connection.channel.writeOutbound(HTTPResponsePart.end(nil)) }
        #expect(try connection.sent() == ["413"])
        #expect(try connection.passed() == 4)
        // The next request gets its own answer, not what is left of that before.
        try connection.receiveGet()
        try connection.answer()
        #expect(try connection.sent() == ["200"])
        #expect(connection.isOpen)
    }

    @Test(
        "refuses what could be taken for something else",
        arguments: [
            ("/", [.transferEncoding: "gzip, chunked"], RequestRefusal.transferCoding),
            ("/", [.transferEncoding: "identity"], .transferCoding),
            ("/", [.contentLength: "9223372036854775808"], .contentLength),
            ("/", [.connection: "close, \u{301}\u{323}"], .connectionOptions),
            ("/\u{300}", [:], .target), ("/a\u{e9}?q=1", [:], .target),
        ] as [(String, HTTPFields, RequestRefusal)]
    )
    func ambiguous(path: String, fields: HTTPFields, refusal: RequestRefusal) throws {
        let connection = try GuardedConnection()
        let head = HTTPRequest(method: .post, scheme: "http", authority: "a", path: path, headerFields: fields)
        #expect(throws: HTTPParserError.self) { try connection.channel.writeInbound(HTTPRequestPart.head(head)) }
        #expect(try connection.passed() == 0)
        try connection.answer(.badRequest, [.connection: "close", .contentLength: "0"])
        #expect(try connection.sent() == ["400 close"])
        #expect(connection.recorder.lines.map { $0.metadata["reason"] } == [refusal.envelopeError.message])
        #expect(connection.recorder.lines.map { $0.metadata["code"] } == ["VALIDATION_ERROR"])
        #expect(connection.recorder.lines.map { $0.metadata["status"] } == ["400"])
    }

    @Test("takes chunks in any case, and other bytes in a query", arguments: ["chunked", "Chunked", "CHUNKED"])
    func unambiguous(coding: String) throws {
        let connection = try GuardedConnection()
        let head = HTTPRequest(
            method: .post, scheme: "http", authority: "a", path: "/a?q=\u{e9}", headerFields: [.transferEncoding: coding])
        try connection.channel.writeInbound(HTTPRequestPart.head(head))
        #expect(try connection.passed() == 1)
    }
}
