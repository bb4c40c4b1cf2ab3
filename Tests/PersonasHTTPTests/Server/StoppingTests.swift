import HTTPTypes
import Logging
import Personas
import PersonasDB
import PersonasHTTP
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

/// A server's end.
@Suite("A server that stops", .serialized)
struct StoppingTests {
    /// Tells how many requests have come as far as the question for maintenance, which every one asks.
    private final class Arrivals: MaintenanceStore {
        private let asked = Mutex(0)

        var count: Int { asked.withLock { $0 } }

        var maintenance: Maintenance {
            asked.withLock { $0 += 1 }
            return Maintenance(isOn: false)
        }

        func set(_ maintenance: Maintenance, in context: WriteContext<Void>) async throws(Failure) {}
    }

    @Test("answers the worker who waits, at once, closes its port and returns")
    func stops() async throws {
        try await TestService.run { service in
            let worker = try await service.administration.newKey(account: "worker", scopes: [.trainer])
            let arrivals = Arrivals()
            let useCases = HTTPUseCases(
                catalog: service.catalog, trash: service.useCases.trash, revisions: service.useCases.revisions, training: service.training,
                authentication: service.useCases.authentication, webhooks: service.useCases.webhooks,
                idempotency: service.useCases.idempotency, decoding: service.useCases.decoding,
                maintenance: arrivals, schema: service.useCases.schema, epoch: service.useCases.epoch, changes: service.useCases.changes,
                events: service.storage.events, feed: service.storage.feed, archives: service.archives)
            var configuration = HTTPConfiguration()
            configuration.port = 0
            let (addresses, listening) = AsyncStream.makeStream(of: String.self)
            let http = HTTPService(
                configuration: configuration, useCases: useCases, publicURL: PublicURL(), logger: service.log.logger,
                accessLog: service.accessLog
            ) { listening.yield($0) }
            let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: [http], logger: service.log.logger))
            try await withThrowingTaskGroup(of: RawExchange?.self) { tasks in
                tasks.addTask {
                    try await group.run()
                    return nil
                }
                let address = try #require(await addresses.first { _ in true })
                let port = try #require(address.split(separator: ":").last.flatMap { Int($0) })
                #expect(address == "http://127.0.0.1:\(port)")
                tasks.addTask {
                    // The longest wait is longer than an exchange may take.
                    let body = #"{"wait_seconds":30}"#
                    let head = "POST /v2/training/lease HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(worker)\r\nContent-Type: application/json\r\n"
                    return try await rawExchange(.port(port), sending: "\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                }
                try await eventually("the worker waits") { arrivals.count == 1 }
                await group.triggerGracefulShutdown()
                for try await exchange in tasks {
                    guard let exchange else { continue }
                    #expect(exchange.answers.map(\.status) == [204])
                    #expect(exchange.wasClosed)
                }
                await #expect(throws: (any Error).self) { try await rawExchange(.port(port), sending: "") }
            }
        }
    }

    @Test(
        "answers on while it drains, says that it is not ready, and ends each connection with its answer, on both ways",
        arguments: [true, false])
    func drains(immediately: Bool) async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            var configuration = HTTPConfiguration()
            configuration.port = 0
            configuration.answersImmediately = immediately
            let (addresses, listening) = AsyncStream.makeStream(of: String.self)
            let http = HTTPService(
                configuration: configuration, useCases: service.useCases, publicURL: PublicURL(), logger: service.log.logger,
                accessLog: service.accessLog
            ) { listening.yield($0) }
            let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: [http], logger: service.log.logger))
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                let address = try #require(await addresses.first { _ in true })
                let port = try #require(address.split(separator: ":").last.flatMap { Int($0) })
                @Sendable func get(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(service.key)\r\n\r\n" }
                // One that was there before is answered once more.
                let kept = try await rawExchange(.port(port)) { writer in
                    try await writer.write(get("/readyz"))
                    try await writer.awaitAnswer(#"{"status":"ok"}"#)
                    http.drain()
                    try await writer.write(get("/v2/personas/\(id)"))
                }
                #expect(kept.answers.map(\.status) == [200, 200] && kept.wasClosed)
                #expect(kept.answers.map { $0.headers[.connection] } == [nil, "close"])
                let bad = "GET / HTTP/1.1\r\n\r\n"
                for (request, status) in [
                    (get("/readyz"), 503), (get("/healthz"), 200), (get("/v2/personas/\(id)"), 200), (get("/nowhere"), 404), (bad, 400),
                ] {
                    let exchange = try await rawExchange(.port(port), sending: request)
                    #expect(exchange.answers.map(\.status) == [status] && exchange.wasClosed, "\(request)")
                    #expect(exchange.answers.map { $0.headers[.connection] } == ["close"], "\(request)")
                }
                #expect(http.cutOffRequestCount == 0)
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
        }
    }
}
