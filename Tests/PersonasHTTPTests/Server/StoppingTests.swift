import HTTPTypes
import Logging
import Personas
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
                catalog: service.catalog, training: service.training, authentication: service.useCases.authentication,
                idempotency: service.useCases.idempotency, decoding: service.useCases.decoding,
                maintenance: arrivals, schema: service.useCases.schema, epoch: service.useCases.epoch, changes: service.useCases.changes)
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
}
