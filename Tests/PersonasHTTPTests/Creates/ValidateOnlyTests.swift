import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasDB
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// Creates that are only to be looked at: `?validate_only=true`.
@Suite("A create that is only checked", .serialized)
struct ValidateOnlyTests {
    private static let valid = #"{"valid":true,"request_id":"<request>"}"#
    private static let key = HTTPField.Name("Idempotency-Key")!

    @Test("is valid as far as it goes, and stores nothing", arguments: Mount.all)
    func valid(mount: Mount) async throws {
        try await TestService.run { service in
            for index in 1...3 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
            let before = try await service.footprint()
            for body in [
                "{}", #"{"name":"Nova"}"#, #"{"special_instructions":"x","unknown":1}"#,
                #"{"name":null,"image_urls":null,"image_base64s":null}"#,
                #"{"name":"Nova","image_base64s":\#(Picture.base64List)}"#, #"{"image_base64s":\#(Picture.base64List)}"#,
                #"{"image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#,
            ] {
                try await service.send(.post, "\(mount.creation)?validate_only=true", TestBody(body)).expect(200, Self.valid)
            }
            for form in [MultipartForm(), MultipartForm([("name", "Nova")], images: []), MultipartForm([], images: Picture.three())] {
                try await service.send(form, to: "\(mount.creation)?validate_only=true").expect(200, Self.valid)
            }
            let after = try await service.footprint()
            #expect(after.items == before.items && after.files == before.files)
            #expect(after.fetched == (1...3).map { "https://a.test/\($0)" })
            // The name is still free, and the same create makes an item.
            #expect(
                try await service.send(.post, "\(mount.creation)?validate_only=false", .create("Nova")).status
                    == (mount.isTyped ? 201 : 200))
        }
    }

    @Test("is refused with what the create would be refused with", arguments: Mount.all)
    func refused(mount: Mount) async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(BlockTerms(["forbidden"]))
            _ = try await service.administration.perform(ReserveNames(["Reserved"]))
            try await service.create(mount.mode, "Taken")
            let bad = "image_base64s[1] is not valid base64"
            let good = Picture.base64(Picture.png())
            let rows: [(String, Int, ErrorCode, String)] = [
                (#"{"name":"Nova?"}"#, 400, .validationError, "name "),
                (#"{"name":7}"#, 400, .validationError, "name must be a string"),
                (#"{"name":"Nova","special_instructions":7}"#, 400, .validationError, "special_instructions must be a string"),
                (#"{"image_urls":[]}"#, 400, .validationError, "image_urls must hold exactly 3 images"),
                (
                    #"{"image_urls":["x"],"image_base64s":[]}"#, 400, .validationError,
                    "Provide either image_urls or image_base64s, not both"
                ),
                (#"{"special_instructions":"so forbidden"}"#, 400, .contentPolicy, "special_instructions holds a blocked term"),
                (#"{"name":"reserved"}"#, 409, .nameReserved, "This name is reserved"),
                (
                    #"{"name":"TAKEN","image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#, 409, .nameAlreadyExists,
                    "already exists"
                ),
                (#"{"name":"Nova","image_base64s":["\#(good)","A","\#(good)"]}"#, 400, .invalidImage, bad),
                (#"{"image_base64s":["\#(good)","A","\#(good)"]}"#, 400, .invalidImage, bad),
                ("[]", 400, .validationError, "must be a JSON object"),
            ]
            try await service.withoutTrace {
                for (body, status, code, message) in rows {
                    let answer = try await service.send(.post, "\(mount.creation)?validate_only=true", TestBody(body))
                    #expect(answer.status == status, "\(answer.text)")
                    #expect(try answer.envelope.error.code == code)
                    #expect(try answer.envelope.error.message.contains(message), "\(answer.text)")
                }
                let form = MultipartForm([("name", "Nova?")], images: [Picture.png()])
                let answer = try await service.send(form, to: "\(mount.creation)?validate_only=true")
                #expect(try answer.envelope.error.details.map(\.field) == ["name", "image"])
            }
        }
    }

    @Test("is asked for by true alone, once", arguments: Mount.all)
    func values(mount: Mount) async throws {
        try await TestService.run { service in
            try await service.withoutTrace {
                for value in ["", "=", "=1", "=TRUE", "=yes", "=true%20", "=true,true"] {
                    try await service.send(.post, "\(mount.creation)?validate_only\(value)", .create("Nova"))
                        .expectViolations([("validate_only", "validate_only must be true or false")])
                }
                for query in ["validate_only=true&validate_only=true", "validate_only=false&x=1&validate_only=true"] {
                    try await service.send(.post, "\(mount.creation)?\(query)", .create("Nova"))
                        .expectViolations([("validate_only", "validate_only must be given only once")])
                }
            }
        }
    }

    @Test("means nothing to an idempotency key, and the key nothing to it")
    func idempotency() async throws {
        try await TestService.run { service in
            let check = "/v2/personas?validate_only=true"
            for key in ["k", "not a key é", ""] {
                try await service.send(.post, check, .create("Nova"), headers: [Self.key: key]).expect(200, Self.valid)
            }
            let first = try await service.send(.post, "/v2/personas", .create("Nova"), headers: [Self.key: "k"])
            #expect(first.status == 201)
            #expect(try await service.send(.post, check, .create("Nova"), headers: [Self.key: "k"]).status == 409)
            #expect(try await service.send(.post, check, .create("Iris"), headers: [Self.key: "k"]).header("Idempotent-Replayed") == nil)
            #expect(try await service.send(.post, "/v2/personas", .create("Nova"), headers: [Self.key: "k"]).bytes == first.bytes)
        }
    }

    @Test("is a write to scopes and rate limits")
    func scope() async throws {
        var configuration = HTTPConfiguration()
        configuration.rateLimits = RateLimitPolicy(writesPerSecond: 1)
        configuration.overLimitWait = .zero
        try await TestService.run(configuration: configuration) { service in
            let reader = TestService.Key.text(try await service.key(scopes: [.read]).key)
            #expect(try await service.send(.post, "/v2/personas?validate_only=true", "{}", key: reader).status == 403)
            #expect(try await service.send(.post, "/v2/personas?validate_only=true", "{}", key: .none).status == 401)
            var statuses: [Int] = []
            for _ in 0..<30 where statuses.last ?? 200 == 200 {
                statuses.append(try await service.send(.post, "/v2/personas?validate_only=true", "{}").status)
            }
            #expect(statuses.count > 9 && statuses.last == 429)
        }
    }
}
