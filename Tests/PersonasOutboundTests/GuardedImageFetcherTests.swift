import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOSSL
import Personas
import Synchronization
import TestSupport
import Testing

@testable import PersonasOutbound

@Suite("Fetching images", .timeLimit(.minutes(1)))
struct GuardedImageFetcherTests {
    private static func ok(_ body: String, _ headers: String = "") -> TestServer.Reply {
        .send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
    }

    private static func redirect(to location: String, status: Int = 302) -> TestServer.Reply {
        .send("HTTP/1.1 \(status) Moved\r\nLocation: \(location)\r\nContent-Length: 5\r\n\r\nmoved")
    }

    /// Fetches one URL from a server; `PORT` in the URL stands for the server's port.
    private func fetch(
        _ url: String, reply: @escaping @Sendable (TestServer.Request) -> TestServer.Reply
    ) async throws -> (result: Result<[UInt8], ImageFetchProblem>, requests: [TestServer.Request]) {
        try await TestServer.run(reply: reply) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port])
            let result = await FetcherFixture.result(of: fetcher, url.replacing("PORT", with: "\(server.port)"))
            return (result, server.requests)
        }
    }

    @Test(
        "The host's name goes into the handshake and the Host header, normalised, and nothing of us into the request",
        arguments: ["img.example.test", "IMG.Example.TEST", "img.example.test."]
    )
    func names(host: String) async throws {
        try await TestServer.run(reply: { _ in Self.ok("image", "Set-Cookie: a=b\r\n") }) { server in
            let resolver = StubResolver.ordinary()
            let fetcher = try FetcherFixture.fetcher(ports: [server.port], resolver: resolver)
            for _ in 0..<2 {
                #expect(await FetcherFixture.result(of: fetcher, "https://\(host):\(server.port)/a?b=c") == .image("image"))
            }
            #expect(resolver.lookups == ["img.example.test", "img.example.test"])
            #expect(server.requests.count == 2)
            for request in server.requests {
                #expect(request.serverName == "img.example.test")
                #expect(request.head.hasPrefix("GET /a?b=c HTTP/1.1\r\n"))
                #expect(request.values(of: "host") == ["img.example.test:\(server.port)"])
                #expect(request.values(of: "accept-encoding") == ["identity"])
                #expect(request.values(of: "accept") == ["image/jpeg, image/png, image/webp, image/gif"])
                #expect(request.values(of: "user-agent") == ["personas"])
                // Request line, four headers and at most one about the connection: no cookies, no credentials, no traces.
                #expect(request.head.split(separator: "\r\n").filter { !$0.lowercased().hasPrefix("connection:") }.count == 5)
            }
        }
    }

    @Test("A path and a query arrive as they were rebuilt, to the byte")
    func targets() async throws {
        let printable = String(decoding: (UInt8(0x21)...0x7e).filter { !"#?\\".utf8.contains($0) }, as: UTF8.self)
        let long = String(repeating: "X-Amz-Signature=0a1b2c3d4e&", count: 150)
        for target in ["/\(printable)?\(printable)", "//a/../b/./c;d=1?\(long)", "/a%2Fb%2e?%41=%zz", "/?", "/??a?b"] {
            let text = "https://img.example.test:PORT\(target)"
            let rules = DownloadURL.Rules(acceptsPlainHTTP: false, acceptsLocalHosts: false, ports: nil)
            let expected = try DownloadURL(text.replacing("PORT", with: "1"), rules: rules)
            let (result, requests) = try await fetch(text) { _ in Self.ok("image") }
            #expect(result == .image("image"))
            #expect(requests.map(\.target) == [expected.path + (expected.query.map { "?\($0)" } ?? "")])
        }
    }

    @Test(
        "Only an answer that may be an image is taken",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n", .image("image")),
            ("HTTP/1.1 200 OK\r\nContent-Type: Image/JPEG; q=1\r\n", .image("image")),
            ("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n", .image("image")),
            ("HTTP/1.1 200 OK\r\nContent-Type: binary/octet-stream\r\n", .image("image")),
            ("HTTP/1.1 200 OK\r\nContent-Type:\r\n", .image("image")),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n", .image("image")),
            ("HTTP/1.1 203 OK\r\n", .image("image")),
            ("HTTP/1.0 200 OK\r\n", .image("image")),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", .image("image")),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n", .unavailable("is not an image")),
            ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", .unavailable("is not an image")),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n", .unavailable("is not an image")),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n", .unavailable("was sent compressed")),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: identity, br\r\n", .unavailable("was sent compressed")),
            ("HTTP/1.1 206 Partial Content\r\n", .unavailable("answered with status 206")),
            ("HTTP/1.1 302 Found\r\n", .unavailable("answered with status 302")),
            ("HTTP/1.1 403 Forbidden\r\n", .unavailable("answered with status 403")),
            ("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n", .unavailable("answered with status 404")),
            ("HTTP/1.1 500 Oops\r\n", .unavailable("answered with status 500")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", .unavailable("could not be fetched")),
            ("SSH-2.0-OpenSSH_9.2\r\n", .unavailable("could not be fetched")),
        ] as [(String, Result<[UInt8], ImageFetchProblem>)]
    )
    func answers(head: String, expected: Result<[UInt8], ImageFetchProblem>) async throws {
        let (result, _) = try await fetch("https://img.example.test:PORT/") { _ in .send("\(head)Content-Length: 5\r\n\r\nimage") }
        #expect(result == expected)
    }

    @Test("An answer that is cut off is no image, and one without a length ends with its connection")
    func cutOff() async throws {
        let cut = try await fetch("https://img.example.test:PORT/") { _ in
            .sendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nimage")
        }
        #expect(cut.result == .unavailable("could not be fetched"))
        let chunked = try await fetch("https://img.example.test:PORT/") { _ in
            .sendAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n")
        }
        #expect(chunked.result == .unavailable("could not be fetched"))
        let whole = try await fetch("https://img.example.test:PORT/") { _ in .sendAndClose("HTTP/1.1 200 OK\r\n\r\nimage") }
        #expect(whole.result == .image("image"))
    }

    @Test("Bytes are counted while they come")
    func sizes() async throws {
        let max = Limits.imageBytesMax
        let part = Array("10000\r\n".utf8) + [UInt8](repeating: 0x78, count: 65_536) + Array("\r\n".utf8)
        try await TestServer.run { request in
            switch request.target {
            case "/max": .sendBody(head: "HTTP/1.1 200 OK\r\nContent-Length: \(max)\r\n\r\n", body: [UInt8](repeating: 1, count: max))
            case "/over": .send("HTTP/1.1 200 OK\r\nContent-Length: \(max + 1)\r\n\r\n")
            case "/huge": .send("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n")
            case "/by-one":
                .sendBody(
                    head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(max + 1, radix: 16))\r\n",
                    body: [UInt8](repeating: 1, count: max + 1) + Array("\r\n0\r\n\r\n".utf8)
                )
            default: .endless(head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", part: part)
            }
        } _: { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port])
            let base = "https://img.example.test:\(server.port)"
            #expect(try await FetcherFixture.result(of: fetcher, "\(base)/max").get().count == max)
            for path in ["/over", "/huge", "/by-one", "/endless"] {
                #expect(await FetcherFixture.result(of: fetcher, base + path) == .failure(.tooLarge))
            }
            // The endless sender reads no farewell, which must not hold our side open.
            #expect(await comesTrue(within: .seconds(1)) { fetcher.freeDownloads == 12 })
            #expect(await comesTrue(within: .seconds(1)) { server.connectionsOpen == 0 })
        }
    }

    @Test("Redirects are followed within and between hosts, up to three")
    func redirects() async throws {
        let reply: @Sendable (TestServer.Request) -> TestServer.Reply = { request in
            let port = request.values(of: "host")[0].split(separator: ":")[1]
            return switch request.target {
            case "/a/relative": Self.redirect(to: "../1", status: 301)
            case "/other": Self.redirect(to: "https://other.example.test:\(port)/image", status: 308)
            case "/1": Self.redirect(to: "/2", status: 303)
            case "/2": Self.redirect(to: "//img.example.test:\(port)/image", status: 307)
            case "/4": Self.redirect(to: "/a/relative")
            case "/loop": Self.redirect(to: "/loop")
            default: Self.ok("image")
            }
        }
        let base = "https://img.example.test:PORT"
        let relative = try await fetch("\(base)/a/relative", reply: reply)
        #expect(relative.result == .image("image"))
        #expect(relative.requests.map(\.target) == ["/a/relative", "/1", "/2", "/image"])
        let other = try await fetch("\(base)/other", reply: reply)
        #expect(other.result == .image("image"))
        #expect(other.requests.map(\.serverName) == ["img.example.test", "other.example.test"])
        for path in ["/4", "/loop"] {
            let tooMany = try await fetch(base + path, reply: reply)
            #expect(tooMany.result == .unavailable("redirects too often"))
            #expect(tooMany.requests.count == 4)
        }
    }

    @Test(
        "A redirect to the inside is refused, and no server there hears of it",
        arguments: [
            "https://127.0.0.2:PORT/secret", "http://127.0.0.2:PORT/secret", "//127.0.0.2:PORT/secret", "https://inside.test:PORT/secret",
            "https://[::ffff:127.0.0.2]:PORT/secret", "https://2130706434:PORT/secret", "https://localhost:PORT/secret",
            "https://user@img.example.test:PORT/", "https://img.example.test:1/", "ftp://img.example.test/", "file:///etc/passwd", "/a b",
        ]
    )
    func redirectsToTheInside(location: String) async throws {
        let inside = Mutex(0)
        try await TestServer.run(host: "127.0.0.2", tls: false, reply: { _ in Self.ok("INTERNAL SECRET") }) { listener in
            let target = location.replacing("PORT", with: "\(listener.port)")
            try await TestServer.run(reply: { _ in Self.redirect(to: target) }) { server in
                let fetcher = try FetcherFixture.fetcher(ports: [server.port, listener.port])
                let result = await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/")
                #expect(result == .unavailable("cannot be fetched from that address"))
                #expect(server.requests.count == 1)
            }
            inside.withLock { $0 = listener.connectionsAccepted }
        }
        #expect(inside.withLock { $0 } == 0)
    }

    @Test("A name is looked up once a hop, every answer must be public, and the connection goes to the answer that was checked")
    func rebinding() async throws {
        try await TestServer.run(reply: { _ in Self.redirect(to: "/again") }) { server in
            try await TestServer.run(host: "127.0.0.2", port: server.port, reply: { _ in Self.ok("INTERNAL SECRET") }) { listener in
                let resolver = StubResolver { _, count in [count == 0 ? .allowed : .forbidden] }
                let fetcher = try FetcherFixture.fetcher(ports: [server.port], resolver: resolver)
                let result = await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/")
                #expect(result == .unavailable("cannot be fetched from that address"))
                #expect(resolver.lookups == ["img.example.test", "img.example.test"])
                #expect(server.connectionsAccepted == 1)
                #expect(listener.connectionsAccepted == 0)
            }
        }
    }

    @Test(
        "A mixed, empty or failed lookup is refused like a forbidden address, without a connection",
        arguments: [[IPAddress.allowed, .forbidden], [.forbidden, .allowed], [IPAddress(v6: 1), .allowed], [.forbidden], []]
    )
    func mixedAnswers(addresses: [IPAddress]) async throws {
        try await TestServer.run(reply: { _ in Self.ok("image") }) { server in
            try await TestServer.run(host: "127.0.0.2", port: server.port, reply: { _ in Self.ok("INTERNAL SECRET") }) { listener in
                let resolver = StubResolver { _, _ in
                    guard !addresses.isEmpty else { throw SystemHostResolver.LookupProblem(code: -2) }
                    return addresses
                }
                let fetcher = try FetcherFixture.fetcher(ports: [server.port], resolver: resolver)
                let result = await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/")
                // The same words for what is not there and for what lies inside, or they could be told apart.
                #expect(
                    result == .unavailable("cannot be fetched from that address: the host is unknown, or is not a public one"))
                #expect(server.connectionsAccepted == 0)
                #expect(listener.connectionsAccepted == 0)
            }
        }
    }

    @Test("Where one address of a host is dead the next is tried, three at most")
    func deadAddresses() async throws {
        let dead = [2, 3, 4].map { IPAddress(v4: 0x7f00_0000 | $0) }
        let prefix = try #require(AddressPrefix("127.0.0.0/29"))
        try await TestServer.run(reply: { _ in Self.ok("image") }) { server in
            for (count, expected) in [
                (1, Result.image("image")), (2, .image("image")),
                (3, .unavailable("could not be fetched: the host refused the connection")),
            ] {
                let resolver = StubResolver { _, _ in dead.prefix(count) + [.allowed] }
                let fetcher = try FetcherFixture.fetcher(ports: [server.port], resolver: resolver, exempt: [prefix])
                #expect(await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/") == expected)
            }
        }
    }

    @Test("A host is reached over IPv6 under its name", .enabled(if: TestServer.canListen(at: "::1"), "this machine has no IPv6"))
    func addressesOfIPv6() async throws {
        try await TestServer.run(host: "::1", reply: { _ in Self.ok("image") }) { server in
            let loopback = IPAddress(v6: 1)
            let resolver = StubResolver { _, _ in [loopback] }
            let fetcher = try FetcherFixture.fetcher(ports: [server.port], resolver: resolver, exempt: [.single(loopback)])
            #expect(await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/") == .image("image"))
            #expect(server.requests.map(\.serverName) == ["img.example.test"])
        }
    }

    @Test("A connection to another address than the one that was checked is dropped before the request")
    func wrongPeer() async throws {
        try await TestServer.run(tls: false, reply: { _ in Self.ok("image") }) { server in
            // A URL that spells out its address is not redirected by the client, which stands for a client that looks up by itself.
            let url = try DownloadURL("http://127.0.0.1:\(server.port)/", rules: .development)
            let connection = PinnedConnection(to: url, at: .forbidden, tls: .makeClientConfiguration(), connectingWithin: .seconds(5))
            await #expect(throws: HostProblem.forbiddenAddress) { try await connection.send(HTTPClientRequest(url: ""), to: url) }
            #expect(!connection.isConnected)
            await connection.close()
            #expect(server.requests.isEmpty)
        }
    }

    @Test("A certificate must be for the name, from a trusted authority, over TLS 1.2 or later")
    func certificates() async throws {
        let wrongName = try await fetch("https://wrong.example.test:PORT/") { _ in Self.ok("image") }
        #expect(wrongName.result == .unavailable("could not be fetched: the certificate of the host is for another name"))
        #expect(wrongName.requests.isEmpty)
        try await TestServer.run(reply: { _ in Self.ok("image") }) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port]) { $0.trustRootsFile = nil }
            #expect(
                await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/")
                    == .unavailable("could not be fetched: the certificate of the host is not trusted, or not valid at this time"))
            #expect(server.requests.isEmpty)
        }
        let insecure = Result.unavailable("could not be fetched: no secure connection (TLS) could be made with the host")
        for (version, expected) in [(TLSVersion.tlsv11, insecure), (.tlsv12, .image("image")), (.tlsv13, .image("image"))] {
            try await TestServer.run(tlsVersionMax: version, reply: { _ in Self.ok("image") }) { server in
                let fetcher = try FetcherFixture.fetcher(ports: [server.port])
                #expect(await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/") == expected)
            }
        }
    }

    @Test("A host that refuses or cannot be looked up is told as such, and only where its address is allowed")
    func unreachable() async throws {
        let port = try await TestServer.run(reply: { _ in Self.ok("image") }) { $0.port }
        // Nobody listens there any more.
        let fetcher = try FetcherFixture.fetcher(ports: [port])
        #expect(
            await FetcherFixture.result(of: fetcher, "https://img.example.test:\(port)/")
                == .unavailable("could not be fetched: the host refused the connection"))
        #expect(
            await FetcherFixture.result(of: fetcher, "https://127.0.0.2:\(port)/") == .unavailable("cannot be fetched from that address"))
        let silent = try FetcherFixture.fetcher(
            ports: [port], resolver: StubResolver { _, _ in throw SystemHostResolver.LookupProblem(code: EAI_AGAIN) })
        #expect(
            await FetcherFixture.result(of: silent, "https://img.example.test:\(port)/")
                == .unavailable("could not be fetched: the name of the host could not be looked up"))
    }

    @Test("Errors of the libraries have words that name no address")
    func words() {
        for (error, reason) in [
            (HTTPClientError.connectTimeout, "could not be fetched in time"),
            (HTTPClientError.tlsHandshakeTimeout, "could not be fetched in time"),
            (ChannelError.connectTimeout(.seconds(1)), "could not be fetched in time"),
            (IOError(errnoCode: ETIMEDOUT, reason: "10.0.0.1"), "could not be fetched in time"),
            (IOError(errnoCode: ECONNREFUSED, reason: "10.0.0.1"), "could not be fetched: the host refused the connection"),
            (IOError(errnoCode: EHOSTUNREACH, reason: "10.0.0.1"), "could not be fetched: the host cannot be reached"),
            (IOError(errnoCode: ENETUNREACH, reason: "10.0.0.1"), "could not be fetched: the host cannot be reached"),
            (IOError(errnoCode: ECONNRESET, reason: "10.0.0.1"), "could not be fetched"),
            (HTTPClientError.remoteConnectionClosed, "could not be fetched"), (CancellationError(), "could not be fetched"),
        ] as [(any Error, String)] {
            #expect(FetchReason.of(error) == reason, "\(error)")
        }
    }

    @Test("A strict fetcher refuses URLs before it looks anything up")
    func strictURLs() async throws {
        let resolver = StubResolver.ordinary()
        let fetcher = try FetcherFixture.fetcher(ports: [], resolver: resolver)
        #expect(!fetcher.acceptsPlainHTTP)
        #expect(await FetcherFixture.result(of: fetcher, "http://img.example.test/") == .unavailable("is not a URL that can be fetched"))
        #expect(await FetcherFixture.result(of: fetcher, "https://a@img.example.test/") == .unavailable("is not a URL that can be fetched"))
        #expect(
            await FetcherFixture.result(of: fetcher, "https://img.example.test:22/") == .unavailable("cannot be fetched from that address"))
        #expect(await FetcherFixture.result(of: fetcher, "https://127.0.0.1/") == .unavailable("cannot be fetched from that address"))
        #expect(resolver.lookups.isEmpty)
    }

    @Test("A development fetcher takes plain http from the own machine; an ordinary one does not")
    func development() async throws {
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        var configuration = GuardedImageFetcher.Configuration()
        configuration.isDevelopment = true
        let trust = try OutboundTrust()
        let fetcher = GuardedImageFetcher(configuration: configuration, trust: trust, logger: logger)
        #expect(fetcher.acceptsPlainHTTP)
        configuration.blockedPrefixes = [.single(.allowed)]
        let blocking = GuardedImageFetcher(configuration: configuration, trust: trust, logger: logger)
        let ordinary = GuardedImageFetcher(configuration: .init(), trust: trust, logger: logger)
        try await TestServer.run(tls: false, reply: { _ in Self.ok("image") }) { server in
            for host in ["127.0.0.1", "localhost"] {
                let url = "http://\(host):\(server.port)/a"
                #expect(await FetcherFixture.result(of: fetcher, url) == .image("image"))
                let reason = host == "localhost" ? FetchReason.forbiddenName : FetchReason.forbiddenAddress
                #expect(await FetcherFixture.result(of: blocking, url) == .unavailable(reason))
                #expect(await FetcherFixture.result(of: ordinary, url) == .unavailable("is not a URL that can be fetched"))
            }
            #expect(server.requests.map { $0.values(of: "host") } == [["127.0.0.1:\(server.port)"], ["localhost:\(server.port)"]])
        }
    }

    @Test("A file of certificates that cannot be read is named at the start")
    func missingTrustRoots() throws {
        #expect(throws: Failure.configuration(setting: "download-trust-roots", reason: "holds no certificates that can be read")) {
            try FetcherFixture.fetcher(ports: []) { $0.trustRootsFile = "/nowhere.pem" }
        }
    }
}
