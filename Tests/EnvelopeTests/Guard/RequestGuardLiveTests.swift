import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

/// The guard in a real server, with clients that speak TCP only.
@Suite("A guarded server", .serialized)
struct RequestGuardLiveTests {
    private static let limits = {
        var limits = RequestGuard.Limits()
        limits.idleTimeout = .seconds(5)
        limits.requestReadTimeout = .milliseconds(800)
        limits.writeStallTimeout = .milliseconds(600)
        limits.lingerTimeout = .milliseconds(500)
        return limits
    }()

    /// How requests are answered.
    enum Way: CaseIterable {
        /// All by Hummingbird.
        case router
        /// On the event loop, where that is possible.
        case immediate
    }

    private func serve(
        _ way: Way,
        limits: RequestGuard.Limits = limits,
        recorder: LogRecorder = LogRecorder(),
        onLimit: @escaping @Sendable (RequestGuard.Limit) -> Void = { _ in },
        _ test: @Sendable (Int) async throws -> Void
    ) async throws {
        let router = Router(context: EnvelopeContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.get("hello") { _, _ in "hello" }
        router.post("small") { request, _ in "\(try await request.bodyBytes(upTo: 1_000_000).count)" }
        router.post("echo") { request, _ in ByteBuffer(bytes: try await request.bodyBytes(upTo: 20_000_000)) }
        router.get("large") { _, _ in ByteBuffer(repeating: 0x78, count: 40_000_000) }
        router.refuseOtherMethods()
        let service = Application(
            router: router,
            server: .guardedHTTP1(
                limits: limits, immediate: way == .immediate ? ImmediateHello() : nil, logger: recorder.logger, onLimit: onLimit),
            logger: recorder.logger)
        try await service.test(.live) { client in try await test(try #require(client.port)) }
    }

    private static let get = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
    private static let post = "POST /small HTTP/1.1\r\nHost: a\r\n"

    private struct Malformed: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let request: String

        init(_ name: String, _ request: String) {
            self.testDescription = name
            self.request = request
        }
    }

    @Test(
        "answers what is no request with an envelope and closes",
        arguments: [
            Malformed("garbage", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n"), Malformed("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            Malformed("version 1.9", "GET /hello HTTP/1.9\r\nHost: a\r\n\r\n"),
            Malformed("lower-case method", "get /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
            Malformed("length and chunks", "\(post)Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            Malformed("two lengths", "\(post)Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
            Malformed("negative length", "\(post)Content-Length: -1\r\n\r\nabcd"),
            Malformed("other coding", "\(post)Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"),
            Malformed("length beyond numbers", "\(post)Content-Length: 9223372036854775808\r\n\r\nabcd"),
            Malformed("target beyond ASCII", "GET /hell\u{f6} HTTP/1.1\r\nHost: a\r\n\r\n"),
            Malformed("bad chunk", "\(post)Transfer-Encoding: chunked\r\n\r\nXY\r\n"),
            Malformed("space before colon", "\(post)Content-Length : 4\r\n\r\nabcd"),
            Malformed("NUL", "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
            Malformed("bare line feeds", "GET /hello HTTP/1.1\nHost: a\n\n"), Malformed("no host", "GET /hello HTTP/1.1\r\n\r\n"),
            Malformed("two hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
            Malformed("long field", "GET /hello HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 9_000))\r\n\r\n"),
            Malformed("long target", "GET /\(String(repeating: "x", count: 9_000)) HTTP/1.1\r\nHost: a\r\n\r\n"),
            Malformed("many fields", "GET /hello HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: a\r\n", count: 70))\r\n"),
        ], Way.allCases
    )
    private func malformed(_ malformed: Malformed, way: Way) async throws {
        let recorder = LogRecorder()
        try await self.serve(way, recorder: recorder) { port in
            let exchange = try await rawExchange(.port(port), sending: malformed.request)
            #expect(exchange.statusLines == ["400 Bad Request"])
            #expect(exchange.wasClosed)
            let envelope = try ErrorEnvelope(decoding: [UInt8](exchange.body.utf8))
            #expect(envelope.error.code == .validationError)
            #expect(envelope.error.details.map(\.field) == ["request"])
            let header = exchange.text.lowercased()
            for field in [
                "connection: close", "content-type: application/json", "x-content-type-options: nosniff", "cache-control: no-store",
                "x-request-id: \(envelope.requestID)", "content-length: \(exchange.body.utf8.count)",
            ] {
                #expect(header.contains("\(field)\r\n"), "\(field)")
            }
            #expect(exchange.text.contains(/\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n/.ignoresCase()))
            #expect(recorder.lines.contains { $0.metadata["hb.request.id"] == envelope.requestID })
        }
    }

    @Test("answers what came before garbage", arguments: Way.allCases)
    func garbageBehindRequests(way: Way) async throws {
        try await self.serve(way) { port in
            let exchange = try await rawExchange(.port(port), sending: Self.get + Self.get + "nonsense\r\n\r\n" + Self.get)
            #expect(exchange.statusLines == ["200 OK", "200 OK", "400 Bad Request"])
        }
    }

    @Test("closes a body that drips, and a header that drips", arguments: Way.allCases)
    func drip(way: Way) async throws {
        try await self.serve(way) { port in
            for start in ["\(Self.post)Content-Length: 100000\r\n\r\n", "GET /hello HTTP/1.1\r\nX: "] {
                let exchange = try await rawExchange(.port(port)) { writer in
                    try await writer.write(start)
                    while true {
                        try await Task.sleep(for: .milliseconds(50))
                        try await writer.write("x")
                    }
                }
                #expect(exchange.wasClosed)
                #expect(exchange.duration > .milliseconds(700) && exchange.duration < .seconds(4), "\(exchange.duration)")
            }
        }
    }

    @Test(
        "closes silent connections", arguments: ["", "GET /hel", "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"],
        Way.allCases)
    func silence(request: String, way: Way) async throws {
        var limits = Self.limits
        limits.idleTimeout = .milliseconds(500)
        try await self.serve(way, limits: limits) { port in
            let exchange = try await rawExchange(.port(port), sending: request)
            #expect(exchange.wasClosed)
            #expect(exchange.duration < .seconds(4), "\(exchange.duration)")
        }
    }

    @Test("closes on a client that does not take its answer", arguments: Way.allCases)
    func neverRead(way: Way) async throws {
        let met = MetLimits()
        try await self.serve(way, onLimit: met.note) { port in
            let exchange = try await rawExchange(.port(port), readsAnswer: false) { writer in
                try await writer.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
                // Only writing shows a client that never reads that the server is gone.
                while true {
                    try await Task.sleep(for: .milliseconds(50))
                    try await writer.write(Self.get)
                }
            }
            #expect(exchange.wasClosed)
            #expect(exchange.duration > .milliseconds(500) && exchange.duration < .seconds(5), "\(exchange.duration)")
            #expect(met.all == [.answerTime])
        }
    }

    @Test("sends a large answer in full to a client that takes its time", arguments: Way.allCases)
    func slowReader(way: Way) async throws {
        try await self.serve(way) { port in
            let exchange = try await rawExchange(
                .port(port),
                pause: .milliseconds(4),
                until: { $0.utf8.count > 40_000_000 },
                write: { try await $0.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n") }
            )
            #expect(exchange.text.utf8.count > 40_000_000)
            #expect(exchange.duration > .milliseconds(900), "too fast to show anything: \(exchange.duration)")
        }
    }

    @Test("sends an answer in full to a client that reads for longer than a silent connection is kept", arguments: Way.allCases)
    func slowReaderAndIdleTimeout(way: Way) async throws {
        var limits = Self.limits
        limits.idleTimeout = .milliseconds(200)
        limits.firstRequestTimeout = .milliseconds(200)
        try await self.serve(way, limits: limits) { port in
            let exchange = try await rawExchange(
                .port(port),
                pause: .milliseconds(4),
                write: { try await $0.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n") }
            )
            #expect(exchange.text.utf8.count > 40_000_000)
            #expect(exchange.wasClosed, "and then for being silent")
        }
    }

    @Test("stops an upload that was answered with 413, and the client gets to read that", arguments: Way.allCases)
    func endlessUpload(way: Way) async throws {
        try await self.serve(way) { port in
            for framing in ["Content-Length: 2000000000\r\n", "Transfer-Encoding: chunked\r\n"] {
                let taken = Mutex(0)
                let chunk = Array(("10000\r\n" + String(repeating: "x", count: 0x10000) + "\r\n").utf8)
                let exchange = try await rawExchange(.port(port)) { writer in
                    try await writer.write("\(Self.post)\(framing)\r\n")
                    while true {
                        try await writer.write(chunk)
                        taken.withLock { $0 += chunk.count }
                    }
                }
                #expect(exchange.statusLines == ["413 Payload Too Large"])
                #expect(exchange.text.lowercased().contains("connection: close\r\n"))
                #expect(try ErrorEnvelope(decoding: [UInt8](exchange.body.utf8)).error.code == .payloadTooLarge)
                #expect(exchange.wasClosed)
                let bytes = taken.withLock { $0 }
                #expect(bytes < 16_000_000, "took \(bytes) bytes")
            }
        }
    }

    @Test("stops an upload of a client that never looks at the answer", arguments: Way.allCases)
    func endlessBlindUpload(way: Way) async throws {
        try await self.serve(way) { port in
            let taken = Mutex(0)
            let chunk = [UInt8](repeating: 0x78, count: 65_536)
            let exchange = try await rawExchange(.port(port), readsAnswer: false) { writer in
                try await writer.write("\(Self.post)Content-Length: 2000000000\r\n\r\n")
                while true {
                    try await writer.write(chunk)
                    taken.withLock { $0 += chunk.count }
                }
            }
            #expect(exchange.wasClosed)
            #expect(exchange.duration > .milliseconds(400) && exchange.duration < .seconds(4), "\(exchange.duration)")
            let bytes = taken.withLock { $0 }
            #expect(bytes < 16_000_000, "took \(bytes) bytes")
        }
    }

    @Test("keeps a connection after a small body that no handler wanted", arguments: Way.allCases)
    func unwantedSmallBody(way: Way) async throws {
        try await self.serve(way) { port in
            let unwanted = "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
            let exchange = try await rawExchange(.port(port), until: { $0.hasSuffix("hello") }) { writer in
                try await writer.write(unwanted)
                try await writer.write("0123456789\(Self.get)")
            }
            #expect(exchange.statusLines == ["404 Not Found", "200 OK"])
            #expect(!exchange.text.lowercased().contains("connection: close"))
            #expect(!exchange.wasClosed)
        }
    }

    @Test("does not ask for a body that no handler reads", arguments: Way.allCases)
    func expectationBeforeRefusal(way: Way) async throws {
        try await self.serve(way) { port in
            let exchange = try await rawExchange(
                .port(port), sending: "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            #expect(exchange.statusLines == ["404 Not Found"])
            #expect(exchange.wasClosed)
        }
    }

    @Test("tells a client that waits for it to go on", arguments: Way.allCases)
    func expectContinue(way: Way) async throws {
        try await self.serve(way) { port in
            let answered = Mutex<AsyncStream<Void>.Continuation?>(nil)
            let signal = AsyncStream<Void> { continuation in answered.withLock { $0 = continuation } }
            let exchange = try await rawExchange(
                .port(port),
                until: { text in
                    if text.contains("100 Continue\r\n\r\n") { answered.withLock { $0 }?.finish() }
                    return text.hasSuffix("\r\n\r\n5")
                },
                write: { writer in
                    try await writer.write("\(Self.post)Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
                    for await _ in signal {}
                    try await writer.write("12345")
                }
            )
            #expect(exchange.statusLines == ["100 Continue", "200 OK"])
        }
    }

    @Test("answers twelve pipelined uploads of half a megabyte in full", arguments: Way.allCases)
    func pipelining(way: Way) async throws {
        try await self.serve(way) { port in
            let body = String(repeating: "x", count: 500_000)
            let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n\(body)"
            let exchange = try await rawExchange(
                .port(port),
                until: { $0.utf8.count >= 12 * 500_000 && $0.hasSuffix("hello") },
                write: { writer in
                    for _ in 0..<12 { try await writer.write(request) }
                    try await writer.write(Self.get)
                }
            )
            #expect(exchange.statusLines == Array(repeating: "200 OK", count: 13))
            #expect(!exchange.wasClosed)
        }
    }

    @Test(
        "answers a client that has closed its side", arguments: [get, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
        Way.allCases)
    func halfClosed(request: String, way: Way) async throws {
        try await self.serve(way) { port in
            let exchange = try await rawExchange(.port(port)) { writer in
                try await writer.write(request)
                writer.finish()
            }
            #expect(exchange.text.hasSuffix("hello"))
            #expect(exchange.wasClosed)
        }
    }

    @Test(
        "answers old clients, and closes as they expect",
        arguments: ["", "Host: a\r\n", "Connection: keep-alive\r\n", "Expect: 100-continue\r\n"], Way.allCases
    )
    func oldVersion(fields: String, way: Way) async throws {
        try await self.serve(way) { port in
            let exchange = try await rawExchange(.port(port), sending: "GET /hello HTTP/1.0\r\n\(fields)\r\n\(Self.get)")
            #expect(exchange.statusLines == ["200 OK"])
            #expect(exchange.text.hasSuffix("hello"))
            #expect(exchange.text.lowercased().contains("connection: close\r\n"))
            #expect(exchange.wasClosed)
            #expect(exchange.duration < .seconds(2), "\(exchange.duration)")
        }
    }

    @Test("refuses chunks in a version that has none", arguments: Way.allCases)
    func oldVersionWithChunks(way: Way) async throws {
        try await self.serve(way) { port in
            let request = "POST /small HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"
            let exchange = try await rawExchange(.port(port), sending: request)
            #expect(exchange.statusLines == ["400 Bad Request"])
            #expect(exchange.wasClosed)
        }
    }

    @Test("closes after a request for another protocol, which it answers in HTTP/1.1", arguments: Way.allCases)
    func upgrade(way: Way) async throws {
        try await self.serve(way) { port in
            let request =
                "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
            let exchange = try await rawExchange(.port(port), sending: request + Self.get)
            #expect(exchange.statusLines == ["200 OK"])
            #expect(exchange.text.lowercased().contains("connection: close\r\n"))
            #expect(exchange.wasClosed)
        }
    }
}

/// Answers the reads of the served routes, with bodies of the same length.
private struct ImmediateHello: ImmediateResponder {
    func connection(from address: SocketAddress?) {}

    func answer(_ head: HTTPRequestHead, on connection: Void) -> ImmediateAnswer? {
        let body: ByteBuffer
        switch head.uri {
        case "/hello": body = ByteBuffer(string: "hello")
        case "/large": body = ByteBuffer(repeating: 0x78, count: 40_000_000)
        default: return nil
        }
        let fields: HTTPFields = [.contentLength: String(body.readableBytes), .date: "now"]
        return ImmediateAnswer(head: HTTPResponse(status: .ok, headerFields: fields), body: head.method == .HEAD ? nil : body)
    }
}
