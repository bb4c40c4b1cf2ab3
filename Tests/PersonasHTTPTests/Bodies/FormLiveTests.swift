import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// Forms as they come through a socket.
@Suite("Forms on a connection", .serialized)
struct FormLiveTests {
    private static let form = MultipartForm([("name", "Nova")], images: Picture.three(), boundary: "b")

    private static func head(_ service: TestService, _ fields: String) -> String {
        """
        POST /v2/personas HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(service.key)\r\nContent-Type: multipart/form-data; boundary=b\r\n\
        \(fields)\r\n\r\n
        """
    }

    @Test("a form in chunks of one byte is taken")
    func tinyChunks() async throws {
        try await TestService.run(.live) { service in
            let port = try #require(service.client.port)
            let head = Self.head(service, "Transfer-Encoding: chunked\r\nConnection: close")
            let exchange = try await rawExchange(.port(port)) { writer in
                try await writer.write(head)
                try await writer.write(
                    Self.form.bytes.flatMap { Array("1\r\n".utf8) + [$0] + Array("\r\n".utf8) } + Array("0\r\n\r\n".utf8))
            }
            #expect(exchange.answers.map(\.status) == [201])
        }
    }

    @Test("a form whose client waits to be asked for it is asked for it")
    func expectations() async throws {
        try await TestService.run(.live) { service in
            let port = try #require(service.client.port)
            let bytes = Self.form.bytes
            let head = Self.head(service, "Expect: 100-continue\r\nContent-Length: \(bytes.count)\r\nConnection: close")
            let exchange = try await rawExchange(.port(port)) { writer in
                try await writer.write(head)
                try await writer.awaitAnswer("100 Continue")
                try await writer.write(bytes)
            }
            #expect(exchange.statuses == [100, 201])
        }
    }

    @Test("a form that ends before its length, or before its last boundary, is not acted upon")
    func cut() async throws {
        try await TestService.run(.live) { service in
            let port = try #require(service.client.port)
            let bytes = Self.form.bytes
            try await service.withoutTrace {
                for (sent, announced) in [(bytes, bytes.count + 1), (Array(bytes.dropLast(8)), bytes.count - 8)] {
                    let head = Self.head(service, "Content-Length: \(announced)\r\nConnection: close")
                    let exchange = try await rawExchange(.port(port)) { writer in
                        try await writer.write(Array(head.utf8) + sent)
                        writer.finish()
                    }
                    #expect(exchange.answers.allSatisfy { $0.status == 400 })
                    #expect(exchange.wasClosed)
                }
            }
        }
    }

    @Test("a form that makes no sense is refused at once, and read no further")
    func endless() async throws {
        var configuration = HTTPConfiguration()
        configuration.limits.lingerTimeout = .milliseconds(500)
        try await TestService.run(.live, configuration: configuration) { service in
            let port = try #require(service.client.port)
            try await service.withoutTrace {
                let head = Self.head(service, "Transfer-Encoding: chunked")
                let chunk = "2000\r\n" + String(repeating: " ", count: 8_192) + "\r\n"
                let exchange = try await rawExchange(.port(port)) { writer in
                    try await writer.write(head + "5\r\n--b\r\n\r\n2\r\n\r\n\r\n")
                    while !Task.isCancelled { try await writer.write(chunk) }
                }
                let answer = try #require(exchange.answers.first)
                answer.expectViolations([("body", "the body has a part that is no field with a name")])
                #expect(exchange.wasClosed)
            }
        }
    }

    @Test("an endless image is 413 with the limit of the body, however little of it is held")
    func endlessImage() async throws {
        var configuration = HTTPConfiguration()
        configuration.limits.lingerTimeout = .milliseconds(500)
        configuration.bodyBytesInFlightMax = 11 * 1_024 * 1_024
        try await TestService.run(.live, configuration: configuration) { service in
            let port = try #require(service.client.port)
            try await service.withoutTrace {
                let head = Self.head(service, "Transfer-Encoding: chunked")
                let part = "--b\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n"
                let chunk = "10000\r\n" + String(repeating: " ", count: 65_536) + "\r\n"
                let exchange = try await rawExchange(.port(port)) { writer in
                    try await writer.write(head + String(part.utf8.count, radix: 16) + "\r\n\(part)\r\n")
                    while !Task.isCancelled { try await writer.write(chunk) }
                }
                let answer = try #require(exchange.answers.first)
                answer.expect(413, .payloadTooLarge, "The request body is too large")
                #expect(exchange.wasClosed)
            }
        }
    }
}
