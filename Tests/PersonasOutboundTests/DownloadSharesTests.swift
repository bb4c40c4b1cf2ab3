import NIOCore
import Personas
import TestSupport
import Testing

@testable import PersonasOutbound

/// What one account's downloads leave to those of others.
@Suite("Shares of downloads", .timeLimit(.minutes(1)))
struct DownloadSharesTests {
    private static let other = Identifier.random()

    private static func reply(_ request: TestServer.Request) -> TestServer.Reply {
        request.target == "/hang" ? .hang : .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage")
    }

    private static func fetch(
        _ fetcher: GuardedImageFetcher, _ path: String, of server: TestServer, host: String = "img.example.test",
        for accountID: Identifier = FetcherFixture.account, within time: Duration = .seconds(60)
    ) async -> Result<[UInt8], ImageFetchProblem> {
        await FetcherFixture.result(
            of: fetcher, "https://\(host):\(server.port)\(path)", within: time, holding: .unlimited(for: accountID))
    }

    /// A fetcher whose lookups of `dead.example.test` hang.
    private static func withHangingLookups(
        _ body: @Sendable (Hanging, TestServer, GuardedImageFetcher) async throws -> Void
    ) async throws {
        let hanging = Hanging()
        defer { hanging.end() }
        try await TestServer.run(reply: reply) { server in
            let resolver = StubResolver { name, _ in
                if name == "dead.example.test" { await hanging.wait() }
                return [.allowed]
            }
            try await body(hanging, server, try FetcherFixture.fetcher(ports: [server.port], resolver: resolver))
        }
    }

    @Test("An account whose hosts keep silent holds half of the places, and another is served at once")
    func silentHosts() async throws {
        try await TestServer.run(reply: Self.reply) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port]) { $0.imageSecondsMax = 60 }
            let slow = (0..<10).map { _ in Task { await Self.fetch(fetcher, "/hang", of: server) } }
            #expect(await comesTrue { server.requests.count == 6 && fetcher.freeDownloads == 6 })
            #expect(await Self.fetch(fetcher, "/", of: server, for: Self.other) == .image("image"))
            // Of a create's three images all have a place.
            let three = (0..<3).map { _ in Task { await Self.fetch(fetcher, "/hang", of: server, for: Self.other) } }
            #expect(await comesTrue { server.requests.count == 10 && fetcher.freeDownloads == 3 })
            #expect(await Self.fetch(fetcher, "/", of: server, for: .random()) == .image("image"))
            #expect(await Self.fetch(fetcher, "/", of: server, within: .milliseconds(20)) == .ownShareUsedUp)
            for task in slow + three { task.cancel() }
            for task in slow + three { _ = await task.value }
            #expect(await comesTrue { fetcher.freeDownloads == 12 && server.connectionsOpen == 0 })
        }
    }

    @Test("Where others hold all places, that is said, and no image is blamed")
    func allUsedUp() async throws {
        try await TestServer.run(reply: Self.reply) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port]) {
                $0.downloadsMax = 2
                $0.imageSecondsMax = 60
            }
            let slow = (0..<2).map { _ in Task { await Self.fetch(fetcher, "/hang", of: server, for: .random()) } }
            #expect(await comesTrue { server.requests.count == 2 })
            #expect(await Self.fetch(fetcher, "/", of: server, within: .milliseconds(20)) == .allUsedUp)
            #expect(await Self.fetch(fetcher, "/", of: server, within: .zero) == .allUsedUp)
            let waiting = Task { await Self.fetch(fetcher, "/", of: server) }
            slow[0].cancel()
            #expect(await waiting.value == .image("image"))
            slow[1].cancel()
            for task in slow { _ = await task.value }
            #expect(await comesTrue { fetcher.freeDownloads == 2 })
        }
    }

    @Test("A lookup that hangs holds no place beyond its deadline, and counts against the account that began it until it ends")
    func hangingLookups() async throws {
        try await Self.withHangingLookups { hanging, server, fetcher in
            let lookups = fetcher.freeLookups
            func fetchDead() async -> Result<[UInt8], ImageFetchProblem> {
                await Self.fetch(fetcher, "/", of: server, host: "dead.example.test", within: .milliseconds(30))
            }
            // One after another, each leaves its lookup behind and gives its place back.
            var abandoned = 0
            while await fetchDead() == .unavailable("could not be fetched in time"), abandoned < lookups {
                abandoned += 1
                #expect(await comesTrue { fetcher.freeDownloads == 12 })
                #expect(fetcher.freeLookups == lookups - abandoned)
            }
            #expect(abandoned == lookups / 2, "half of what all share")
            #expect(await fetchDead() == .ownShareUsedUp)
            #expect(await Self.fetch(fetcher, "/", of: server) == .ownShareUsedUp, "whatever name it is")
            for _ in 0..<3 { #expect(await Self.fetch(fetcher, "/", of: server, for: Self.other) == .image("image")) }
            hanging.end()
            #expect(await comesTrue { fetcher.freeLookups == lookups })
            #expect(await Self.fetch(fetcher, "/", of: server) == .image("image"))
        }
    }

    @Test("Hanging lookups of one account at once leave another's alone")
    func hangingLookupsAtOnce() async throws {
        try await Self.withHangingLookups { _, server, fetcher in
            let dead = (0..<20).map { _ in Task { await Self.fetch(fetcher, "/", of: server, host: "dead.example.test") } }
            #expect(await comesTrue { fetcher.freeDownloads == 6 })
            #expect(await Self.fetch(fetcher, "/", of: server, for: Self.other) == .image("image"))
            for task in dead { task.cancel() }
            for task in dead { #expect(await task.value == .unavailable("could not be fetched")) }
            #expect(await comesTrue { fetcher.freeDownloads == 12 })
        }
    }

    @Test("An image is held from its first byte on, and one that fails is not")
    func memory() async throws {
        let body = [UInt8](repeating: 7, count: 2_000_000)
        try await TestServer.run { request in
            let length = request.target == "/half" ? "Content-Length: 2000001\r\nConnection: close" : "Content-Length: 2000000"
            return .sendBody(head: "HTTP/1.1 200 OK\r\n\(length)\r\n\r\n", body: body)
        } _: { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port])
            let budget = MemoryBudget(bytesMax: 5_000_000)
            let reservation = budget.reservation(for: FetcherFixture.account)
            func fetch(_ path: String, within time: Duration = .seconds(10)) async -> Result<[UInt8], ImageFetchProblem> {
                await FetcherFixture.result(
                    of: fetcher, "https://img.example.test:\(server.port)\(path)", within: time, holding: reservation)
            }
            for count in 1...2 {
                #expect(await fetch("/") == .success(body))
                #expect(reservation.heldBytes == count * 2_000_000)
            }
            #expect(await fetch("/") == .failure(.refused(.tooManyRequests(.bodyBytes, retryAfterSeconds: 1))))
            #expect(reservation.heldBytes == 4_000_000, "what came of the third is let go of")
            reservation.shrink(by: 2_000_000)
            #expect(await fetch("/half", within: .milliseconds(300)) == .unavailable("could not be fetched in time"))
            #expect(await comesTrue { reservation.heldBytes == 2_000_000 && fetcher.freeDownloads == 12 })
            reservation.close()
            #expect(budget.reservedBytes == 0)
        }
    }
}
