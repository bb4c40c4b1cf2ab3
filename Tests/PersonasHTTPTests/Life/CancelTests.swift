import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasDB
import TestImages
import TestSupport
import Testing

extension TestService {
    /// What was told of an account's items, without its progress.
    func told() async throws -> [(type: String, changed: [String], requestID: String?)] {
        let account = try await storage.accounts.account(named: "studio")
        return try await storage.events.events(EventFilter(), after: 0, limit: 1_000, accountID: account.id).events
            .filter { !$0.type.isProgress }.map { ($0.type.text, $0.changed, $0.requestID) }
    }

    static func key(_ text: String) -> HTTPFields { [HTTPField.Name("Idempotency-Key")!: text] }

    /// The lease of the one job that waits.
    func lease() async throws -> LeasedJob { try #require(try await training.lease(limit: 1, waiting: .zero).first) }
}

/// What is cancelled, and what its worker learns.
@Suite("Cancelling", .serialized)
struct CancelTests {
    private static let stale = Failure.staleLease

    @Test("is no check of anything: whoever asks for one is refused, and so with a retry", arguments: ["cancel", "retry"])
    func check(call: String) async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            let refused = try await service.send(.post, "/v2/personas/\(id)/\(call)?validate_only=true")
            #expect(refused.status == 400 && refused.text.contains("validate_only is not taken by this call"))
            #expect(try await service.send(.get, "/v2/personas/\(id)").object?["status"] as? String == "processing")
        }
    }

    @Test("ends the training at once, and the worker learns of it with its next sign of life", arguments: Mount.all)
    func cancel(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            let job = try await service.lease()
            _ = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 40)
            let answer = try await service.send(.post, "\(mount.item(id.uppercased()))/cancel")
            answer.expect(200, mount.failed("Nova", progress: 40, .cancelled(mount.mode)))
            #expect(answer.headers[.eTag] == service.tag(3))
            let beat = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 50)
            #expect(beat.isCancelled)
            try await service.withoutTrace {
                await #expect(throws: Self.stale) {
                    try await service.training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
                }
                await #expect(throws: Self.stale) {
                    try await service.training.fail(
                        job.id, token: job.leaseToken, error: TrainingError(code: .failed, message: "It broke"), retryable: true)
                }
                try await service.send(.post, "\(mount.item(id))/cancel").expect(
                    409, .conflict, "This \(mount.mode) is settled already; there is nothing to cancel")
            }
            try await service.send(.get, mount.item(id)).expect(200, mount.failed("Nova", progress: 40, .cancelled(mount.mode)))
            let told = try await service.told()
            #expect(told.map(\.type) == ["\(mount.mode).created", "\(mount.mode).failed"])
            #expect(told.last?.changed == ["status", "error"])
            #expect(told.last?.requestID == answer.requestID)
            #expect(try await service.training.lease(limit: 1, waiting: .zero).isEmpty)
        }
    }

    @Test("is refused where there is nothing to cancel, and by whom it does not concern")
    func refused() async throws {
        try await TestService.run { service in
            let done = try await service.createCompleted(.persona, "Done")
            let id = try await service.create(.persona, "Nova")
            let other = try await service.newKey(account: "other")
            let reader = TestService.Key.text(try await service.key(scopes: [.read]).key)
            for call in ["cancel", "retry"] {
                try await service.withoutTrace {
                    let nothing =
                        call == "cancel" ? "is settled already; there is nothing to cancel" : "has not failed; there is nothing to retry"
                    try await service.send(.post, "/v2/personas/\(done)/\(call)").expect(409, .conflict, "This persona \(nothing)")
                    try await service.send(.post, "/v2/personas/\(id)/\(call)", key: other).expect(404, .notFound, "Not found")
                    try await service.send(.post, "/v2/styles/\(id)/\(call)").expect(404, .notFound, "Not found")
                    #expect(try await service.send(.post, "/v2/personas/7/\(call)").envelope.error.code == .invalidPersona)
                    #expect(try await service.send(.post, "/v2/styles/7/\(call)").envelope.error.code == .invalidStyle)
                    try await service.send(.post, "/v2/pikzonality/7/\(call)").expect(404, .notFound, "Not found")
                    #expect(try await service.send(.post, "/v2/personas/\(id)/\(call)", key: reader).status == 403)
                    #expect(
                        try await service.send(.post, "/v2/personas/\(id)/\(call)", "x=1", headers: [.contentType: "text/plain"]).status
                            == 415)
                    #expect(try await service.send(.post, "/v2/personas/\(id)/\(call)", "[]").status == 400)
                }
            }
            try await service.withoutTrace {
                try await service.send(.post, "/v2/personas/\(id)/cancel", headers: [.ifMatch: "\"v9\""]).expect(
                    412, .preconditionFailed, "The resource has changed: If-Match does not match")
                #expect(try await service.send(.post, "/v2/personas/\(id)/cancel", headers: [.ifMatch: "nonsense"]).status == 400)
                #expect(try await service.send(.get, "/v2/personas/\(id)/cancel").status == 405)
            }
            #expect(try await service.send(.post, "/v2/personas/\(id)/cancel", "{}", headers: [.ifMatch: service.tag(1)]).status == 200)
            // What is refused anyway is refused for that, and not for the condition.
            #expect(try await service.send(.post, "/v2/personas/\(id)/cancel", headers: [.ifMatch: "\"v9\""]).status == 409)
        }
    }

    @Test("is done once under an idempotency key, whatever became of the item since, and for another item anew")
    func idempotent() async throws {
        try await TestService.run { service in
            let (first, second) = (try await service.create(.persona, "One"), try await service.create(.persona, "Two"))
            let path = "/v2/personas/\(first)/cancel"
            let answer = try await service.send(.post, path, headers: TestService.key("k"))
            #expect(answer.status == 200)
            #expect(try await service.send(.post, "/v2/personas/\(first)/retry", headers: TestService.key("k")).status == 200)
            try await service.withoutTrace {
                let again = try await service.send(.post, path, headers: TestService.key("k"))
                #expect(again.bytes == answer.bytes && again.headers[.eTag] == answer.headers[.eTag])
                #expect(again.header("Idempotent-Replayed") == "true")
                #expect(try await service.send(.post, path, #"{"a":1}"#, headers: TestService.key("k")).status == 422)
                #expect(try await service.send(.post, "/v2/personas/\(second)/cancel", headers: TestService.key("k")).status == 422)
                // An answer that was kept comes before the condition.
                var fields = TestService.key("k")
                fields[.ifMatch] = "\"v9\""
                #expect(try await service.send(.post, path, headers: fields).status == 200)
            }
        }
    }

    @Test("answers those who wait for the end, and of two at once one", arguments: ["cancel", "when=settled"])
    func waited(how: String) async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            if how == "when=settled" { #expect(try await service.send(.delete, "/v2/personas/\(id)?when=settled").status == 202) }
            async let waiting = service.send(.get, "/v2/personas/\(id)?wait=60")
            try await eventually("a read that waits") { service.storage.changes.watchCount > 0 }
            async let first = service.send(.post, "/v2/personas/\(id)/cancel")
            async let second = service.send(.post, "/v2/pikzonality/\(id)/cancel")
            let statuses = try await [first.status, second.status].sorted()
            if how == "cancel" {
                #expect(statuses == [200, 409])
                #expect(try await waiting.string("status") == "failed")
            } else {
                #expect(statuses == [200, 404])
                try await waiting.expect(404, .notFound, "Not found")
            }
        }
    }
}
