import ErrorEnvelope
import HTTPTypes
import Personas
import Testing

/// What the calls of training workers refuse.
@Suite("A refused report of a worker", .serialized)
struct TrainingRefusalTests {
    private typealias Violations = [(field: String, message: String)]

    private static let token = #""lease_token":"00000000000000000000000000000000""#
    private static let required: Violations = [("lease_token", "lease_token is required")]
    private static let codes =
        "code must be one of GENERATION_REJECTED, GENERATION_FAILED, GENERATION_TIMEOUT, DOWNLOAD_FAILED, CANCELLED, FAL_ERROR, FAL_TIMEOUT"
    private static let messages = "message must be 1 to 500 characters long"
    private static let nulls = "message must not hold the character U+0000"

    private static let reports: [(call: String, body: String, violations: Violations)] = [
        ("heartbeat", "{}", required), ("heartbeat", #"{"lease_token":null}"#, required), ("complete", "{}", required),
        (
            "heartbeat", #"{"lease_token":5,"progress":"50"}"#,
            [("lease_token", "lease_token must be a string"), ("progress", "progress must be a whole number")]
        ),
        ("heartbeat", #"{"progress":101}"#, required + [("progress", "progress must be from 0 to 100")]),
        ("heartbeat", "{\(token),\"progress\":-1}", [("progress", "progress must be from 0 to 100")]),
        ("heartbeat", "{\(token),\"progress\":101}", [("progress", "progress must be from 0 to 100")]),
        ("heartbeat", "{\(token),\"progress\":9223372036854775807}", [("progress", "progress must be from 0 to 100")]),
        ("heartbeat", "{\(token),\"progress\":9223372036854775808}", [("progress", "progress must be a whole number")]),
        ("heartbeat", "{\(token),\"progress\":50.5}", [("progress", "progress must be a whole number")]),
        ("heartbeat", "{\(token),\"progress\":1e1}", [("progress", "progress must be a whole number")]),
        ("heartbeat", "{\(token),\"progress\":true}", [("progress", "progress must be a whole number")]),
        ("heartbeat", "{\(token),\"progress\":[]}", [("progress", "progress must be a whole number")]),
        ("complete", #"{"portrait_base64":5}"#, required + [("portrait_base64", "portrait_base64 must be a string")]),
        ("complete", "{\(token),\"portrait_base64\":[\"x\"]}", [("portrait_base64", "portrait_base64 must be a string")]),
        ("fail", "{}", required + [("code", "code is required"), ("message", "message is required")]),
        (
            "fail", #"{"lease_token":[],"code":5,"message":{},"retryable":"yes"}"#,
            [
                ("lease_token", "lease_token must be a string"), ("code", "code must be a string"), ("message", "message must be a string"),
                ("retryable", "retryable must be true or false"),
            ]
        ),
        ("fail", "{\(token),\"code\":\"NOT_FOUND\",\"message\":\"\"}", [("code", codes), ("message", messages)]),
        ("fail", "{\(token),\"code\":\"GENERATION_FAILED\",\"message\":\"a\\u0000b\"}", [("message", nulls)]),
        (
            "fail", "{\(token),\"code\":\"\",\"message\":\"\(String(repeating: "x", count: 501))\"}",
            [("code", codes), ("message", messages)]
        ),
        (
            "fail", "{\(token),\"code\":\"generation_failed\",\"message\":null,\"retryable\":1}",
            [
                ("message", "message is required"), ("retryable", "retryable must be true or false"), ("code", codes),
            ]
        ),
    ]

    @Test("names everything that is wrong, whatever the job")
    func violations() async throws {
        try await TestService.run { service in
            let worker = try await service.newKey(account: "worker", scopes: [.trainer])
            try await service.create(.persona, "Nova")
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            try await service.withoutTrace {
                for report in Self.reports {
                    for id in [job.id, .random()] {
                        try await service.send(.post, "/v2/training/\(id)/\(report.call)", TestBody(report.body), key: worker)
                            .expectViolations(report.violations)
                    }
                }
            }
            // Nothing of it has touched the lease.
            try await service.training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
        }
    }

    @Test("a lease call names what is wrong, and leases nothing")
    func leaseViolations() async throws {
        try await TestService.run { service in
            let worker = try await service.newKey(account: "worker", scopes: [.trainer])
            try await service.create(.persona, "Nova")
            for (value, message) in [
                ("-1", "must not be negative"), ("1.5", "must be a whole number"), (#""5""#, "must be a whole number"),
                ("true", "must be a whole number"),
                ("[]", "must be a whole number"), ("99999999999999999999", "must be a whole number"),
            ] {
                try await service.send(.post, "/v2/training/lease", TestBody(#"{"wait_seconds":\#(value)}"#), key: worker)
                    .expectViolations([("wait_seconds", "wait_seconds \(message)")])
            }
            try await service.send(.post, "/v2/training/lease", "nonsense", key: worker).expectViolations([
                ("body", "the body is not valid JSON")
            ])
            try await service.send(.post, "/v2/training/lease", "{}", key: worker, headers: [.contentType: "text/plain"])
                .expect(415, .unsupportedMediaType, "The request body must be JSON, with Content-Type: application/json")
            // A wait longer than the longest is taken as that; here there is a job at once.
            #expect(try await service.send(.post, "/v2/training/lease", #"{"wait_seconds":1000000}"#, key: worker).status == 200)
        }
    }

    @Test("a job that does not exist is 404, an id that is none too")
    func unknownJobs() async throws {
        try await TestService.run { service in
            let worker = try await service.newKey(account: "worker", scopes: [.trainer])
            let item = try await service.create(.persona, "Nova")
            try await service.withoutTrace {
                for id in [Identifier.random().text, item, "00000000-0000-0000-0000-000000000000", "x", "lease", "%7B\(item)%7D", "%00"] {
                    for (call, rest) in [("heartbeat", ""), ("complete", ""), ("fail", #","code":"GENERATION_FAILED","message":"x""#)] {
                        try await service.send(.post, "/v2/training/\(id)/\(call)", TestBody("{\(Self.token)\(rest)}"), key: worker)
                            .expect(404, .notFound, "Not found")
                    }
                }
            }
        }
    }

    @Test("a key without the scope is 403, for jobs that are there and those that are not")
    func scope() async throws {
        try await TestService.run { service in
            try await service.create(.persona, "Nova")
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            try await service.withoutTrace {
                let message = "The API key does not have the scope trainer"
                for path in ["lease"] + [job.id, .random()].flatMap({ id in ["heartbeat", "complete", "fail"].map { "\(id)/\($0)" } }) {
                    let body = TestBody(#"{"lease_token":"\#(job.leaseToken.text)","code":"GENERATION_FAILED","message":"x"}"#)
                    try await service.send(.post, "/v2/training/\(path)", body).expect(403, .apiAccessNotEnabled, message)
                }
            }
            try await service.training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
        }
    }

    @Test("a message with an escape sequence does no harm")
    func oddMessages() async throws {
        try await TestService.run { service in
            let worker = try await service.newKey(account: "worker", scopes: [.trainer])
            for (index, message) in [#"\u0001"#, #"\u001b[31mred\n"#, #"\u2028"#, "🙂"].enumerated() {
                let id = try await service.create(.persona, "Nova \(index)")
                let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
                let body = TestBody(#"{"lease_token":"\#(job.leaseToken.text)","code":"GENERATION_FAILED","message":"\#(message)"}"#)
                #expect(try await service.send(.post, "/v2/training/\(job.id)/fail", body, key: worker).status == 200)
                #expect(try await service.send(.get, "/v2/pikzonality/\(id)").string("status") == "failed")
                #expect(try await service.send(.delete, "/v2/pikzonality/\(id)").status == 200)
            }
        }
    }
}
