import Foundation
import MetricsTestKit
import NIOSSL
import Personas
import TestSupport
import Testing

@testable import PersonasOutbound

@Suite("What downloads count", .timeLimit(.minutes(1)))
struct DownloadMetricsTests {
    private func ended(_ metrics: TestMetrics) -> [Int64] {
        ["fetched", "too_large", "forbidden", "unavailable", "refused"].map {
            metrics.counterTotal(label: "personas_downloads_total", dimensions: [("outcome", $0)])
        }
    }

    @Test("Every download is counted once, by its end; none is in flight afterwards")
    func outcomes() async throws {
        try await TestServer.run(reply: { request in
            switch request.target {
            case "/large": .send("HTTP/1.1 200 OK\r\nContent-Length: \(Limits.imageBytesMax + 1)\r\n\r\n")
            case "/missing": .send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            case "/inside": .send("HTTP/1.1 302 Found\r\nLocation: https://inside.test/\r\nContent-Length: 0\r\n\r\n")
            default: .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage")
            }
        }) { server in
            let metrics = TestMetrics()
            let fetcher = try FetcherFixture.fetcher(ports: [server.port], metrics: metrics)
            let host = "https://img.example.test:\(server.port)"
            for (url, counts) in [
                ("\(host)/a", [1, 0, 0, 0, 0]), ("\(host)/b", [2, 0, 0, 0, 0]), ("\(host)/large", [2, 1, 0, 0, 0]),
                ("\(host)/missing", [2, 1, 0, 1, 0]),
                ("\(host)/inside", [2, 1, 1, 1, 0]), ("https://inside.test/", [2, 1, 2, 1, 0]), ("not a url", [2, 1, 2, 2, 0]),
                ("http://img.example.test/", [2, 1, 2, 3, 0]),
            ] as [(String, [Int64])] {
                _ = await FetcherFixture.result(of: fetcher, url)
                #expect(ended(metrics) == counts, "\(url)")
            }
            #expect(await comesTrue { fetcher.freeDownloads == 12 })
            let inFlight = try metrics.expectMeter("personas_downloads_in_flight")
            #expect(inFlight.lastValue == 0 && inFlight.values.contains(1))
        }
    }

    @Test("What keeps a connection from being made has outcomes of its own")
    func unreachable() async throws {
        let metrics = TestMetrics()
        func ended(_ outcome: String) -> Int64 {
            metrics.counterTotal(label: "personas_downloads_total", dimensions: [("outcome", outcome)])
        }
        let port = try await TestServer.run(tlsVersionMax: .tlsv11, reply: { _ in .hang }) { server in
            let fetcher = try FetcherFixture.fetcher(ports: [server.port], metrics: metrics)
            _ = await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/", within: .zero)
            _ = await FetcherFixture.result(of: fetcher, "https://img.example.test:\(server.port)/")
            return server.port
        }
        #expect(ended("overdue") == 1 && ended("insecure") == 1)
        _ = await FetcherFixture.result(
            of: try FetcherFixture.fetcher(ports: [port], metrics: metrics), "https://img.example.test:\(port)/")
        #expect(ended("unreachable") == 1)
        let silent = StubResolver { _, _ in throw SystemHostResolver.LookupProblem(code: EAI_AGAIN) }
        let unknown = StubResolver { _, _ in throw SystemHostResolver.LookupProblem(code: EAI_NONAME) }
        for resolver in [silent, unknown] {
            let fetcher = try FetcherFixture.fetcher(ports: [], resolver: resolver, metrics: metrics)
            _ = await FetcherFixture.result(of: fetcher, "https://img.example.test/")
        }
        #expect(ended("lookup_failed") == 1 && ended("forbidden") == 1)
    }

    @Test("Downloads that wait for a place are counted until they have one, or have given up")
    func waiting() async throws {
        try await TestServer.run(reply: { _ in .hang }) { server in
            let metrics = TestMetrics()
            let fetcher = try FetcherFixture.fetcher(ports: [server.port], metrics: metrics) { $0.downloadsMax = 1 }
            let url = "https://img.example.test:\(server.port)/"
            let inFlight = try metrics.expectMeter("personas_downloads_in_flight")
            let waiting = try metrics.expectMeter("personas_downloads_queue_depth")
            let first = Task { await FetcherFixture.result(of: fetcher, url) }
            #expect(await comesTrue { inFlight.lastValue == 1 })
            let others = (0..<2).map { _ in Task { await FetcherFixture.result(of: fetcher, url) } }
            #expect(await comesTrue { waiting.lastValue == 2 })
            others[0].cancel()
            #expect(await comesTrue { waiting.lastValue == 1 })
            first.cancel()
            #expect(await comesTrue { waiting.lastValue == 0 && inFlight.values.count >= 3 })
            others[1].cancel()
            for task in [first] + others { _ = await task.value }
            #expect(await comesTrue { inFlight.lastValue == 0 })
            #expect(ended(metrics) == [0, 0, 0, 3, 0])
        }
    }
}
