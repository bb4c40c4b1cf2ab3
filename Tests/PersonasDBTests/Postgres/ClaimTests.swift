import Personas
import TestPostgres
import Testing

@testable import PersonasDB

/// Claims on idempotency keys, which outlive the process that made them.
@Suite("Claims that processes share", .timeLimit(.minutes(5)))
struct ClaimTests {
    @Test("end by themselves unless they are prolonged, by nobody but who has them, and not once there is an answer")
    func prolonged() async throws {
        let server = try PostgresServer.shared.get()
        try await server.withDatabase { name in
            let storage = try PostgresStorage(
                PostgresStorage.Configuration(database: server.address(of: name), secretsKeyFile: "/nowhere", spoolFolder: "/nowhere"),
                blobs: NowhereBlobs())
            defer { storage.close() }
            _ = try await storage.migrate()
            let store = storage.idempotency
            #expect(store.areClaimsShared)
            let accountID = Identifier.random()
            try server.run("INSERT INTO account VALUES ('\(accountID.text)', 'acme', 0, 1, 0)", in: name)
            let scope = IdempotentRequest.Scope(
                accountID: accountID, operation: "POST /v2/personas", key: try IdempotencyKey(quotable: "key"))
            let request = IdempotentRequest(scope: scope, fingerprint: [UInt8](repeating: 7, count: 32))

            let first = try Self.claim(try await store.claim(request, until: Self.second(12), at: Self.second(0)))
            await store.prolong(first, of: request, until: Self.second(16))
            await store.prolong(.random(), of: request, until: Self.second(90))
            await #expect(throws: Failure.idempotencyKeyInUse) {
                try await store.claim(request, until: Self.second(27), at: Self.second(15))
            }
            let second = try Self.claim(try await store.claim(request, until: Self.second(28), at: Self.second(16)))
            // The first has lost it, and what it writes has to be undone.
            await store.prolong(first, of: request, until: Self.second(90))
            await #expect(throws: Failure.idempotencyKeyInUse) {
                try await store.keep([1], for: request, under: first, at: Self.second(17))
            }
            try await store.keep([2], for: request, under: second, at: Self.second(18))
            await store.prolong(second, of: request, until: Self.second(90))
            let kept = try await store.claim(request, until: Self.second(112), at: Self.second(100))
            #expect(kept == .recorded(IdempotencyRecord(fingerprint: request.fingerprint, answer: [2])))
        }
    }

    private static func claim(_ outcome: ClaimOutcome) throws -> ClaimID {
        guard case .claimed(let claim) = outcome else { throw Failure.unexpected("Something is kept already: \(outcome)") }
        return claim
    }

    private static func second(_ number: Int64) -> Timestamp { Timestamp(milliseconds: 1_700_000_000_000 + number * 1_000) }
}

/// Where nobody stores anything.
private struct NowhereBlobs: BlobStore {
    func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] { throw .mediaNotStored("nowhere") }
    func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) { throw .mediaNotStored("nowhere") }
    func open(_ key: BlobKey) async throws(Failure) -> any Blob { throw .notFound }
    func isIntact(_ key: BlobKey) async throws(Failure) -> Bool { throw .notFound }
    func delete(_ key: BlobKey) async throws(Failure) {}
    func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {}
}
