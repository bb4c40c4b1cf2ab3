import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasDB
import TestImages
import TestSupport
import Testing

@testable import PersonasHTTP

/// Items that are to go when their training ends.
@Suite("Deleting once settled", .serialized)
struct SettleTests {
    private static func later(_ mount: Mount, _ fate: String = "deleted") -> String {
        let subject = mount.isTyped ? mount.word : "Persona or style"
        return #"{"message":"\#(subject) will be \#(fate) as soon as it is settled","request_id":"<request>"}"#
    }

    @Test("is promised as often as it is asked for, told once, and kept in the moment of the end", arguments: Mount.all)
    func settle(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            let first = try await service.send(.delete, "\(mount.item(id))?when=settled")
            first.expect(202, Self.later(mount))
            let tag = try await service.send(.get, mount.item(id)).headers[.eTag]
            #expect(tag == service.tag(2))
            try await service.send(.delete, "\(mount.item(id))?when=settled").expect(202, Self.later(mount))
            #expect(try await service.send(.get, mount.item(id)).headers[.eTag] == tag)
            let shown = try await service.send(.get, "/v2/\(mount.mode)s/\(id)")
            #expect(shown.object?["delete_when_settled"] as? Bool == true && shown.string("status") == "processing")
            try await service.send(.delete, mount.item(id)).expect(
                400, .cannotDeleteProcessing, "This \(mount.mode) is still processing")
            let removals = service.storage.removals.count
            try await service.train()
            try await service.send(.get, mount.item(id)).expect(404, .notFound, "Not found")
            #expect(service.storage.removals.count > removals)
            let told = try await service.told()
            #expect(told.map(\.type) == ["created", "updated", "deleted"].map { "\(mount.mode).\($0)" })
            #expect(told[1].changed == ["delete_when_settled"] && told[1].requestID == first.requestID)
            #expect(told[2].requestID == nil)
            #expect(try await service.collect() == 3)
            #expect(try await service.mediaFiles().isEmpty)
            try await service.create(mount.mode, "Nova")
        }
    }

    @Test("goes with every end of a training", arguments: ["fails", "runs out", "is cancelled", "is completed with a portrait"])
    func ends(how: String) async throws {
        try await TestService.run(policy: LeasePolicy(seconds: how == "runs out" ? 0 : 30, attemptsMax: 1)) { service in
            let id = try await service.create(.persona, "Nova")
            let job = try await service.lease()
            #expect(try await service.send(.delete, "/v2/personas/\(id)?when=settled").status == 202)
            switch how {
            case "fails":
                try await service.training.fail(
                    job.id, token: job.leaseToken, error: TrainingError(code: .failed, message: "It broke"), retryable: true)
            case "runs out": try await service.training.expireLeases()
            case "is cancelled":
                let answer = try await service.send(.post, "/v2/personas/\(id)/cancel")
                #expect(answer.status == 200 && answer.string("status") == "failed")
                #expect(answer.object?["delete_when_settled"] as? Bool == true)
                #expect(try await service.training.heartbeat(job.id, token: job.leaseToken, progress: nil).isCancelled)
            default:
                try await service.training.complete(
                    job.id, token: job.leaseToken, portraitBase64: ImageText(Array(Picture.base64(Picture.png(seed: 9)).utf8)[...]))
            }
            try await service.send(.get, "/v2/personas/\(id)").expect(404, .notFound, "Not found")
            #expect(try await service.told().map(\.type) == ["persona.created", "persona.updated", "persona.deleted"])
            _ = try await service.collect()
            #expect(try await service.mediaFiles().isEmpty)
        }
    }

    @Test("is a plain DELETE for what has settled", arguments: Mount.all)
    func settled(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(mount.mode, "Nova")
            try await service.withoutTrace {
                let refused = try await service.send(.delete, "\(mount.item(id))?when=settled", headers: [.ifMatch: service.tag(1)])
                #expect(refused.status == 412)
            }
            let subject = mount.isTyped ? mount.word : "Persona or style"
            try await service.send(.delete, "\(mount.item(id))?when=settled").expect(200, #"{"message":"\#(subject) deleted"}"#)
            try await service.send(.delete, "\(mount.item(id))?when=settled").expect(404, .notFound, "Not found")
            #expect(try await service.collect() == 3)
        }
    }

    @Test("can be taken back by a change, and asked for by none", arguments: Mount.all)
    func takenBack(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            func change(_ text: String) async throws -> Answer { try await service.send(.patch, mount.item(id), TestBody(text)) }
            let rule = ("delete_when_settled", "delete_when_settled must be false; DELETE with when=settled asks for it")
            try await service.withoutTrace {
                try await change(#"{"delete_when_settled":true}"#).expectViolations([rule])
                #expect(try await change(#"{"delete_when_settled":"no"}"#).status == 400)
                #expect(try await change(#"{"delete_when_settled":false}"#).status == 200)
                #expect(try await change(#"{"delete_when_settled":null}"#).status == 200)
            }
            #expect(try await service.told().count == 1)
            for flag in ["false", "null"] {
                #expect(try await service.send(.delete, "\(mount.item(id))?when=settled").status == 202)
                #expect(try await change(#"{"delete_when_settled":true}"#).status == 200)
                let answer = try await change(#"{"delete_when_settled":\#(flag)}"#)
                #expect(answer.status == 200)
                #expect(try await service.told().last?.changed == ["delete_when_settled"])
            }
            #expect(try await service.told().count == 5)
            try await service.train()
            try await service.send(.get, mount.item(id)).expect(200, mount.completed("Nova"))
        }
    }

    @Test("counts the last wish for where it goes")
    func lastWish() async throws {
        try await TestService.run { service in
            let mount = Mount(mode: .persona, isTyped: true)
            let id = try await service.create(.persona, "Nova")
            try await service.send(.delete, "\(mount.item(id))?when=settled&to=trash").expect(202, Self.later(mount, "moved to the trash"))
            try await service.send(.delete, "\(mount.item(id))?to=trash&when=settled").expect(202, Self.later(mount, "moved to the trash"))
            try await service.send(.delete, "\(mount.item(id))?when=settled").expect(202, Self.later(mount))
            // Where it goes nobody can see, so of that nothing is told.
            #expect(try await service.told().count == 2)
            #expect(try await service.send(.get, mount.item(id)).headers[.eTag] == service.tag(2))
            try await service.train()
            #expect(try await service.told().last?.type == "persona.deleted")
        }
    }

    @Test("is not done on a guess: what a query says beyond what is known is refused", arguments: Mount.all)
    func unknown(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(mount.mode, "Nova")
            let other = ("query", "query must have no other parameters than when and to")
            try await service.withoutTrace {
                for (query, violations) in [
                    ("when=setled", [("when", "when must be settled")]), ("when=", [("when", "when must be settled")]),
                    ("when", [("when", "when must be settled")]), ("when=now", [("when", "when must be settled")]),
                    ("to=bin", [("to", "to must be trash")]), ("to=Trash", [("to", "to must be trash")]),
                    ("to=trash&to=trash", [("to", "to must be given only once")]),
                    ("when=settled&when=settled", [("when", "when must be given only once")]), ("force=true", [other]),
                    ("When=settled", [other]),
                    ("when=x&to=y&z", [("when", "when must be settled"), ("to", "to must be trash"), other]),
                ] {
                    try await service.send(.delete, "\(mount.item(id))?\(query)").expectViolations(violations)
                }
            }
            #expect(try await service.send(.delete, "\(mount.item(id))?").status == 200)
        }
    }
}
