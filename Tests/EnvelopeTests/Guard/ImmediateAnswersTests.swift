import ErrorEnvelope
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import TestSupport
import Testing

@testable import ErrorEnvelopeHummingbird

/// Requests that are answered on the event loop, beside those that go to Hummingbird, on a connection whose clock the test turns.
@Suite("Immediate answers")
struct ImmediateAnswersTests {
    private typealias Connection = ImmediateConnection

    @Test("come at once and whole, and Hummingbird sees nothing of them")
    func ordinary() throws {
        let connection = try Connection()
        try connection.receive(Connection.get("/fast"))
        #expect(try connection.sentText() == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Request-Id: id of /fast\r\n\r\n/fast")
        try connection.receive(Connection.get("/fast/1", method: "HEAD"))
        #expect(try connection.sentText() == "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Request-Id: id of /fast/1\r\n\r\n")
        #expect(try connection.passed() == [])
        #expect(connection.recorder.lines.isEmpty && connection.isOpen)
        #expect(connection.responder.addresses.value == [try SocketAddress(ipAddress: "127.0.0.1", port: 1)], "once for both")
    }

    @Test("leave a request that has to wait to Hummingbird, as it came")
    func waits() throws {
        let connection = try Connection()
        try connection.receive(Connection.get("/slow"))
        #expect(try connection.passed() == ["/slow", "end"])
        #expect(connection.responder.asked.value == ["/slow"])
        connection.answer("slow")
        #expect(try connection.sent() == ["200 slow"])
    }

    @Test("do not overtake an earlier request, and go before a later one")
    func order() throws {
        let connection = try Connection()
        try connection.receive(Connection.get("/slow") + Connection.get("/fast/1") + Connection.get("/fast/2"))
        #expect(try connection.passed() == ["/slow", "end", "/fast/1", "end", "/fast/2", "end"])
        #expect(try connection.sent() == [])
        // Another one while the first is still worked on.
        try connection.receive(Connection.get("/fast/3"))
        #expect(try connection.passed() == ["/fast/3", "end"])
        for body in ["slow", "1", "2", "3"] { connection.answer(body) }
        #expect(try connection.sent() == ["200 slow", "200 1", "200 2", "200 3"])
        try connection.receive(Connection.get("/fast/4") + Connection.get("/slow") + Connection.get("/fast/5"))
        #expect(try connection.sent() == ["200 /fast/4"])
        #expect(try connection.passed() == ["/slow", "end", "/fast/5", "end"])
        for body in ["slow", "5"] { connection.answer(body) }
        #expect(try connection.sent() == ["200 slow", "200 5"])
        try connection.receive(Connection.get("/fast/6"))
        #expect(try connection.sent() == ["200 /fast/6"])
    }

    @Test("are none while an earlier answer is being taken, whoever gave it", arguments: ["/slow", "/fast"])
    func untaken(first: String) throws {
        let connection = try Connection()
        connection.client.takes = false
        try connection.receive(Connection.get(first))
        if first == "/slow" { connection.answer("slow") }
        _ = try connection.passed()
        try connection.receive(Connection.get("/fast/1"))
        #expect(try connection.passed() == ["/fast/1", "end"])
        connection.answer("1")
        try connection.client.take(on: connection.channel)
        #expect(try connection.sent() == ["200 \(first == "/slow" ? "slow" : first)", "200 1"])
        try connection.receive(Connection.get("/fast/2"))
        #expect(try connection.sent() == ["200 /fast/2"])
    }

    @Test("are none where more is buffered than should be")
    func unwritable() throws {
        let connection = try Connection()
        connection.channel.isWritable = false
        try connection.receive(Connection.get("/fast"))
        #expect(try connection.passed() == ["/fast", "end"])
    }

    @Test("are no more in a row than the others of the loop can wait for; a thousand requests sent at once are answered in their order")
    func thousand() throws {
        let connection = try Connection()
        let targets = (0..<1_000).map { "/fast/\($0)" }
        try connection.receive(targets.map { Connection.get($0) }.joined())
        let atOnce = try connection.sent()
        #expect(atOnce == targets.prefix(16).map { "200 \($0)" })
        #expect(connection.responder.asked.value.count == 16, "the others are not even looked at")
        let passed = try connection.passed()
        #expect(passed == targets.dropFirst(16).flatMap { [$0, "end"] })
        for target in targets.dropFirst(16) { connection.answer(target) }
        #expect(try connection.sent() == targets.dropFirst(16).map { "200 \($0)" })
        // With what comes next it begins anew.
        try connection.receive(targets.prefix(20).map { Connection.get($0) }.joined())
        #expect(try connection.sent().count == 16)
        #expect(try connection.passed().count == 8)
    }

    @Test("wait for the whole header, however it is cut")
    func pieces() throws {
        let connection = try Connection()
        let request = Connection.get("/fast")
        for byte in request.dropLast() { try connection.receive(String(byte)) }
        // The last line break is one character of Swift, and two bytes.
        #expect(connection.responder.asked.value == [])
        try connection.receive("\r\n")
        #expect(try connection.sent() == ["200 /fast"])
        for cut in 1..<request.utf8.count {
            let bytes = Array(request.utf8)
            try connection.receive(Connection.get("/fast/1") + String(decoding: bytes[..<cut], as: UTF8.self))
            #expect(try connection.sent() == ["200 /fast/1"], "cut at \(cut)")
            try connection.receive(String(decoding: bytes[cut...], as: UTF8.self))
            #expect(try connection.sent() == ["200 /fast"], "cut at \(cut)")
        }
        #expect(try connection.passed() == [])
    }

    @Test("are none where the end of a request comes later than its head")
    func lateEnd() throws {
        let requestGuard = RequestGuard(logger: LogRecorder().logger)
        let responder = ImmediateConnection.FastResponder()
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([
            HTTPResponseEncoder(), ImmediateAnswers(requestGuard: requestGuard, responder: responder),
        ])
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/fast", headers: ["Host": "a"])
        try channel.writeInbound(HTTPServerRequestPart.head(head))
        #expect(try channel.readInbound(as: HTTPServerRequestPart.self) == .head(head), "whoever comes later has its clock")
        try channel.writeInbound(HTTPServerRequestPart.end(nil))
        #expect(try channel.readInbound(as: HTTPServerRequestPart.self) == .end(nil))
        #expect(responder.asked.value == [])
    }

    @Test(
        "are none where the header says anything that concerns the connection or a body",
        arguments: [
            "Content-Length: 0\r\n\r\n", "content-length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Connection: close\r\n\r\n", "connection: keep-alive, close\r\n\r\n", "Connection: x\r\n\r\n", "Connection:\r\n\r\n",
            "Connection: keep-alive\r\nConnection: close\r\n\r\n", "Expect: 100-continue\r\n\r\n", "expect: x\r\n\r\n",
            "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "UPGRADE: x\r\n\r\n",
        ])
    func decided(rest: String) throws {
        let connection = try Connection()
        try connection.receive("GET /fast HTTP/1.1\r\nHost: a\r\n\(rest)")
        #expect(connection.responder.asked.value == [])
        #expect(try connection.passed().first == "/fast")
    }

    @Test("are none to another version, another method, or without exactly one good host")
    func refused() throws {
        for request in [
            "GET /fast HTTP/1.0\r\nHost: a\r\n\r\n", "POST /fast HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS /fast HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /fast HTTP/1.1\r\n\r\n", "GET /fast HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "GET /fast HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET /fast HTTP/1.1\nHost: a b\n\n",
        ] {
            let connection = try Connection()
            try? connection.receive(request)
            #expect(connection.responder.asked.value == [], "\(request)")
        }
        for fields in ["Connection: keep-alive\r\n", "CONNECTION: Keep-Alive\r\n", "Connections: close\r\n"] {
            let connection = try Connection()
            try connection.receive(Connection.get("/fast", fields))
            #expect(try connection.sent() == ["200 /fast"])
        }
    }

    @Test("to what came before garbage are given before it is refused")
    func garbage() throws {
        let connection = try Connection()
        #expect(throws: (any Error).self) { try connection.receive(Connection.get("/fast") + "nonsense\r\n\r\n") }
        connection.channel.pipeline.writeAndFlush(
            HTTPResponsePart.head(
                HTTPResponse(status: .badRequest, headerFields: [.connection: "close", .contentLength: "0"])), promise: nil)
        connection.channel.pipeline.writeAndFlush(HTTPResponsePart.end(nil), promise: nil)
        let sent = try connection.sent()
        #expect(sent.count == 2 && sent.first == "200 /fast" && sent.last?.hasPrefix("400 close {") == true, "\(sent)")
    }

    @Test("are counted as requests however they alternate with others")
    func counts() throws {
        let connection = try Connection()
        func expectCount(_ count: Int) throws {
            let requestGuard = try connection.requestGuard
            #expect(requestGuard.requestsStarted == count && requestGuard.requestsRead == count && requestGuard.requestsAnswered == count)
        }
        try connection.receive(Connection.get("/fast/1") + Connection.get("/fast/2", method: "HEAD") + Connection.get("/slow"))
        connection.answer("slow")
        try expectCount(3)
        try connection.receive(
            Connection.get("/slow", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n" + Connection.get("/fast/3"))
        #expect(try connection.passed() == ["/slow", "end", "/slow", "3 bytes", "end", "/fast/3", "end"])
        // An answer whose length is not known, of several parts.
        let head = HTTPResponse(status: .ok, headerFields: [.transferEncoding: "chunked"])
        connection.channel.pipeline.write(HTTPResponsePart.head(head), promise: nil)
        for part in ["ab", "cd"] { connection.channel.pipeline.write(HTTPResponsePart.body(ByteBuffer(string: part)), promise: nil) }
        connection.channel.pipeline.writeAndFlush(HTTPResponsePart.end(nil), promise: nil)
        connection.answer("3")
        try expectCount(5)
        try connection.receive(Connection.get("/fast/4"))
        try expectCount(6)
        let text = try connection.sentText()
        #expect(text.contains("\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), "\(text)")
        #expect(text.hasSuffix("\r\n\r\n/fast/4"))
        #expect(connection.isOpen)
    }
}
