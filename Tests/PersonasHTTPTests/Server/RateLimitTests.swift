import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// What one key may have of the service.
@Suite("Rate limits", .serialized)
struct RateLimitTests {
    private static func configuration(_ policy: RateLimitPolicy) -> HTTPConfiguration {
        var configuration = HTTPConfiguration()
        configuration.rateLimits = policy
        configuration.overLimitWait = .zero
        return configuration
    }

    @Test("are told on every answer to a key, on refusals as well, and on none without one")
    func fields() async throws {
        let policy = RateLimitPolicy(readsPerSecond: 100, writesPerSecond: 10, inFlightMax: 7)
        try await TestService.run(configuration: Self.configuration(policy)) { service in
            let text = #""reads";q=1000;w=10, "writes";q=100;w=10, "in-flight";q=7;qu="concurrent-requests""#
            let read = try await service.send(.get, "/v2/personas")
            #expect(read.header("RateLimit-Policy") == text)
            #expect(read.header("RateLimit") == #""reads";r=999;t=1"#)
            #expect(try await service.send(.head, "/v2/personas").header("RateLimit") == #""reads";r=998;t=1"#)
            for (index, answer) in [
                try await service.send(.post, "/v2/personas", "{"), try await service.send(.delete, "/v2/personas/nonsense"),
                try await service.send(.patch, "/v2/styles/\(UUID())", #"{"name":"x"}"#),
                // The last, because while it lasts there is time for a further one.
                try await service.send(.post, "/v2/personas", .create("Nova")),
            ].enumerated() {
                #expect(answer.header("RateLimit") == "\"writes\";r=\(99 - index);t=1", "\(answer.text)")
                #expect(answer.header("RateLimit-Policy") == text)
            }
            for path in ["/healthz", "/nothing", "/media/\(String(repeating: "0", count: 32))"] {
                #expect(try await service.send(.get, path, key: .none).header("RateLimit") == nil)
            }
            #expect(try await service.send(.get, "/v2/personas", key: .text("pkz_unknown")).header("RateLimit") == nil)
        }
    }

    @Test("are told to a known key whatever came before it was counted: no route, another method, maintenance, a suspended account")
    func fieldsOnOtherRefusals() async throws {
        let policy = RateLimitPolicy(readsPerSecond: 2, writesPerSecond: 2)
        try await TestService.run(configuration: Self.configuration(policy)) { service in
            func rest(_ method: HTTPRequest.Method, _ path: String, status: Int, key: TestService.Key = .own) async throws -> String? {
                let answer = try await service.send(method, path, key: key, isFailureExpected: true)
                #expect(answer.status == status, "\(answer.text)")
                #expect((answer.header("RateLimit") == nil) == (answer.header("RateLimit-Policy") == nil))
                return answer.header("RateLimit")
            }
            // A path that is not in the table counts a read, whatever the method.
            let unknown = [
                try await rest(.get, "/nothing", status: 404), try await rest(.post, "/v2/nothing", status: 404),
                try await rest(.put, "/v2/personas", status: 405),
            ]
            #expect(unknown == [19, 18, 17].map { "\"reads\";r=\($0);t=1" })
            #expect(try await rest(.get, "/nothing", status: 404, key: .text("pkz_unknown")) == nil)
            #expect(try await rest(.get, "/nothing", status: 404, key: .none) == nil)
            #expect(try await rest(.get, "/v2/personas", status: 401, key: .text("nonsense")) == nil)
            #expect(try await rest(.get, "/healthz", status: 200) == nil)
            let readOnly = TestService.Key.text(try await service.key(scopes: [.read]).key)
            #expect(try await rest(.delete, "/v2/personas/\(UUID())", status: 403, key: readOnly) == #""writes";r=19;t=1"#)

            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 9))
            #expect(try await rest(.get, "/v2/personas/\(UUID())", status: 503) == #""reads";r=16;t=1"#)
            #expect(try await rest(.delete, "/v2/personas/\(UUID())", status: 503) == #""writes";r=19;t=1"#)
            #expect(try await rest(.get, "/v2/personas", status: 503, key: .none) == nil)
            _ = try await service.administration.perform(SetMaintenance(isOn: false, retryAfterSeconds: nil))

            _ = try await service.administration.perform(SetSuspended(true, accountName: "studio"))
            #expect(try await rest(.get, "/v2/personas", status: 403) == #""reads";r=15;t=1"#)
        }
    }

    @Test("refuse what is too much before its body is looked at, and say when to come back")
    func refused() async throws {
        let policy = RateLimitPolicy(readsPerSecond: 1, writesPerSecond: 1)
        try await TestService.run(configuration: Self.configuration(policy)) { service in
            // All within a second, in which a further one comes.
            for _ in 0..<10 { #expect(try await service.send(.post, "/v2/personas", "{").status == 400) }
            try await service.withoutTrace {
                for _ in 0..<3 {
                    let answer = try await service.send(.post, "/v2/personas", TestBody(String(repeating: "[", count: 513)))
                    answer.expect(429, .tooManyRequests, "The API key sent too many writes; try again later")
                    #expect(answer.header("Retry-After") == "1")
                    #expect(answer.header("RateLimit") == #""writes";r=0;t=1"#)
                }
            }
            for _ in 0..<10 { #expect(try await service.send(.get, "/v2/personas").status == 200) }
            let answer = try await service.send(.get, "/v2/personas")
            answer.expect(429, .tooManyRequests, "The API key sent too many reads; try again later")
            #expect(answer.header("Retry-After") == "1")
            // Another key of the same account has its own.
            let other = TestService.Key.text(try await service.key(scopes: [.read, .write]).key)
            #expect(try await service.send(.get, "/v2/personas", key: other).status == 200)
            // Health is for every caller.
            #expect(try await service.send(.get, "/healthz", key: .none).status == 200)
        }
    }

    @Test("let so many requests of a key run at once, and the next when one has ended")
    func inFlight() async throws {
        let policy = RateLimitPolicy(inFlightMax: 1)
        try await TestService.run(configuration: Self.configuration(policy)) { service in
            for index in 1...3 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
            service.fetcher.answerOnlyCrowd(of: 4)
            async let running = service.send(
                .post, "/v2/personas", #"{"name":"Nova","image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#)
            try await eventually("the images are asked for") { service.fetcher.fetched.count == 3 }
            let refused = try await service.send(.get, "/v2/personas")
            refused.expect(429, .tooManyRequests, "The API key has too many requests running; try again when one has ended")
            #expect(refused.header("Retry-After") == "1")
            #expect(refused.header("RateLimit") == #""in-flight";r=0;t=1"#)
            let other = try await service.newKey(account: "other")
            #expect(try await service.send(.get, "/v2/personas", key: other).status == 200)
            _ = try? await service.fetcher.fetch("https://a.test/4", before: .now + .seconds(10))
            #expect(try await running.status == 201)
            #expect(try await service.send(.get, "/v2/personas").status == 200)
            // A refusal, too, gives its place back.
            for _ in 0..<3 { #expect(try await service.send(.get, "/v2/personas/nonsense").status == 400) }
        }
    }

    @Test("let twenty requests of a page at once all have their turn, though ten run at a time")
    func burst() async throws {
        try await TestService.run(configuration: .crowd(10)) { service in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<40 {
                    group.addTask {
                        index % 2 == 0
                            ? try await service.send(.get, "/v2/personas").status
                            : try await service.send(.post, "/v2/personas", .create("Nova \(index)")).status
                    }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(statuses.filter { $0 == 200 }.count == 20 && statuses.filter { $0 == 201 }.count == 20)
        }
    }

    @Test("do not count a worker who waits for a job as running")
    func waiting() async throws {
        let policy = RateLimitPolicy(inFlightMax: 1)
        try await TestService.run(configuration: Self.configuration(policy)) { service in
            let key = TestService.Key.text(try await service.key(scopes: [.read, .trainer]).key)
            async let lease = service.send(.post, "/v2/training/lease", #"{"wait_seconds":30}"#, key: key)
            try await eventually("the worker waits") {
                try await service.send(.get, "/v2/personas", key: key).header("RateLimit") != nil
            }
            #expect(try await service.send(.get, "/v2/personas", key: key).status == 200)
            try await service.create(.persona, "Nova")
            #expect(try await lease.status == 200)
        }
    }
}
