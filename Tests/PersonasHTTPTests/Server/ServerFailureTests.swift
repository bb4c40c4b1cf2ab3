import ErrorEnvelope
import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import NIOCore
import Personas
import PersonasDB
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// Failures of the server itself: what clients learn of them, what the log does, and that nothing half done stays.
@Suite("A failure of the server", .serialized)
struct ServerFailureTests {
    @Test(
        "to store an image is UPLOAD_FAILED, leaves no item, and is over when the disk is well again", .enabled(if: TestPlace.isSQLite),
        arguments: Mount.all)
    func uploadFailed(mount: Mount) async throws {
        try await TestService.run { service in
            try service.data.breakImages()
            try await service.withoutTrace {
                let answer = try await service.send(.post, mount.creation, .create("Nova"), isFailureExpected: true)
                answer.expect(500, .uploadFailed, "An image could not be stored")
                let line = try #require(service.log.lines.last { $0.message == "Request failed" })
                #expect(line.metadata["error"]?.contains("mediaNotStored") == true)
                #expect(line.metadata["hb.request.id"] == answer.requestID)
                #expect(!answer.text.contains("incoming"))
                #expect(try await service.training.lease(limit: 1, waiting: .zero).isEmpty)
            }
            try service.data.mendImages()
            #expect(try await service.send(.post, mount.creation, .create("Nova")).string("id") != nil)
        }
    }

    @Test("to store a portrait is UPLOAD_FAILED, and the job goes on", .enabled(if: TestPlace.isSQLite))
    func portraitNotStored() async throws {
        try await TestService.run { service in
            let worker = try await service.newKey(account: "worker", scopes: [.trainer])
            try await service.create(.persona, "Nova")
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            try service.data.breakImages()
            let body = TestBody(#"{"lease_token":"\#(job.leaseToken.text)","portrait_base64":"\#(Picture.base64(Picture.jpeg))"}"#)
            try await service.send(.post, "/v2/training/\(job.id)/complete", body, key: worker, isFailureExpected: true)
                .expect(500, .uploadFailed, "An image could not be stored")
            try service.data.mendImages()
            #expect(try await service.send(.post, "/v2/training/\(job.id)/complete", body, key: worker).status == 200)
        }
    }

    /// Keys that cannot be looked up.
    private struct BrokenKeys: APIKeyStore {
        static let secret = "SQLite 10: disk I/O error in /srv/secret/personas.sqlite"

        func insert(_ key: APIKey, secret: APIKeySecret, in context: WriteContext<Void>) async throws(Failure) {
            throw .unexpected(Self.secret)
        }

        func find(secret: String) async throws(Failure) -> PresentedKey? { throw .unexpected(Self.secret) }

        func findNow(secret: String) throws(Failure) -> KeyLookup { throw .unexpected(Self.secret) }

        func keys(
            accountName: String?, includingDeleted includesDeleted: Bool, after id: Identifier?, limit: Int
        ) async throws(Failure) -> [ListedKey] {
            throw .unexpected(Self.secret)
        }

        func key(_ id: Identifier) async throws(Failure) -> ListedKey { throw .unexpected(Self.secret) }

        func rotate(
            _ id: Identifier, to secret: APIKeySecret, overlap: KeyOverlap, in context: WriteContext<ListedKey>
        ) async throws(Failure) -> ListedKey {
            throw .unexpected(Self.secret)
        }

        func record(_ uses: [KeyUse]) async throws(Failure) { throw .unexpected(Self.secret) }

        func setState(_ state: APIKey.State, of id: Identifier, in context: WriteContext<ListedKey>) async throws(Failure) -> ListedKey {
            throw .unexpected(Self.secret)
        }
    }

    @Test("that was not expected is INTERNAL_ERROR; its words go to the log alone")
    func unexpected() async throws {
        try await TestService.run { service in
            let useCases = HTTPUseCases(
                catalog: service.catalog, trash: service.useCases.trash, revisions: service.useCases.revisions, training: service.training,
                authentication: Authentication(keys: BrokenKeys()), webhooks: service.useCases.webhooks,
                idempotency: service.useCases.idempotency, decoding: service.useCases.decoding,
                maintenance: service.storage.maintenance, schema: service.storage.schema, epoch: service.storage.epoch,
                changes: service.storage.changes, events: service.storage.events, feed: service.storage.feed, archives: service.archives)
            let log = LogRecorder(level: .trace)
            let http = HTTPService(
                configuration: HTTPConfiguration(), useCases: useCases, publicURL: PublicURL(nil), logger: log.logger,
                accessLog: service.accessLog)
            try await http.application().test(.router) { client in
                let response = try await client.executeRequest(
                    uri: "/v2/personas", method: .get,
                    headers: [.apiKey: service.key, .traceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"], body: nil)
                let answer = Answer(status: response.status.code, headers: response.headers, bytes: [UInt8](buffer: response.body))
                answer.check(.get, isFailureExpected: true, sourceLocation: #_sourceLocation)
                answer.expect(500, .internalError, "An unexpected error occurred")
                let line = try #require(log.lines.first { $0.message == "Request failed" })
                #expect(line.level == .error)
                #expect(line.metadata["error"]?.contains(BrokenKeys.secret) == true)
                #expect(line.metadata["hb.request.id"] == answer.requestID)
                #expect(line.metadata["trace_id"] == "0af7651916cd43dd8448eb211c80319c")
                #expect(line.metadata["parent_id"] == "b7ad6b7169203331")
                let entry = try #require(service.accessLog.entries.last)
                #expect(entry.requestID == answer.requestID)
                #expect(entry.status == 500 && entry.code == .internalError)
            }
        }
    }

    /// Answers that cannot be kept.
    private struct FullAnswers: IdempotencyStore {
        static let secret = "SQLite 13: database or disk is full in /srv/secret"

        func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) -> ClaimOutcome { .claimed(.random()) }

        func release(_ claim: ClaimID, of request: IdempotentRequest) {}

        func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp) async throws(Failure) {
            throw .storeBusy(Self.secret)
        }

        func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int { 0 }
    }

    @Test("to keep a refusal is none to the client: it gets its refusal, the log a warning, and its key is free for the next try")
    func refusalNotKept() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(ReserveNames(["Admin"]))
            let useCases = HTTPUseCases(
                catalog: service.catalog, trash: service.useCases.trash, revisions: service.useCases.revisions, training: service.training,
                authentication: service.useCases.authentication, webhooks: service.useCases.webhooks,
                idempotency: Idempotency(records: FullAnswers(), clock: .system), decoding: service.useCases.decoding,
                maintenance: service.storage.maintenance, schema: service.storage.schema, epoch: service.storage.epoch,
                changes: service.storage.changes, events: service.storage.events, feed: service.storage.feed, archives: service.archives)
            let log = LogRecorder(level: .trace)
            let http = HTTPService(
                configuration: HTTPConfiguration(), useCases: useCases, publicURL: PublicURL(nil), logger: log.logger,
                accessLog: service.accessLog)
            try await http.application().test(.router) { client in
                for attempt in 1...2 {
                    let response = try await client.executeRequest(
                        uri: "/v2/personas", method: .post,
                        headers: [.apiKey: service.key, .contentType: "application/json", HTTPField.Name("Idempotency-Key")!: "k"],
                        body: ByteBuffer(bytes: TestBody.create("Admin").bytes))
                    let answer = Answer(status: response.status.code, headers: response.headers, bytes: [UInt8](buffer: response.body))
                    answer.check(.post, isFailureExpected: false, sourceLocation: #_sourceLocation)
                    answer.expect(
                        409, .nameReserved, ErrorCode.nameReserved.defaultMessage,
                        details: #"{"field":"name","message":"\#(ErrorCode.nameReserved.defaultMessage)"}"#)
                    #expect(answer.headers[HTTPField.Name("Idempotent-Replayed")!] == nil)
                    let warnings = log.lines.filter { $0.message == "a refusal could not be kept for replay" }
                    #expect(warnings.count == attempt)
                    #expect(warnings.last?.level == .warning)
                    #expect(warnings.last?.metadata["reason"]?.contains(FullAnswers.secret) == true)
                    #expect(warnings.last?.metadata["hb.request.id"] == answer.requestID)
                }
            }
        }
    }
}
