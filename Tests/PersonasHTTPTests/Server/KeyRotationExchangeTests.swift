import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasDB
import PersonasHTTP
import TestSupport
import Testing

/// Keys that end, and secrets that follow one another, as clients see them by both ways to an answer.
@Suite("Keys that end", .serialized)
struct KeyRotationExchangeTests {
    private static let start = Timestamp(milliseconds: 1_795_000_020_000)
    private static let message = "The API key has expired"

    /// Runs a service by a clock of the test's, with another key of its account.
    private func run(
        expiresAfter seconds: Int? = nil,
        _ test: @escaping @Sendable (TestService, IssuedKey, Shared<Timestamp>) async throws -> Void
    ) async throws {
        let clock = Shared(Self.start)
        try await TestService.run(clock: WallClock { clock.value }) { service in
            let issued = try await service.administration.issueKey(
                PrepareKey(
                    accountName: "studio", label: nil, scopes: [.read, .write],
                    expiresAt: seconds.map { Self.start.adding(seconds: $0) }))
            try await test(service, issued, clock)
            #expect(service.shadow.answeredCount > 0 || !TestPlace.isSQLite, "reads went both ways")
        }
    }

    @Test("A key is let in until its last millisecond, and refused from then on although it was let in before")
    func expiry() async throws {
        try await run(expiresAfter: 60) { service, issued, clock in
            let key = TestService.Key.text(issued.key)
            #expect(issued.expiresAt == Self.start.adding(seconds: 60).text)
            func expectAccess(_ isLetIn: Bool) async throws {
                for (method, path) in [
                    (HTTPRequest.Method.get, "/v2/personas"), (.get, "/v2/styles/\(Identifier.random())"),
                    (.delete, "/v2/personas/\(issued.id)"),
                ] {
                    let answer = try await service.send(method, path, key: key)
                    if isLetIn { #expect(answer.status != 401) } else { answer.expect(401, .apiKeyInactive, Self.message) }
                }
            }
            try await expectAccess(true)
            clock.withLock { $0 = Timestamp(milliseconds: Self.start.milliseconds + 59_999) }
            try await expectAccess(true)
            clock.withLock { $0 = Self.start.adding(seconds: 60) }
            try await expectAccess(false)
            #expect(try await service.send(.get, "/v2/personas").status == 200, "the account's other key goes on")
            // Answers to a known key say where it stands, whatever has ended.
            #expect(try await service.send(.get, "/v2/personas", key: key).headers[.rateLimit] != nil)
        }
    }

    @Test("After a rotation both secrets are let in, after the overlap the new one alone")
    func overlap() async throws {
        try await run { service, issued, clock in
            func statuses(_ secrets: IssuedKey...) async throws -> [Int] {
                var statuses: [Int] = []
                for secret in secrets {
                    let answer = try await service.send(.get, "/v2/personas", key: .text(secret.key))
                    if answer.status != 200 { answer.expect(401, .apiKeyInactive, Self.message) }
                    statuses.append(answer.status)
                }
                return statuses
            }
            #expect(try await statuses(issued) == [200])
            let second = try await service.administration.rotateKey(PrepareRotation(id: issued.id.text))
            #expect(second.id == issued.id && second.key != issued.key && second.account == "studio" && second.expiresAt == nil)
            #expect(second.previousSecretExpiresAt == Self.start.adding(seconds: 86_400).text)
            #expect(try await statuses(issued, second) == [200, 200])
            clock.withLock { $0 = Timestamp(milliseconds: Self.start.milliseconds + 86_399_999) }
            #expect(try await statuses(issued, second) == [200, 200])
            clock.withLock { $0 = Self.start.adding(seconds: 86_400) }
            #expect(try await statuses(issued, second) == [401, 200])
            let third = try await service.administration.rotateKey(PrepareRotation(id: issued.id.text, overlapHours: 1))
            #expect(try await statuses(issued, second, third) == [401, 200, 200])
            let fourth = try await service.administration.rotateKey(PrepareRotation(id: issued.id.text, overlapHours: 720))
            #expect(try await statuses(issued, second, third, fourth) == [401, 401, 200, 200])
            let fifth = try await service.administration.rotateKey(PrepareRotation(id: issued.id.text, overlapHours: 0))
            #expect(try await statuses(issued, second, third, fourth, fifth) == [401, 401, 401, 401, 200])
            _ = try await service.administration.perform(SetKeyState(.disabled, id: issued.id.text))
            try await service.send(.get, "/v2/personas", key: .text(fifth.key)).expect(401, .apiKeyInactive, "The API key is disabled")
            _ = try await service.administration.perform(SetKeyState(.deleted, id: issued.id.text))
            for secret in [issued, fourth, fifth] {
                try await service.send(.get, "/v2/personas", key: .text(secret.key)).expect(
                    401, .apiKeyDeleted, "The API key has been deleted")
            }
        }
    }

    @Test("The last use of a key is told to the minute once it is saved, that of the previous secret as well; refused calls are none")
    func uses() async throws {
        try await run { service, issued, clock in
            func shown() async throws -> [String?] {
                try await service.useCases.authentication.uses.save()
                let report = try await service.administration.perform(ShowKey(id: issued.id.text))
                return [report.lastUsedAt, report.previousSecretLastUsedAt]
            }
            func use(_ secret: IssuedKey, after seconds: Int) async throws {
                clock.withLock { $0 = Self.start.adding(seconds: seconds) }
                try await service.send(.get, "/v2/personas", key: .text(secret.key))
            }
            func minute(_ seconds: Int) -> String { Self.start.adding(seconds: seconds).text }
            #expect(try await shown() == [nil, nil])
            try await use(issued, after: 59)
            #expect(try await shown() == [minute(0), nil])
            let second = try await service.administration.rotateKey(PrepareRotation(id: issued.id.text, overlapHours: 1))
            try await use(second, after: 130)
            #expect(try await shown() == [minute(120), nil])
            try await use(issued, after: 190)
            #expect(try await shown() == [minute(180), minute(180)])
            try await use(second, after: 250)
            try await use(issued, after: 3_700)
            #expect(try await shown() == [minute(240), minute(180)])
        }
    }
}

extension HTTPField.Name {
    fileprivate static let rateLimit = HTTPField.Name("RateLimit")!
}
