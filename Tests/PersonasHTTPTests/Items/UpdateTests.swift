import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasDB
import Testing

/// Changing an item: in every status, absent members unchanged, null clears.
@Suite("Updating", .serialized)
struct UpdateTests {
    @Test("answers with the shape of its surface", arguments: Mount.all)
    func shapes(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            let answer = try await service.send(.patch, mount.item(id), #"{"special_instructions":"Warm","name":" Nova   Reyes "}"#)
            let published = #"{"name":"Nova Reyes","id":"<id 1>","special_instructions":"Warm"}"#
            answer.expect(200, mount.isTyped ? mount.processing("Nova Reyes", instructions: #""Warm""#) : published)
            #expect(answer.headers[.eTag] == service.tag(2))
            #expect(answer.string("id") == id)
            try await service.send(.get, mount.item(id)).expect(200, mount.processing("Nova Reyes", instructions: #""Warm""#))
        }
    }

    /// A change after a change: what is sent, and what the item's name and instructions are then.
    private static let steps: [(body: String, name: String, instructions: String?)] = [
        (#"{"special_instructions":"one"}"#, "Nova", "one"), ("{}", "Nova", "one"), (#"{"name":"Reyes"}"#, "Reyes", "one"),
        (#"{"special_instructions":null}"#, "Reyes", nil), (#"{"special_instructions":"two","name":"NOVA"}"#, "NOVA", "two"),
        (#"{"special_instructions":""}"#, "NOVA", nil),
        (#"{"special_instructions":"three","studio_variant_id":null,"upload_id":null}"#, "NOVA", "three"),
        (#"{"status":"completed","progress":100,"mode":"style","id":"x","account_id":null}"#, "NOVA", "three"),
        (#"{"special_instructions":" "}"#, "NOVA", " "), (#"{"name":"nova"}"#, "nova", " "),
        (#"{"name":"nova","special_instructions":" "}"#, "nova", " "),
    ]

    @Test("takes what only looks the same for another text", arguments: Mount.all)
    func lookalikes(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            for (text, version) in [("caf\u{e9}", 2), ("cafe\u{301}", 3), ("cafe\u{301}", 3), ("\u{212b}", 4), ("\u{c5}", 5)] {
                let answer = try await service.send(.patch, mount.item(id), TestBody(#"{"special_instructions":"\#(text)"}"#))
                #expect(answer.headers[.eTag] == service.tag(version), "\(text.unicodeScalars)")
                let stored = try await service.send(.get, mount.item(id)).string("special_instructions")
                #expect(stored.map { Array($0.utf8) } == Array(text.utf8))
            }
        }
    }

    @Test("leaves alone what is absent, clears what is null or empty, in every status", arguments: Mount.all, Status.allCases)
    func semantics(mount: Mount, status: Status) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            switch status {
            case .processing: break
            case .completed: try await service.train()
            case .failed: try await service.failTraining(TrainingError(code: .failed, message: "It broke"))
            }
            for step in Self.steps {
                let answer = try await service.send(.patch, mount.item(id), TestBody(step.body))
                #expect(answer.status == 200)
                #expect(answer.string("name") == step.name, "\(step.body)")
                #expect(answer.string("special_instructions") == step.instructions, "\(step.body)")
                let item = try await service.send(.get, mount.item(id))
                #expect(item.string("name") == step.name, "\(step.body)")
                #expect(item.string("special_instructions") == step.instructions, "\(step.body)")
                #expect(item.string("status") == status.rawValue)
                #expect(item.string("mode") == mount.mode.rawValue)
            }
        }
    }

    @Test("a change that changes nothing leaves the entity tag and the time as they are")
    func unchanged() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let before = try await service.send(.get, "/v2/personas/\(id)")
            try await service.withoutTrace {
                for body in [
                    "{}", #"{"name":"Nova"}"#, #"{"name":"  Nova "}"#, #"{"special_instructions":null}"#, #"{"special_instructions":""}"#,
                ] {
                    let answer = try await service.send(.patch, "/v2/personas/\(id)", TestBody(body))
                    #expect(answer.text == before.text)
                    #expect(answer.headers[.eTag] == before.headers[.eTag])
                }
            }
            let changed = try await service.send(.patch, "/v2/personas/\(id)", #"{"name":"nova"}"#)
            #expect(changed.headers[.eTag] != before.headers[.eTag])
            #expect(try #require(changed.string("updated_at")) >= #require(before.string("updated_at")))
            #expect(changed.string("created_at") == before.string("created_at"))
        }
    }

    @Test("a name that is taken or reserved is refused, one's own is not", arguments: Mount.all)
    func names(mount: Mount) async throws {
        try await TestService.run { service in
            let first = try await service.create(mount.mode, "First")
            let second = try await service.create(mount.mode, "Second")
            try await service.create(mount.other, "Elsewhere")
            _ = try await service.administration.perform(ReserveNames(["Admin", "Second"]))
            let taken = "A \(mount.mode) with this name already exists"
            try await service.withoutTrace {
                let answer = try await service.send(.patch, mount.item(second), #"{"name":"FIRST","special_instructions":"x"}"#)
                answer.expect(409, .nameAlreadyExists, taken, details: #"{"field":"name","message":"\#(taken)","id":"<id 1>"}"#)
                #expect(answer.text.contains(first))
                try await service.send(.patch, mount.item(first), #"{"name":"admin"}"#)
                    .expect(409, .nameReserved, "This name is reserved", details: #"{"field":"name","message":"This name is reserved"}"#)
            }
            // An owner may still write a reserved name that an item has differently; the other mode's names are free.
            #expect(try await service.send(.patch, mount.item(second), #"{"name":"SECOND"}"#).status == 200)
            #expect(try await service.send(.patch, mount.item(first), #"{"name":"Elsewhere"}"#).status == 200)
            // A name given up is free at once.
            #expect(try await service.send(.post, mount.creation, .create("First")).string("id") != nil)
        }
    }

    @Test("names everything that is wrong, before it looks for the item", arguments: Mount.all)
    func violations(mount: Mount) async throws {
        let letters = "name may hold only the letters A-Z and a-z, digits, spaces, hyphens and underscores"
        let tooLong = "special_instructions must be at most 300 characters long"
        let rows: [(String, [(field: String, message: String)])] = [
            (#"{"name":null}"#, [("name", "name must be a string")]), (#"{"name":5}"#, [("name", "name must be a string")]),
            (#"{"name":["Nova"]}"#, [("name", "name must be a string")]), (#"{"name":""}"#, [("name", "name must not be empty")]),
            (#"{"name":"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}"#, [("name", "name must be at most 25 characters long")]),
            (#"{"name":"a\u0000"}"#, [("name", letters)]),
            (#"{"special_instructions":5}"#, [("special_instructions", "special_instructions must be a string")]),
            (#"{"special_instructions":["x"]}"#, [("special_instructions", "special_instructions must be a string")]),
            (#"{"special_instructions":"\#(String(repeating: "x", count: 301))"}"#, [("special_instructions", tooLong)]),
            (
                #"{"special_instructions":"\#(String(repeating: "x", count: 301))","name":"é"}"#,
                [("name", letters), ("special_instructions", tooLong)]
            ),
            (#"{"special_instructions":"\u0007"}"#, [("special_instructions", "special_instructions must not hold control characters")]),
        ]
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            try await service.withoutTrace {
                for (body, violations) in rows {
                    for target in [id, Identifier.random().text] {
                        try await service.send(.patch, mount.item(target), TestBody(body)).expectViolations(violations)
                    }
                }
            }
        }
    }

    @Test("blocked terms are refused, and found before names that are reserved", arguments: Mount.all)
    func blockedTerms(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            _ = try await service.administration.perform(BlockTerms(["Forbidden"]))
            _ = try await service.administration.perform(ReserveNames(["forbidden"]))
            try await service.withoutTrace {
                for (field, body) in [
                    ("name", #"{"name":"FORBIDDEN"}"#), ("special_instructions", #"{"special_instructions":"so forbidden"}"#),
                ] {
                    let reason = "\(field) holds a blocked term"
                    try await service.send(.patch, mount.item(id), TestBody(body))
                        .expect(
                            400, .contentPolicy, "The request breaks the content policy: \(reason)",
                            details: #"{"field":"\#(field)","message":"\#(reason)"}"#)
                }
            }
        }
    }

    @Test("instructions written while training is over by then are kept")
    func duringTraining() async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            try await service.send(.patch, "/v2/pikzonality/\(id)", #"{"special_instructions":"late"}"#)
            try await service.training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
            try await service.send(.get, "/v2/personas/\(id)").expect(200, Mount.all[0].completed("Nova", instructions: #""late""#))
        }
    }
}
