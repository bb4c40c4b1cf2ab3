import ErrorEnvelope
import HTTPTypes
import Personas
import TestSupport
import Testing

/// Items as they are shown while training goes on, ends well, or ends badly.
@Suite("An item", .serialized)
struct ItemTests {
    @Test("shows how training goes, on both surfaces", arguments: Mount.all)
    func statuses(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            func expect(_ shape: String, tag: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
                for spelling in [id, id.uppercased()] {
                    let answer = try await service.send(.get, mount.item(spelling))
                    answer.expect(200, shape, sourceLocation: sourceLocation)
                    #expect(answer.headers[.eTag] == tag, sourceLocation: sourceLocation)
                    #expect(answer.text.contains(id), sourceLocation: sourceLocation)
                }
            }
            try await expect(mount.processing("Nova"), tag: service.tag(1))
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            try await expect(mount.processing("Nova"), tag: service.tag(1))
            _ = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 40)
            try await expect(mount.processing("Nova", progress: 40), tag: service.tag(2))
            _ = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 30)
            try await expect(mount.processing("Nova", progress: 40), tag: service.tag(2))
            _ = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 100)
            try await expect(mount.processing("Nova", progress: 99), tag: service.tag(3))
            try await service.training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
            try await expect(mount.completed("Nova"), tag: service.tag(4))
        }
    }

    @Test("says why training failed, on both surfaces", arguments: Mount.all)
    func failed(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            _ = try await service.training.heartbeat(job.id, token: job.leaseToken, progress: 70)
            let error = TrainingError(code: .rejected, message: "The images show more than one person")
            try await service.training.fail(job.id, token: job.leaseToken, error: error, retryable: false)
            try await service.send(.get, mount.item(id)).expect(200, mount.failed("Nova", progress: 70, error))
        }
    }

    @Test("says how long it was trained in vain, once all leases ran out")
    func timedOut() async throws {
        try await TestService.run(policy: LeasePolicy(seconds: 0, attemptsMax: 1)) { service in
            let id = try await service.create(.persona, "Nova")
            #expect(try await service.training.lease(limit: 1, waiting: .zero).count == 1)
            try await service.training.expireLeases()
            let error = TrainingError(code: .timeout, message: "No worker finished in time; attempts: 1")
            try await service.send(.get, "/v2/personas/\(id)").expect(200, Mount.all[0].failed("Nova", error))
        }
    }

    @Test("keeps its media links for as long as it lives")
    func stableLinks() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let first = try await service.send(.get, "/v2/pikzonality/\(id)")
            let update: TestBody = #"{"name":"Nova Two","special_instructions":"x"}"#
            #expect(try await service.send(.patch, "/v2/personas/\(id)", update).string("portrait_url") == first.string("portrait_url"))
            let list = try await service.send(.get, "/v2/pikzonality")
            #expect(list.items.first?["portrait_url"] as? String == first.string("portrait_url"))
            #expect(list.items.first?["reference"] as? [String] == first.object?["reference"] as? [String])
        }
    }

    private static let malformed = [
        "x", "1", "null", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-0000000000000",
        "00000000000000000000000000000000",
        "%7B00000000-0000-0000-0000-000000000000%7D", "urn:uuid:00000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-0000-00000000000g", "00000000-0000-0000-0000-0000000000%20", "+0000000-0000-0000-0000-000000000000",
        "0x000000-0000-0000-0000-000000000000", "00000000%2D0000-0000-0000-000000000000", "00000000_0000_0000_0000_000000000000",
        "000000000-000-0000-0000-000000000000", "%00", "%F0%9F%99%82", "..", "'%20OR%201=1--", String(repeating: "0", count: 5_000),
    ]

    @Test("an id that is none: 400 of the mode on the typed surface, 404 on the published one")
    func malformedIdentifiers() async throws {
        try await TestService.run { service in
            try await service.withoutTrace {
                for id in Self.malformed {
                    for method in [HTTPRequest.Method.get, .patch, .delete] {
                        let body: TestBody? = method == .patch ? "{}" : nil
                        try await service.send(method, "/v2/personas/\(id)", body).expect(
                            400, .invalidPersona, "The persona id is not a UUID")
                        try await service.send(method, "/v2/styles/\(id)", body).expect(400, .invalidStyle, "The style id is not a UUID")
                        try await service.send(method, "/v2/pikzonality/\(id)", body).expect(404, .notFound, "Not found")
                    }
                }
            }
        }
    }

    @Test("an item of the other mode, of another account, or of none: the same 404", arguments: Mount.all)
    func foreignIdentifiers(mount: Mount) async throws {
        try await TestService.run { service in
            let stranger = try await service.newKey(account: "stranger")
            let own = try await service.createCompleted(mount.mode, "Nova")
            let otherMode = try await service.createCompleted(mount.other, "Nova")
            let random = Identifier.random().text
            let unused = "00000000-0000-0000-0000-000000000000"
            var calls: [(String, TestService.Key)] = [
                (own, stranger), (otherMode, stranger), (random, .own), (random, stranger), (unused, .own),
            ]
            if mount.isTyped { calls.append((otherMode, .own)) }
            try await service.withoutTrace {
                for (id, key) in calls {
                    for method in [HTTPRequest.Method.get, .patch, .delete] {
                        let body: TestBody? = method == .patch ? #"{"name":"Stolen","special_instructions":"x"}"# : nil
                        let answer = try await service.send(method, mount.item(id), body, key: key)
                        answer.expect(404, .notFound, "Not found")
                        #expect(answer.headers[.eTag] == nil)
                    }
                    #expect(try await service.send(.head, mount.item(id), key: key).status == 404)
                }
            }
            #expect(try await service.send(.get, mount.items, key: stranger).items.isEmpty)
            #expect(try await service.send(.get, mount.item(own)).string("name") == "Nova")
        }
    }
}
