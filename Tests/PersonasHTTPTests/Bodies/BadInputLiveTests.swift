import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// What clients can do to a connection, seen from a socket.
@Suite("Bad input on a connection", .serialized)
struct BadInputLiveTests {
    private static func configuration(bodyBytesMax: Int = 100_000) -> HTTPConfiguration {
        var configuration = HTTPConfiguration()
        configuration.limits.bodyBytesMax = bodyBytesMax
        configuration.limits.requestReadTimeout = .seconds(5)
        configuration.limits.lingerTimeout = .milliseconds(500)
        return configuration
    }

    private static func head(_ service: TestService, _ fields: String, path: String = "/v2/personas") -> String {
        "POST \(path) HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(service.key)\r\nContent-Type: application/json\r\n\(fields)\r\n\r\n"
    }

    @Test("an endless body in chunks is 413, and is read no further")
    func endlessChunks() async throws {
        try await TestService.run(.live, configuration: Self.configuration()) { service in
            let port = try #require(service.client.port)
            try await service.withoutTrace {
                let chunk = "2000\r\n" + String(repeating: " ", count: 8_192) + "\r\n"
                let head = Self.head(service, "Transfer-Encoding: chunked")
                let exchange = try await rawExchange(.port(port)) { writer in
                    try await writer.write(head)
                    while !Task.isCancelled { try await writer.write(chunk) }
                }
                let answer = try #require(exchange.answers.first)
                answer.expect(413, .payloadTooLarge, try answer.envelope.error.message)
                #expect(try answer.envelope.error.message.hasPrefix("The request body is too large"))
                #expect(exchange.answers.count == 1)
                #expect(exchange.wasClosed)
            }
        }
    }

    @Test("a body longer than it may be is 413 by its announced length, before it is sent")
    func announcedLength() async throws {
        try await TestService.run(.live, configuration: Self.configuration()) { service in
            let port = try #require(service.client.port)
            try await service.withoutTrace {
                let exchange = try await rawExchange(.port(port), sending: Self.head(service, "Content-Length: 100000000"))
                let answer = try #require(exchange.answers.first)
                answer.expect(413, .payloadTooLarge, "The request body is too large: at most 100000 bytes are accepted")
                #expect(exchange.wasClosed)
            }
        }
    }

    @Test("a body that ends before its length is not acted upon")
    func cutBody() async throws {
        try await TestService.run(.live) { service in
            let port = try #require(service.client.port)
            let body = #"{"name":"Nova","image_base64s":\#(Picture.base64List)}"#
            try await service.withoutTrace {
                let request = Self.head(service, "Content-Length: \(body.utf8.count + 1)") + body
                let exchange = try await rawExchange(.port(port), sending: request, endsOutput: true)
                #expect(exchange.answers.allSatisfy { $0.status >= 400 })
                #expect(exchange.wasClosed)
                let chunked = Self.head(service, "Transfer-Encoding: chunked") + String(body.utf8.count, radix: 16) + "\r\n\(body)\r\n"
                let cut = try await rawExchange(.port(port), sending: chunked, endsOutput: true)
                #expect(cut.answers.allSatisfy { $0.status >= 400 })
                #expect(cut.wasClosed)
            }
        }
    }

    @Test("a good body in chunks of one byte is taken")
    func tinyChunks() async throws {
        try await TestService.run(.live) { service in
            let port = try #require(service.client.port)
            let body = #"{"name":"Nova","image_base64s":\#(Picture.base64List)}"#
            let chunks = body.utf8.map { "1\r\n\(Character(UnicodeScalar($0)))\r\n" }.joined()
            let request = Self.head(service, "Transfer-Encoding: chunked\r\nConnection: close") + chunks + "0\r\n\r\n"
            let exchange = try await rawExchange(.port(port), sending: request)
            #expect(exchange.answers.map(\.status) == [201])
        }
    }

    @Test("odd request targets are answered, whatever they are")
    func targets() async throws {
        try await TestService.run(.live) { service in
            let port = try #require(service.client.port)
            for target in [
                "*", "?", "??", "#", "/?", "/?#", "//", "///?///", "://", "http://", "http:///", "http://x", "http://x:", "http://x:y",
                "http://x?", "http://?",
                "x://y:9999999999999999/v2/personas", "http://a:80/v2/personas?limit=1&&&=&=&x", "/v2/personas?%",
                "/v2/personas?q=%&limit=%", "/v2/personas?=",
                "/v2/personas?limit==", "/v2/personas/%", "/%", "/media/%zz", "/v2/personas?cursor=%F0%9F", "/v2/personas;x=1",
                "/v2/personas/..;/x", "@", ":",
                "/v2/personas#?limit=0",
            ] {
                let request = "GET \(target) HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(service.key)\r\nConnection: close\r\n\r\n"
                let exchange = try await rawExchange(.port(port), sending: request)
                let answer = try #require(exchange.answers.first, "\(target)")
                #expect([200, 400, 404].contains(answer.status), "\(target): \(answer.text)")
                // Some of them are the first page's.
                let isPage = answer.status == 200 && answer.headers[.contentType]?.hasPrefix("text/html") == true
                #expect(answer.object != nil || isPage, "\(target): \(answer.text)")
                #expect(!answer.requestID.isEmpty, "\(target)")
            }
            #expect(try await service.send(.get, "/healthz").status == 200)
        }
    }

    @Test("requests that are no HTTP get an envelope, and the service goes on")
    func noHTTP() async throws {
        try await TestService.run(.live) { service in
            let port = try #require(service.client.port)
            for request in [
                "\u{16}\u{3}\u{1}\r\n\r\n", "GET /v2/personas\r\n\r\n", "GET /v2/personas HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "GET /v2/personas HTTP/1.1\r\n\r\n",
                "GET /v2/personas HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 9_000))\r\n\r\n",
                "POST /v2/personas HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            ] {
                let exchange = try await rawExchange(.port(port), sending: request)
                let answer = try #require(exchange.answers.first)
                #expect(answer.status == 400)
                #expect(try answer.envelope.error.code == .validationError)
                #expect(try answer.envelope.requestID == answer.requestID)
                #expect(exchange.wasClosed)
            }
            #expect(try await service.send(.get, "/healthz").status == 200)
        }
    }

    @Test("the smallest body that stops a process by Foundation's decoder does not stop this one")
    func deepBrackets() async throws {
        try await TestService.run(.live) { service in
            for depth in 505...520 {
                let answer = try await service.send(.post, "/v2/pikzonality/persona", TestBody(String(repeating: "[", count: depth)))
                answer.expectViolations([("body", "the body nests deeper than 32 levels")])
            }
            #expect(try await service.send(.get, "/healthz").status == 200)
        }
    }
}
