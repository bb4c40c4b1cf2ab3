import CoreMetrics
import Foundation
import Personas
import PersonasDB
import PersonasHTTP
import PersonasS3
import TestObjectStore
import TestPostgres
import TestSupport

@testable import PersonasCLI

/// Where the data of a service under test are: in its folder, or in a database and a bucket where all exchanges are to be held against these.
enum TestPlace {
    /// What the environment says: not `PERSONAS_TEST_STORE=postgres`.
    static let isSQLite = ProcessInfo.processInfo.environment["PERSONAS_TEST_STORE"] != "postgres"

    /// Lends a place that is gone afterwards.
    /// - Parameter directory: the folder of the test.
    static func lend(_ directory: String, _ body: (StorePlace, StoredData) async throws -> Void) async throws {
        guard !isSQLite else { return try await body(.folder(directory), .folder(directory)) }
        let (server, store) = (try PostgresServer.shared.get(), try await ObjectStoreServer.running())
        let media = try S3Location(
            "s3://\(ObjectStoreServer.bucket)/\(UUID().uuidString)?endpoint=http://127.0.0.1:\(store.port)&region=\(ObjectStoreServer.region)"
        )
        let credentials = try S3Credentials(environment: ObjectStoreServer.owner)
        @Sendable func place(_ address: String, _ secretsKeyFile: String) throws -> SharedPlace {
            SharedPlace(
                database: address, words: try PostgresStorage.words(for: address), media: media, credentials: credentials,
                secretsKeyFile: secretsKeyFile)
        }
        let template = try await PostgresTemplates.shared.name("http") { address in
            let settings = try Settings(flags: [:], configurationFile: nil, environment: [:])
            let opened = try StorePlace.shared(place(address, "/nowhere")).open(
                settings, asksForTopUps: false, metrics: NOOPMetricsHandler.instance, clock: .system)
            let outcome: Result<[String], any Error>
            do { outcome = .success(try await opened.stores.migrate()) } catch { outcome = .failure(error) }
            await opened.close()
            _ = try outcome.get()
        }
        let objects = TestBucket(media, credentials)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(
                try await server.withDatabase(like: template) { name in
                    let data = StoredData.shared(objects) { try server.run($0, in: name) }
                    try await body(.shared(place(server.address(of: name), directory + "/secrets.key")), data)
                })
        } catch {
            outcome = .failure(error)
        }
        await objects.close()
        try outcome.get()
    }
}

extension HTTPConfiguration {
    /// Lets one key do what many clients do. The bucket of the tests is one process for what providers have thousands for: over it some of the requests run
    /// at a time, and the others wait for their turn.
    /// - Parameter count: how many may run at a time.
    static func crowd(_ count: Int) -> HTTPConfiguration {
        var configuration = HTTPConfiguration()
        configuration.rateLimits = RateLimitPolicy(inFlightMax: TestPlace.isSQLite ? count : min(count, 20))
        if !TestPlace.isSQLite { configuration.overLimitWait = timeout }
        return configuration
    }
}
