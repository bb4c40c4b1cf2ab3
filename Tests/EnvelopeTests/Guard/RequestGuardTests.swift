import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import TestSupport
import Testing

/// The guard alone, on a connection whose clock the test turns.
@Suite("The request guard")
struct RequestGuardTests {
    @Test("leaves requests that arrive whole and their answers alone")
    func ordinaryRequests() throws {
        let connection = try GuardedConnection()
        for _ in 0..<3 {
            try connection.receivePostHead([.contentLength: "3"])
            try connection.receiveBody(3)
            try connection.receiveEnd()
            #expect(try connection.passed() == 3)
            try connection.answer()
            #expect(try connection.sent() == ["200"])
            connection.advance(60)
        }
        #expect(connection.isOpen)
    }

    @Test("closes the connection when a request does not arrive in time, however it drips")
    func readDeadline() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "1000"])
        for second in 1...9 {
            connection.advance(1)
            try connection.receiveBody(1)
            #expect(connection.isOpen, "after \(second) s")
        }
        connection.advance(2)
        #expect(!connection.isOpen)
    }

    @Test("tells of every limit that a client meets, once for a request")
    func limitsMet() throws {
        let late = try GuardedConnection()
        try late.receivePostHead([.contentLength: "1000"])
        late.channel.pipeline.fireChannelReadComplete()
        #expect(late.met.all == [])
        late.advance(20)
        #expect(late.met.all == [.requestTime])

        let announced = try GuardedConnection()
        try announced.receivePostHead([.contentLength: "100001"])
        #expect(announced.met.all == [.bodySize])
        #expect(throws: HTTPParserError.self) { try announced.receiveBody(100_001) }
        #expect(announced.met.all == [.bodySize])

        let chunked = try GuardedConnection()
        try chunked.receivePostHead([.transferEncoding: "chunked"])
        try chunked.receiveBody(100_000)
        #expect(chunked.met.all == [])
        #expect(throws: HTTPParserError.self) { try chunked.receiveBody(1) }
        #expect(chunked.met.all == [.bodySize])

        for (error, limits) in [(HTTPParserError.headerOverflow, [.headerSize]), (.invalidMethod, [])]
            as [(HTTPParserError, [RequestGuard.Limit])]
        {
            let malformed = try GuardedConnection()
            malformed.channel.pipeline.fireErrorCaught(error)
            #expect(malformed.met.all == limits)
        }
    }

    @Test("counts the time of the header, too")
    func headerDeadline() throws {
        let connection = try GuardedConnection()
        // Bytes arrive which complete no header.
        for _ in 0..<9 {
            connection.channel.pipeline.fireChannelReadComplete()
            connection.advance(1)
        }
        try connection.receivePostHead([.contentLength: "1000"])
        #expect(connection.isOpen)
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test("closes the connection when a header does not arrive in time, but not during the answer to an earlier request")
    func headerDeadlineBehindAnswer() throws {
        let connection = try GuardedConnection()
        try connection.receiveGet()
        connection.channel.pipeline.fireChannelReadComplete()
        connection.advance(25)
        #expect(connection.isOpen)
        try connection.answer()
        connection.advance(10)
        #expect(!connection.isOpen)
    }

    @Test("starts the time anew with each request")
    func readDeadlinePerRequest() throws {
        let connection = try GuardedConnection()
        for _ in 0..<3 {
            try connection.receivePostHead([.contentLength: "2"])
            connection.advance(9)
            try connection.receiveBody(2)
            try connection.receiveEnd()
            try connection.answer()
        }
        connection.advance(60)
        #expect(connection.isOpen)
    }

    @Test("gives a large body the time that the slowest accepted upload takes")
    func minimumRate() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "90000"])
        for _ in 0..<80 {
            try connection.receiveBody(1_100)
            connection.advance(1)
        }
        #expect(connection.isOpen)
        // 88,000 bytes buy 88 s on top of the 10 s, of which 80 s are gone.
        connection.advance(17)
        #expect(connection.isOpen)
        connection.advance(2)
        #expect(!connection.isOpen)
    }

    @Test("lingers after an answer that came before the end of its request, then closes")
    func earlyAnswer() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "50000"])
        #expect(try connection.passed() == 1)
        try connection.answer(.contentTooLarge)
        #expect(try connection.sent() == ["413 close"])
        #expect(connection.reads.outputIsClosed)
        #expect(connection.isOpen)
        try connection.receiveBody(1_000)
        #expect(try connection.passed() == 0)
        // Nothing more is sent, whatever Hummingbird tries.
        #expect(throws: ChannelError.outputClosed) { try connection.answer(.badRequest) }
        // Hummingbird closing in its turn does not cut the answer off.
        connection.channel.pipeline.close(promise: nil)
        #expect(connection.isOpen)
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test("stops taking an upload that no handler wants")
    func lingerBytes() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.transferEncoding: "chunked"])
        try connection.answer(.unauthorized)
        let before = connection.reads.count
        try connection.receiveBody(1_000)
        #expect(connection.reads.count > before)
        try connection.receiveBody(1_001)
        let enough = connection.reads.count
        try connection.receiveBody(1_000)
        connection.channel.pipeline.read()
        #expect(connection.reads.count == enough)
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test("keeps the connection when the body is small, read or not", arguments: [0, 400, 500])
    func smallBody(arrived: Int) throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "500"])
        try connection.receiveBody(arrived)
        if arrived == 500 { try connection.receiveEnd() }
        try connection.answer(.unauthorized)
        #expect(try connection.sent() == ["401"])
        if arrived < 500 {
            try connection.receiveBody(500 - arrived)
            try connection.receiveEnd()
        }
        connection.advance(60)
        #expect(connection.isOpen)
        try connection.receiveGet()
        try connection.answer()
        #expect(try connection.sent() == ["200"])
    }

    @Test("keeps the connection when only the end of a large body is missing")
    func almostRead() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "50000"])
        try connection.receiveBody(49_500)
        try connection.answer()
        #expect(try connection.sent() == ["200"])
        connection.advance(60)
        #expect(!connection.isOpen, "the rest has its deadline, too")
    }

    @Test("asks for the body of a client that waits for that, in the order of the requests")
    func expectContinue() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "5", .expect: "100-Continue"])
        #expect(try connection.sent() == [], "the key has not been looked at yet")
        connection.wantBody()
        connection.wantBody()
        #expect(try connection.sent() == ["100"], "once, however often it is asked for")
        try connection.receiveBody(5)
        try connection.receiveEnd()
        try connection.answer(.created)
        #expect(try connection.sent() == ["201"])
        try connection.receivePostHead([.contentLength: "5", .expect: "100-continue"])
        connection.wantBody()
        #expect(try connection.sent() == ["100"])
    }

    @Test("closes after an answer to a client that was not told to send its body, because it may come or not")
    func expectationNotMet() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "5", .expect: "100-continue"])
        try connection.answer(.unauthorized)
        #expect(try connection.sent() == ["401 close"])
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test("does not ask for a body that is too large or is coming already")
    func expectContinueNot() throws {
        let tooLarge = try GuardedConnection()
        try tooLarge.receivePostHead([.contentLength: "100001", .expect: "100-continue"])
        tooLarge.wantBody()
        #expect(try tooLarge.sent() == [])
        let empty = try GuardedConnection()
        try empty.receivePostHead([.contentLength: "0", .expect: "100-continue"])
        empty.wantBody()
        #expect(try empty.sent() == [])
        let coming = try GuardedConnection()
        try coming.receiveGet()
        try coming.receivePostHead([.contentLength: "5", .expect: "100-continue"])
        try coming.receiveBody(2)
        coming.wantBody()
        try coming.answer()
        #expect(try coming.sent() == ["200"])
    }

    @Test("ends a body over the limit of the service with a 413")
    func bodyTooLarge() throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.transferEncoding: "chunked"])
        try connection.receiveBody(100_000)
        #expect(try connection.passed() == 2)
        #expect(throws: HTTPParserError.self) { try connection.receiveBody(1) }
        #expect(try connection.passed() == 0)
        // What Hummingbird writes after a parser error.
        try connection.answer(.badRequest, [.connection: "close", .contentLength: "0"])
        #expect(try connection.sent() == ["413 close"])
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test(
        "refuses a request without exactly one well-formed host",
        arguments: [(nil, []), ("a", ["b"]), ("a b", []), ("a/b", []), ("a,b", []), ("é", []), ("u@a", [])] as [(String?, [String])]
    )
    func host(first: String?, more: [String]) throws {
        let connection = try GuardedConnection()
        var fields = HTTPFields()
        if let name = HTTPField.Name("host") { for value in more { fields.append(HTTPField(name: name, value: value)) } }
        #expect(throws: HTTPParserError.self) { try connection.receiveGet(host: first, fields) }
        #expect(try connection.passed() == 0)
        try connection.answer(.badRequest, [.connection: "close", .contentLength: "0"])
        let head = try #require(try connection.channel.readOutbound(as: HTTPResponsePart.self))
        guard case .head(let response) = head else { return #expect(Bool(false), "\(head)") }
        #expect(response.status == .badRequest)
        let body = try #require(try connection.channel.readOutbound(as: HTTPResponsePart.self))
        guard case .body(let buffer) = body else { return #expect(Bool(false), "\(body)") }
        let envelope = try ErrorEnvelope(decoding: [UInt8](buffer: buffer))
        #expect(envelope.error.details.map(\.field) == ["request"])
        #expect(envelope.requestID == response.headerFields[.xRequestID])
    }

    @Test("takes every host there is", arguments: ["localhost", "a.example:8080", "[::1]:80", "127.0.0.1", "xn--bcher-kva.example", ""])
    func goodHost(host: String) throws {
        let connection = try GuardedConnection()
        try connection.receiveGet(host: host)
        #expect(try connection.passed() == 2)
    }

    @Test("answers earlier requests before it refuses a malformed one")
    func malformedBehindOthers() throws {
        let connection = try GuardedConnection()
        try connection.receiveGet()
        connection.channel.pipeline.fireErrorCaught(HTTPParserError.invalidMethod)
        let reads = connection.reads.count
        connection.channel.pipeline.read()
        #expect(connection.reads.count == reads, "nothing more is read until the refusal is out")
        try connection.answer()
        try connection.answer(.badRequest, [.connection: "close", .contentLength: "0"])
        #expect(try connection.sent() == ["200", "400 close"])
    }

    @Test("says in a refusal what the service says to everyone, which knows the header as far as there is one")
    func refusalFields() throws {
        let origin: HTTPFields = [.origin: "https://a"]
        let scenes: [(sends: (GuardedConnection) throws -> Void, known: String)] = [
            ({ try $0.receiveGet(host: "a b", origin) }, "https://a"),
            ({ try $0.receiveGet(host: "a b") }, "none"),
            (
                {
                    try $0.receivePostHead(origin)
                    try $0.receiveBody(100_001)
                }, "https://a"
            ),
            (
                {
                    try $0.receivePostHead(origin)
                    $0.channel.pipeline.fireErrorCaught(HTTPParserError.invalidChunkSize)
                }, "https://a"
            ),
            ({ $0.channel.pipeline.fireErrorCaught(HTTPParserError.invalidMethod) }, "unknown"),
            (
                {
                    // What comes behind a request need not be of the same page.
                    try $0.receiveGet(origin)
                    try $0.answer()
                    $0.channel.pipeline.fireErrorCaught(HTTPParserError.invalidMethod)
                }, "unknown"
            ),
        ]
        for scene in scenes {
            let connection = try GuardedConnection()
            try? scene.sends(connection)
            _ = try connection.sent()
            try connection.answer(.badRequest, [.connection: "close", .contentLength: "0"])
            let head = try #require(try connection.channel.readOutbound(as: HTTPResponsePart.self))
            guard case .head(let response) = head else { return #expect(Bool(false), "\(head)") }
            #expect(response.headerFields[.vary] == "Origin")
            #expect(connection.refused.value == [scene.known])
        }
    }

    @Test("does not touch a 400 that a handler wrote")
    func ordinaryBadRequest() throws {
        let connection = try GuardedConnection()
        try connection.receiveGet()
        try connection.answer(.badRequest, [.contentLength: "0", .connection: "close"])
        #expect(try connection.sent() == ["400 close"])
        #expect(connection.isOpen)
    }

    @Test(
        "closes after the answer when nothing can follow the request",
        arguments: [[.connection: "Close"], [.connection: "TE, close"], [.upgrade: "h2c", .connection: "Upgrade"]] as [HTTPFields]
    )
    func lastRequest(fields: HTTPFields) throws {
        let connection = try GuardedConnection()
        try connection.receiveGet()
        try connection.receiveGet(fields)
        #expect(try connection.passed() == 4)
        let reads = connection.reads.count
        connection.channel.pipeline.read()
        #expect(connection.reads.count == reads)
        try connection.receiveGet()
        #expect(try connection.passed() == 0)
        try connection.answer()
        try connection.answer()
        #expect(try connection.sent() == ["200", "200 close"])
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test("says on the last answer that the server stops")
    func quiescing() throws {
        let connection = try GuardedConnection()
        for _ in 0..<2 {
            try connection.receiveGet()
        }
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        try connection.answer()
        try connection.answer()
        #expect(try connection.sent() == ["200", "200 close"])
        connection.channel.pipeline.close(promise: nil)
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test("closes after an answer that was under way when the server began to stop")
    func quiescingDuringAnswer() throws {
        let connection = try GuardedConnection()
        try connection.receiveGet()
        try connection.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        try connection.channel.writeOutbound(HTTPResponsePart.end(nil))
        #expect(connection.reads.outputIsClosed)
        connection.channel.pipeline.close(promise: nil)
        #expect(connection.isOpen)
        connection.advance(1)
        #expect(!connection.isOpen)
    }

    @Test("gives a request one answer only, even if the rest of it turns out to be malformed", arguments: [false, true])
    func malformedDuringAnswer(isAnswered: Bool) throws {
        let connection = try GuardedConnection()
        try connection.receivePostHead([.contentLength: "400"])
        try connection.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
        if isAnswered { try connection.channel.writeOutbound(HTTPResponsePart.end(nil)) }
        connection.channel.pipeline.fireErrorCaught(HTTPParserError.invalidChunkSize)
        if isAnswered {
            #expect(!connection.isOpen)
        } else {
            try connection.channel.writeOutbound(HTTPResponsePart.end(nil))
            #expect(throws: ChannelError.outputClosed) { try connection.answer(.badRequest, [.connection: "close", .contentLength: "0"]) }
            connection.advance(1)
            #expect(!connection.isOpen)
        }
        #expect(try connection.sent() == ["200"])
    }
}
