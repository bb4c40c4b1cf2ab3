import CoreMetrics
import HTTPTypes
import HummingbirdTesting
import PersonasHTTP
import Synchronization
import Testing

/// The gate for large bodies, and the base of links.
@Suite("Gate and links")
struct GateTests {
    /// Who was behind a gate, and how many at a time.
    private final class Visits: Sendable {
        private struct State {
            var inside = 0
            var most = 0
            var entered: [Int] = []
        }

        private let state = Mutex(State())

        var most: Int { state.withLock { $0.most } }

        var entered: [Int] { state.withLock { $0.entered } }

        func enter(_ index: Int) {
            state.withLock { state in
                state.inside += 1
                state.most = max(state.most, state.inside)
                state.entered.append(index)
            }
        }

        func leave() { state.withLock { $0.inside -= 1 } }
    }

    @Test("lets in as many as it has places, and everyone in the end", arguments: [1, 2, 5])
    func places(places: Int) async {
        let gate = Gate(places: places)
        let visits = Visits()
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<50 {
                group.addTask {
                    await gate.enter()
                    visits.enter(index)
                    for _ in 0..<5 { await Task.yield() }
                    visits.leave()
                    gate.leave()
                }
            }
        }
        #expect(visits.entered.count == 50)
        #expect(visits.most <= places)
        // Every place is free again.
        for _ in 0..<places { await gate.enter() }
    }

    @Test("holds back one too many until somebody leaves, and then lets in one")
    func order() async throws {
        let registry = MetricsRegistry()
        let gate = Gate(places: 1, waiting: Meter(label: "waiting", factory: registry))
        await gate.enter()
        let visits = Visits()
        let tasks = (0..<3).map { index in
            Task {
                await gate.enter()
                visits.enter(index)
            }
        }
        for _ in 0..<200 { await Task.yield() }
        #expect(visits.entered.isEmpty)
        func waiting() -> String { String(decoding: registry.text(), as: UTF8.self) }
        try await eventually("all wait") { waiting().hasSuffix("\nwaiting 3\n") }
        for count in 1...3 {
            gate.leave()
            try await eventually("the next is in") { visits.entered.count == count }
            for _ in 0..<50 { await Task.yield() }
            #expect(visits.entered.count == count)
            #expect(waiting().hasSuffix("\nwaiting \(3 - count)\n"))
        }
        for task in tasks { await task.value }
        #expect(Set(visits.entered) == [0, 1, 2])
    }

    @Test("a cancelled task still gets its turn and gives it back")
    func cancelled() async {
        let gate = Gate(places: 1)
        await gate.enter()
        let task = Task {
            await gate.enter()
            gate.leave()
            return Task.isCancelled
        }
        task.cancel()
        gate.leave()
        #expect(await task.value)
        await gate.enter()
    }

    @Test("links begin with the operator's setting, or else with the address that came to be")
    func publicURL() {
        for (setting, base) in [
            ("https://a.test", "https://a.test"), ("https://a.test/", "https://a.test"), ("https://a.test/x//", "https://a.test/x"),
        ] {
            let url = PublicURL(setting)
            url.listening(at: "http://127.0.0.1:8080")
            #expect(url.base == base)
        }
        for setting in [nil, ""] as [String?] {
            let url = PublicURL(setting)
            #expect(url.base == "")
            url.listening(at: "http://127.0.0.1:8080")
            url.listening(at: "http://127.0.0.1:9090")
            #expect(url.base == "http://127.0.0.1:8080")
        }
    }

    @Test("links of a server without a setting lead back to it")
    func listening() async throws {
        try await TestService.run(.live, baseURL: nil) { service in
            let port = try #require(service.client.port)
            let created = try await service.send(.post, "/v2/personas", .create("Nova"))
            let id = try #require(created.string("id"))
            #expect(created.headers[.location] == "http://127.0.0.1:\(port)/v2/personas/\(id)")
            try await service.train()
            let item = try await service.send(.get, "/v2/personas/\(id)")
            #expect(item.string("portrait_url")?.hasPrefix("http://127.0.0.1:\(port)/media/") == true)
        }
    }
}
