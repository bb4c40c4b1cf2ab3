import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

extension [UInt8] {
    /// An image of a byte more than one may have.
    static let tooLarge = Picture.png(byteCount: Limits.imageBytesMax + 1)
}

/// Requests that ask for what is not, or not so.
extension CodeScene {
    static let emptyCreate = refusal("a create of nothing") { try await $0.send(.post, "/v2/personas", "{}") }

    static func oddID(_ items: String) -> CodeScene {
        refusal("an id that is no UUID, below \(items)") { try await $0.send(.get, "/v2/\(items)/nonsense") }
    }

    static func images(_ words: String, _ bytes: [UInt8]) -> CodeScene {
        refusal("a create with \(words)") { service in
            let images = Picture.list([Picture.base64(Picture.png(seed: 1)), Picture.base64(bytes), Picture.base64(Picture.png(seed: 2))])
            return try await service.send(.post, "/v2/personas", TestBody(#"{"name":"Nova","image_base64s":\#(images)}"#))
        }
    }

    static let blockedTerm = refusal("a name with a blocked term") { service in
        _ = try await service.administration.perform(BlockTerms(["forbidden"]))
        return try await service.send(.post, "/v2/personas", .create("So forbidden"))
    }

    static let deleteInTraining = refusal("a deletion in training") { service in
        try await service.send(.delete, "/v2/personas/\(try await service.create(.persona, "Nova"))")
    }

    static let unknownItem = refusal("an item that is not there") { try await $0.send(.get, "/v2/personas/\(Identifier.random())") }

    static let otherMethod = refusal("PUT on a list") { try await $0.send(.put, "/v2/personas", "{}") }

    static let reservedName = refusal("a create with a reserved name") { service in
        _ = try await service.administration.perform(ReserveNames(["Admin"]))
        return try await service.send(.post, "/v2/personas", .create("ADMIN"))
    }

    static let takenName = refusal("a create with a name that is taken") { service in
        try await service.create(.persona, "Nova")
        return try await service.send(.post, "/v2/personas", .create("NOVA"))
    }

    static let cancelTwice = refusal("a second cancel") { service in
        let path = "/v2/personas/\(try await service.create(.persona, "Nova"))/cancel"
        #expect(try await service.send(.post, path).status == 200)
        return try await service.send(.post, path)
    }

    static let keyInUse = refusal("an Idempotency-Key whose first request runs") { service in
        for index in 1...3 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
        service.fetcher.answerOnlyCrowd(of: 4)
        let body: TestBody = #"{"name":"Nova","image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#
        async let running = service.send(.post, "/v2/personas", body, headers: TestService.key("k"))
        try await eventually("the images are asked for") { service.fetcher.fetched.count == 3 }
        let answer = try await service.send(.post, "/v2/personas", body, headers: TestService.key("k"))
        _ = try? await service.fetcher.fetch("https://a.test/4", before: .now + .seconds(10))
        #expect(try await running.status == 201)
        return answer
    }

    static let keyReused = refusal("an Idempotency-Key with another request") { service in
        #expect(try await service.send(.post, "/v2/personas", .create("Nova"), headers: TestService.key("k")).status == 201)
        return try await service.send(.post, "/v2/personas", .create("Iris"), headers: TestService.key("k"))
    }

    static let staleTag = refusal("If-Match with another tag") { service in
        let id = try await service.create(.persona, "Nova")
        return try await service.send(.patch, "/v2/personas/\(id)", #"{"name":"Iris"}"#, headers: [.ifMatch: "\"other\""])
    }

    static let longBody: CodeScene = {
        var configuration = HTTPConfiguration()
        configuration.limits.bodyBytesMax = 4_096
        return refusal("a body over its limit", configuration: configuration) { service in
            try await service.send(.post, "/v2/personas", TestBody(String(repeating: " ", count: 4_097)))
        }
    }()

    static let plainText = refusal("a body of plain text") { service in
        try await service.send(.post, "/v2/personas", "{}", headers: [.contentType: "text/plain"])
    }

    static let rangeBeyond = refusal("a range beyond an image") { service in
        try await service.send(
            .get, try await service.portraitPath(), key: .none, headers: [.range: "bytes=1000000-"], isFailureExpected: true)
    }
}

/// Callers who may not.
extension CodeScene {
    static func key(_ words: String, _ key: TestService.Key) -> CodeScene {
        refusal("a key: \(words)") { try await $0.send(.get, "/v2/personas", key: key) }
    }

    static func key(_ state: APIKey.State) -> CodeScene {
        refusal("a key that is \(state)") { service in
            let issued = try await service.key(scopes: [.read])
            _ = try await service.administration.perform(SetKeyState(state, id: issued.id.text))
            return try await service.send(.get, "/v2/personas", key: .text(issued.key))
        }
    }

    static let withoutAccess = refusal("an account without API access") { service in
        _ = try await service.administration.perform(SetAPIAccess(false, accountName: "studio"))
        return try await service.send(.get, "/v2/personas")
    }

    static let suspended = refusal("an account that is suspended") { service in
        _ = try await service.administration.perform(SetSuspended(true, accountName: "studio"))
        return try await service.send(.get, "/v2/personas")
    }

    static let overQuota = refusal("a create beyond the quota") { service in
        _ = try await service.administration.perform(ChangeQuota(QuotaChange(items: .max(1)), accountName: "studio"))
        try await service.create(.persona, "Nova")
        return try await service.send(.post, "/v2/personas", .create("Iris"))
    }

    static let withoutAccount = refusal("a key whose account is gone") { service in
        _ = try await service.administration.perform(DeleteAccount(name: "studio"))
        return try await service.send(.get, "/v2/personas")
    }

    static let manyWrites: CodeScene = {
        var configuration = HTTPConfiguration()
        configuration.rateLimits = RateLimitPolicy(writesPerSecond: 1)
        configuration.overLimitWait = .zero
        return refusal("more writes than a key may send", configuration: configuration) { service in
            var answer = try await service.send(.patch, "/v2/personas/\(Identifier.random())", "{}")
            for _ in 0..<100 where answer.status != 429 {
                answer = try await service.send(.patch, "/v2/personas/\(Identifier.random())", "{}")
            }
            return answer
        }
    }()

    static let createWithoutCredits = refusal("a create that the balance does not cover", settings: ["credits": "on"]) { service in
        try await service.send(.post, "/v2/personas", .create("Nova"))
    }
}
