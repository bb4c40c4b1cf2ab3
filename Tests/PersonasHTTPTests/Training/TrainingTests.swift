import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import TestImages
import Testing

/// The protocol of training workers.
@Suite("A training worker", .serialized)
struct TrainingTests {
    /// A worker's key and its ways to report on jobs.
    private struct Worker: Sendable {
        let service: TestService
        let key: TestService.Key

        init(_ service: TestService) async throws {
            self.service = service
            key = try await service.newKey(account: "worker", scopes: [.trainer])
        }

        func lease(_ body: TestBody? = nil) async throws -> Answer { try await service.send(.post, "/v2/training/lease", body, key: key) }

        /// The id and the token of the job that must be there.
        func leaseJob() async throws -> (id: String, token: String) {
            let answer = try await lease()
            return (try #require(answer.string("job_id"), "\(answer.text)"), try #require(answer.string("lease_token")))
        }

        func report(_ call: String, _ id: String, _ body: String) async throws -> Answer {
            try await service.send(.post, "/v2/training/\(id)/\(call)", TestBody(body), key: key)
        }
    }

    private static let stale = "The lease is not valid: it ran out, ended, or belongs to another worker"

    @Test("is given the oldest job with all that it needs, and nothing where there is none")
    func lease() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            for body in [nil, "{}", #"{"wait_seconds":0}"#, #"{"wait_seconds":null}"#, #"{"unknown":[]}"#] as [TestBody?] {
                let nothing = try await worker.lease(body)
                #expect(nothing.status == 204)
                #expect(nothing.headers[.contentType] == nil)
            }
            let first = try await service.create(.style, "Paper")
            try await service.send(.patch, "/v2/styles/\(first)", #"{"special_instructions":"Flat \"shapes\""}"#)
            let second = try await service.create(.persona, "Nova")
            let before = Timestamp.now
            let answer = try await worker.lease()
            answer.expect(
                200,
                """
                {"job_id":"<id 1>","lease_token":"<token 1>","lease_expires_at":"<time>","attempt":1,\
                "pikzonality":{"id":"<id 2>","mode":"style","name":"Paper","special_instructions":"Flat \\"shapes\\""},\
                "reference":["\(TestService.baseURL)/media/<token 2>","\(TestService.baseURL)/media/<token 3>",\
                "\(TestService.baseURL)/media/<token 4>"]}
                """)
            #expect((answer.object?["pikzonality"] as? [String: Any])?["id"] as? String == first)
            #expect(try #require(answer.string("lease_expires_at")) >= before.adding(seconds: Limits.leaseSeconds).text)
            let next = try await worker.lease(#"{"wait_seconds":30}"#)
            #expect((next.object?["pikzonality"] as? [String: Any])?["id"] as? String == second)
            #expect((next.object?["pikzonality"] as? [String: Any])?["special_instructions"] is NSNull)
            #expect(try await worker.lease().status == 204)
        }
    }

    @Test("may wait for a job, and gets it when it comes")
    func waiting() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            async let leased = worker.lease(#"{"wait_seconds":25}"#)
            // Time enough for the worker to have found nothing; were it not, it would be given the job all the same.
            for _ in 0..<200 { await Task.yield() }
            let id = try await service.create(.persona, "Nova")
            let answer = try await leased
            #expect(answer.status == 200)
            #expect((answer.object?["pikzonality"] as? [String: Any])?["id"] as? String == id)
        }
    }

    @Test("tells its progress, which never falls and stays below 100 until the end")
    func heartbeat() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            let id = try await service.create(.persona, "Nova")
            let job = try await worker.leaseJob()
            for (progress, shown) in [("10", 10), ("5", 10), ("null", 10), ("50", 50), ("0", 50), ("100", 99)] {
                let answer = try await worker.report("heartbeat", job.id, #"{"lease_token":"\#(job.token)","progress":\#(progress)}"#)
                answer.expect(200, #"{"cancelled":false,"lease_expires_at":"<time>"}"#)
                #expect(try await service.send(.get, "/v2/personas/\(id)").object?["progress"] as? Int == shown)
            }
            let silent = try await worker.report("heartbeat", job.id.uppercased(), #"{"lease_token":"\#(job.token)"}"#)
            silent.expect(200, #"{"cancelled":false,"lease_expires_at":"<time>"}"#)
        }
    }

    @Test("completes with a portrait of its own, or with the first reference image")
    func complete() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            let jpeg = Picture.base64(Picture.jpeg)
            let rows: [(String, [UInt8])] = [
                ("", Picture.png(seed: 1)), (#","portrait_base64":null"#, Picture.png(seed: 1)),
                (#","portrait_base64":"\#(jpeg)""#, Picture.jpeg),
                (#","portrait_base64":"data:image/png;base64,\#(jpeg)""#, Picture.jpeg),
            ]
            for (index, row) in rows.enumerated() {
                let id = try await service.create(.persona, "Nova \(index)")
                let job = try await worker.leaseJob()
                try await worker.report("complete", job.id, #"{"lease_token":"\#(job.token)"\#(row.0)}"#).expect(
                    200, #"{"message":"Job completed"}"#)
                let item = try await service.send(.get, "/v2/personas/\(id)")
                item.expect(200, Mount.all[0].completed("Nova \(index)"))
                let portrait = try #require(item.string("portrait_url")).dropFirst(TestService.baseURL.count)
                #expect(try await service.send(.get, String(portrait), key: .none).bytes == row.1)
            }
        }
    }

    @Test("whose portrait is no image is told so, and may try again")
    func badPortrait() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            let id = try await service.create(.persona, "Nova")
            let job = try await worker.leaseJob()
            let tooLarge = Picture.base64([UInt8](repeating: 1, count: Limits.imageBytesMax + 1))
            let rows: [(String, Int, ErrorCode, String)] = [
                ("AAAA", 400, .invalidImage, "is not a JPEG, PNG, WebP or GIF image"), ("AAA", 400, .invalidImage, "is not valid base64"),
                ("", 400, .invalidImage, "is not a JPEG, PNG, WebP or GIF image"),
                (Picture.base64(Picture.gif.dropLast(1)), 400, .invalidImage, "is truncated"),
                ("data:,x", 400, .invalidImage, "is not a base64 data URL"), (tooLarge, 413, .imageTooLarge, "is larger than 10 MB"),
            ]
            try await service.withoutTrace {
                for (portrait, status, code, reason) in rows {
                    let message = "portrait_base64 \(reason)"
                    try await worker.report("complete", job.id, #"{"lease_token":"\#(job.token)","portrait_base64":"\#(portrait)"}"#)
                        .expect(status, code, message, details: #"{"field":"portrait_base64","message":"\#(message)"}"#)
                }
            }
            #expect(try await worker.report("complete", job.id, #"{"lease_token":"\#(job.token)"}"#).status == 200)
            #expect(try await service.send(.get, "/v2/personas/\(id)").string("status") == "completed")
        }
    }

    @Test("fails a job for good, or sends it back while attempts are left")
    func fail() async throws {
        try await TestService.run(policy: LeasePolicy(seconds: 30, attemptsMax: 2)) { service in
            let worker = try await Worker(service)
            for (index, code) in TrainingErrorCode.allCases.enumerated() {
                let id = try await service.create(.style, "Paper \(index)")
                for attempt in 1...2 {
                    let answer = try await worker.lease()
                    #expect(answer.object?["attempt"] as? Int == attempt)
                    let job = (id: try #require(answer.string("job_id")), token: try #require(answer.string("lease_token")))
                    let body =
                        #"{"lease_token":"\#(job.token)","code":"\#(code.rawValue)","message":"It \"broke\" \#(attempt)","retryable":true}"#
                    try await worker.report("fail", job.id, body).expect(200, #"{"message":"Failure recorded"}"#)
                    let item = try await service.send(.get, "/v2/styles/\(id)")
                    let error = TrainingError(code: code, message: #"It \"broke\" 2"#)
                    item.expect(
                        200, attempt == 1 ? Mount.all[1].processing("Paper \(index)") : Mount.all[1].failed("Paper \(index)", error))
                }
            }
            let id = try await service.create(.persona, "Nova")
            for retryable in ["", #","retryable":null"#, #","retryable":false"#].prefix(1) {
                let job = try await worker.leaseJob()
                let body = #"{"lease_token":"\#(job.token)","code":"GENERATION_REJECTED","message":"x"\#(retryable)}"#
                #expect(try await worker.report("fail", job.id, body).status == 200)
                #expect(try await service.send(.get, "/v2/personas/\(id)").string("status") == "failed")
                #expect(try await worker.lease().status == 204)
            }
        }
    }

    @Test("with a token that is not the running lease's gets 409 and changes nothing")
    func foreignTokens() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            try await service.create(.persona, "First")
            try await service.create(.persona, "Second")
            let first = try await worker.leaseJob()
            let second = try await worker.leaseJob()
            let tokens = [
                second.token, RandomToken.random().text, String(repeating: "0", count: 32), "", "x", first.token.uppercased() + "0",
                first.token + "0", first.id,
                String(first.token.dropLast()), #"\u0000"#,
            ]
            try await service.withoutTrace {
                for token in tokens {
                    for (call, rest) in [
                        ("heartbeat", #","progress":50"#), ("complete", ""), ("complete", #","portrait_base64":null"#),
                        ("fail", #","code":"GENERATION_FAILED","message":"x","retryable":true"#),
                    ] {
                        try await worker.report(call, first.id, #"{"lease_token":"\#(token)"\#(rest)}"#).expect(409, .conflict, Self.stale)
                    }
                }
            }
            #expect(try await worker.report("complete", first.id, #"{"lease_token":"\#(first.token)"}"#).status == 200)
        }
    }

    @Test("whose lease ran out is too late, whichever worker has the job now")
    func lateToken() async throws {
        try await TestService.run(policy: LeasePolicy(seconds: 0, attemptsMax: 2)) { service in
            let worker = try await Worker(service)
            let id = try await service.create(.persona, "Nova")
            let first = try await worker.leaseJob()
            let second = try await worker.leaseJob()
            #expect(first.id == second.id && first.token != second.token)
            for token in [first.token, second.token] {
                for (call, rest) in [("heartbeat", ""), ("complete", ""), ("fail", #","code":"GENERATION_FAILED","message":"x""#)] {
                    try await worker.report(call, first.id, #"{"lease_token":"\#(token)"\#(rest)}"#).expect(409, .conflict, Self.stale)
                }
            }
            #expect(try await worker.lease().status == 204)
            let error = TrainingError(code: .timeout, message: "No worker finished in time; attempts: 2")
            try await service.send(.get, "/v2/personas/\(id)").expect(200, Mount.all[0].failed("Nova", error))
        }
    }

    @Test("cannot end a job twice, nor change one that has ended")
    func ended() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            try await service.create(.persona, "Nova")
            try await service.create(.style, "Paper")
            let good = try await worker.leaseJob()
            let bad = try await worker.leaseJob()
            let failure = #","code":"GENERATION_FAILED","message":"x""#
            #expect(try await worker.report("complete", good.id, #"{"lease_token":"\#(good.token)"}"#).status == 200)
            #expect(try await worker.report("fail", bad.id, #"{"lease_token":"\#(bad.token)"\#(failure)}"#).status == 200)
            try await service.withoutTrace {
                for job in [good, bad] {
                    for (call, rest) in [("heartbeat", ""), ("complete", ""), ("fail", failure)] {
                        try await worker.report(call, job.id, #"{"lease_token":"\#(job.token)"\#(rest)}"#).expect(
                            409, .conflict, Self.stale)
                    }
                }
            }
        }
    }

    @Test("is told when the item of its job went away")
    func cancelled() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            let key = try await service.newKey(account: "short-lived")
            try await service.create(.persona, "Nova", key: key)
            let job = try await worker.leaseJob()
            _ = try await service.administration.perform(DeleteAccount(name: "short-lived"))
            try await worker.report("heartbeat", job.id, #"{"lease_token":"\#(job.token)","progress":10}"#)
                .expect(200, #"{"cancelled":true,"lease_expires_at":"<time>"}"#)
            try await worker.report("complete", job.id, #"{"lease_token":"\#(job.token)"}"#).expect(409, .conflict, Self.stale)
        }
    }

    @Test("of two that end one lease at once exactly one does", arguments: ["complete", "fail"])
    func twoAtOnce(second: String) async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            for round in 0..<10 {
                let id = try await service.create(.persona, "Nova \(round)")
                let job = try await worker.leaseJob()
                let failure = second == "fail" ? #","code":"GENERATION_FAILED","message":"x""# : ""
                async let one = worker.report("complete", job.id, #"{"lease_token":"\#(job.token)"}"#)
                async let other = worker.report(second, job.id, #"{"lease_token":"\#(job.token)"\#(failure)}"#)
                #expect(try await [one.status, other.status].sorted() == [200, 409])
                let isCompleted = try await one.status == 200 || second == "complete"
                #expect(try await service.send(.get, "/v2/personas/\(id)").string("status") == (isCompleted ? "completed" : "failed"))
            }
        }
    }

    @Test("shares the queue with others, and every job goes to one of them")
    func manyWorkers() async throws {
        try await TestService.run { service in
            let worker = try await Worker(service)
            for index in 0..<12 { try await service.create(.persona, "Nova \(index)") }
            let jobs = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        var jobs: [String] = []
                        while let job = try await worker.lease().string("job_id") { jobs.append(job) }
                        return jobs
                    }
                }
                return try await group.reduce(into: [String]()) { $0 += $1 }
            }
            #expect(jobs.count == 12)
            #expect(Set(jobs).count == 12)
        }
    }
}
