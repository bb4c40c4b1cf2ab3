import NIOCore
import Personas
import Synchronization
import TestSupport
import Testing

@testable import PersonasOutbound

/// One at a time, because they measure.
@Suite("Deadlines of downloads", .serialized, .timeLimit(.minutes(1)))
struct DeadlineTests {
    /// How a host can keep us waiting.
    enum Delay: String, CaseIterable, Sendable {
        case silentLookup, silentHandshake, silentServer, drippingHead, drippingBody, redirectingForEver
    }

    private static let overdue = Result.unavailable("could not be fetched in time")
    /// Far above what is needed, because the machine may be busy with something else; without a deadline the hosts below would take for ever.
    private static let overshootMax = Duration.seconds(2)

    @Test("Whatever a host does, the answer comes at the deadline", arguments: Delay.allCases)
    func overshoot(delay: Delay) async throws {
        let hanging = Hanging()
        defer { hanging.end() }
        try await TestServer.run(tls: delay != .silentHandshake) { _ in
            switch delay {
            case .drippingHead: .drip("HTTP/1.1 200 OK\r\nX-Slow: ")
            case .drippingBody: .drip("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            case .redirectingForEver: .send("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
            case .silentLookup, .silentHandshake, .silentServer: .hang
            }
        } _: { server in
            let resolver = StubResolver { _, _ in
                if delay == .silentLookup { await hanging.wait() }
                return [.allowed]
            }
            let fetcher = try FetcherFixture.fetcher(ports: [server.port], resolver: resolver) { $0.redirectsMax = 1_000_000 }
            let start = ContinuousClock.now
            #expect(
                await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/", within: .milliseconds(150))
                    == Self.overdue)
            let taken = start.duration(to: .now)
            #expect(taken >= .milliseconds(149) && taken < .milliseconds(150) + Self.overshootMax)
            hanging.end()
            // Nothing is left behind: no connection, no place.
            #expect(await comesTrue { fetcher.freeDownloads == 12 && server.connectionsOpen == 0 })
        }
    }

    @Test("The time of one image holds where the caller allows more")
    func imageSeconds() async throws {
        try await TestServer.run(reply: { _ in .hang }) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port]) { $0.imageSecondsMax = 0.1 }
            let start = ContinuousClock.now
            #expect(
                await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/", within: .seconds(20))
                    == Self.overdue)
            #expect(start.duration(to: .now) < .seconds(5))
        }
    }

    @Test("A deadline that has passed, and one far away, are deadlines")
    func extremes() async throws {
        try await TestServer.run(reply: { _ in .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage") }) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port])
            let url = "https://img.example.test:\(server.port)/"
            #expect(await FetcherFixture.result(of: fetcher, url, within: .seconds(-1)) == Self.overdue)
            #expect(await FetcherFixture.result(of: fetcher, url, within: .seconds(1_000_000_000_000)) == .image("image"))
            #expect(await comesTrue { fetcher.freeDownloads == 12 })
        }
    }

    @Test("A caller that is cancelled gets its answer at once, and the connection is closed")
    func cancellation() async throws {
        try await TestServer.run(reply: { _ in .hang }) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port])
            let task = Task { await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/") }
            #expect(await comesTrue { server.requests.count == 1 })
            let start = ContinuousClock.now
            task.cancel()
            #expect(await task.value == .unavailable("could not be fetched"))
            #expect(start.duration(to: .now) < .seconds(2))
            #expect(await comesTrue { fetcher.freeDownloads == 12 && server.connectionsOpen == 0 })
        }
    }

    @Test("Downloads beyond the bound wait for their turn, within their deadline")
    func turns() async throws {
        try await TestServer.run { request in
            request.target == "/slow" ? .hang : .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage")
        } _: { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port]) { $0.downloadsMax = 1 }
            let base = "https://img.example.test:\(server.port)"
            let slow = Task { await FetcherFixture.result(of: fetcher, "\(base)/slow") }
            #expect(await comesTrue { server.requests.count == 1 })
            #expect(await FetcherFixture.result(of: fetcher, "\(base)/fast", within: .milliseconds(50)) == .ownShareUsedUp)
            let waiting = Task { await FetcherFixture.result(of: fetcher, "\(base)/fast") }
            #expect(server.requests.count == 1)
            slow.cancel()
            #expect(await slow.value == .unavailable("could not be fetched"))
            #expect(await waiting.value == .image("image"))
            #expect(await comesTrue { fetcher.freeDownloads == 1 })
        }
    }

    @Test("Many downloads at once leave nothing behind")
    func many() async throws {
        try await TestServer.run(reply: { _ in .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage") }) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port])
            await withTaskGroup(of: Result<[UInt8], ImageFetchProblem>.self) { group in
                for number in 0..<60 {
                    group.addTask { await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/\(number)") }
                }
                for await result in group { #expect(result == .image("image")) }
            }
            #expect(server.connectionsAccepted == 60)
            #expect(await comesTrue { fetcher.freeDownloads == 12 && server.connectionsOpen == 0 })
        }
    }

    @Test("Names of the own machine are found by the system, and dead names are errors")
    func systemResolver() async throws {
        let resolver = SystemHostResolver(lookupsMax: 2, takesSearchDomains: true)
        let addresses = try await resolver.addresses(of: "localhost")
        #expect(!addresses.isEmpty)
        #expect(addresses.allSatisfy { !AddressPolicy.isPublic($0) })
        await #expect(throws: (any Error).self) { try await resolver.addresses(of: "") }
    }
}

/// Something that does not end until it is told to, whatever is cancelled.
final class Hanging: Sendable {
    private struct State {
        var isOver = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiting.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    func end() {
        let waiting = state.withLock { state in
            state.isOver = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
