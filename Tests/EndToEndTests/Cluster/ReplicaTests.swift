import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// What two replicas do at the same moment, with one cluster for all of it: it holds as it does for one.
@Suite("Two replicas", .timeLimit(.minutes(20)))
struct ReplicaTests {
    @Test("What one replica has begun or done, the other one knows: keys, names, jobs, images and events")
    func together() async throws {
        try await RunningCluster.run("--serve-flags", "--trainer worker --lease-seconds 60") { cluster in
            try await Self.oneKey(cluster)
            try await Self.oneName(cluster)
            try await Self.leases(cluster)
            try await Self.oneImage(cluster)
            try await Self.events(cluster)
            let check = try await cluster.command("check", "--json")
            #expect(check.exit == .status(0), "\(check)")
        }
    }

    @Test("A replica is killed while its commit is under way: the create is done, and the retry at the other replica gets its answer")
    func killedBetweenCommitAndAnswer() async throws {
        try await RunningCluster.run { cluster in
            let key = [(name: "Idempotency-Key", value: UUID().uuidString)]
            let body: JSONValue = ["name": "Nova", "image_base64s": Picture.threeBase64(seed: 7)]
            // A commit is on the primary's disk then, and is not answered before the standby has it as well.
            try await cluster.tell("stop", "standby")
            async let lost = try? cluster.client(of: 0).send(.POST, "/v2/personas", json: body, headers: key)
            try await eventually("a commit that waits for the standby") {
                try await cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0"
            }
            try await cluster.tell("kill", "replica-1")
            #expect(await lost == nil)
            try await cluster.tell("continue", "standby")
            let again = try await eventually("the answer") {
                let again = try await cluster.client(of: 1).send(.POST, "/v2/personas", json: body, headers: key)
                return [409, 503].contains(again.status) ? nil : again
            }
            #expect((again.status, again.header("Idempotent-Replayed")) == (201, "true"), "\(again.text)")
            #expect(try await cluster.client.all("/v2/personas").compactMap { $0["id"]?.string } == [again.id])
        }
    }

    /// Sends one create a hundred times, at both replicas.
    private static func oneKey(_ cluster: RunningCluster) async throws {
        let key = [(name: "Idempotency-Key", value: UUID().uuidString)]
        let body: JSONValue = ["name": "One key", "image_base64s": Picture.threeBase64(seed: 1)]
        let answers = try await Self.inParallel(100) { index in
            try await settled { try await cluster.client(of: index % 2).send(.POST, "/v2/personas", json: body, headers: key) }
        }
        #expect(Set(answers.map(\.status)) == [201] && Set(answers.map(\.body)).count == 1)
        #expect(answers.count { $0.header("Idempotent-Replayed") == "true" } == 99)
        #expect(try await cluster.client.all("/v2/personas", query: "q=One").count == 1)
    }

    /// Has many want the same names at once.
    private static func oneName(_ cluster: RunningCluster) async throws {
        for round in 0..<5 {
            let answers = try await Self.inParallel(12) { index in
                let body: JSONValue = ["name": .string("Wanted \(round)"), "image_base64s": Picture.threeBase64(seed: index)]
                let key = [(name: "Idempotency-Key", value: UUID().uuidString)]
                return try await settled { try await cluster.client(of: index % 2).send(.POST, "/v2/styles", json: body, headers: key) }
            }
            let winners = try answers.filter { $0.status == 201 }.map { try $0.id }
            #expect(winners.count == 1)
            let losers = answers.filter { $0.status != 201 }
            #expect(
                losers.allSatisfy { $0.code == "NAME_ALREADY_EXISTS" && $0.text.contains(winners.first ?? "?") }, "\(losers.map(\.text))")
        }
    }

    /// Has many workers ask for the jobs that are there, and end at the other replica what they got at one.
    private static func leases(_ cluster: RunningCluster) async throws {
        let waiting = try await cluster.client.all("/v2/pikzonality", query: "status=processing").count
        try #require(waiting > 5)
        let jobs = Shared<[String]>([])
        _ = try await inParallel(8) { index in
            while true {
                let lease = try await cluster.worker(of: index % 2).send(.POST, "/v2/training/lease")
                guard lease.status == 200, let job = lease.json["job_id"]?.string, let token = lease.json["lease_token"] else {
                    return lease
                }
                jobs.withLock { $0.append(job) }
                let end = try await cluster.worker(of: (index + 1) % 2).post("/v2/training/\(job)/complete", ["lease_token": token])
                try #require(end.status == 200, "\(end.text)")
            }
        }
        #expect(jobs.value.count == waiting && Set(jobs.value).count == waiting)
        #expect(try await cluster.client.all("/v2/pikzonality", query: "status=processing").isEmpty)
    }

    /// Stores and removes the same images at both replicas at once.
    private static func oneImage(_ cluster: RunningCluster) async throws {
        let made = try await inParallel(2) { replica in
            var answer: ClientAnswer?
            for round in 0..<15 {
                let client = cluster.client(of: replica)
                let item = try await settled { try await client.post("/v2/personas", Self.shared("Image \(replica) \(round)")) }
                try #require(item.status == 201, "\(item.text)")
                let lease = try await cluster.worker(of: replica).send(.POST, "/v2/training/lease")
                let job = try #require(lease.json["job_id"]?.string, "\(lease.text)")
                let token = try #require(lease.json["lease_token"])
                let end = try await cluster.worker(of: replica).post("/v2/training/\(job)/complete", ["lease_token": token])
                try #require(end.status == 200)
                // The other replica may be working on what this one has made.
                if let before = try answer?.id {
                    try await eventually("a deletion") {
                        try await client.delete("/v2/personas/\(before)").code != "CANNOT_DELETE_PROCESSING"
                    }
                }
                answer = item
            }
            return try #require(answer)
        }
        for item in made {
            let found = try await eventually("the end of a training") {
                let found = try await cluster.client.get("/v2/personas/\(item.id)")
                return found.json["status"] == "completed" ? found : nil
            }
            for (url, sent) in zip(Ledger.urls(of: found.json).dropFirst(), Picture.three(seed: 77)) {
                for replica in 0..<2 { #expect(try await cluster.client(of: replica).get(Ledger.path(of: url)).body == sent) }
            }
        }
    }

    private static func shared(_ name: String) -> JSONValue { ["name": .string(name), "image_base64s": Picture.threeBase64(seed: 77)] }

    /// Changes an item at one replica while streams follow at both.
    private static func events(_ cluster: RunningCluster) async throws {
        let id = try await cluster.client.create(name: "Followed", seed: 3).id
        let page = try await cluster.client.get("/v2/events?limit=1")
        let start = try #require(page.json["next_cursor"]?.string)
        let followers = cluster.replicas.map { address in EventFollower(key: cluster.key.secret, lastEventID: start) { address } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for follower in followers { group.addTask { await follower.follow() } }
            var delays: [Duration] = []
            for round in 0..<50 {
                let changed = try await cluster.client(of: 0).patch(
                    "/v2/personas/\(id)", ["special_instructions": .string("Words \(round)")])
                try #require(changed.status == 200, "\(changed.text)")
                let now = ContinuousClock.now
                try await eventually("the event at the other replica", detail: { "\(followers[1].seen)".suffix(1_000).description }) {
                    followers[1].seen.events.last?.data.contains("\"Words \(round)\"") == true
                }
                delays.append(.now - now)
            }
            for follower in followers {
                try await eventually("the last event") { follower.seen.events.last?.data.contains("\"Words 49\"") == true }
                let sequences = try follower.seen.events.filter { $0.name != "ready" }.map {
                    try JSONValue(parsing: $0.data.utf8)["sequence"]?.integer ?? 0
                }
                let first = try #require(sequences.first)
                #expect(sequences == Array(first..<first + sequences.count), "the sequences have gaps or repeats")
            }
            group.cancelAll()
            let median = delays.sorted()[delays.count / 2]
            print("Events across replicas: \(median.formatted(.units(allowed: [.milliseconds]))) at the median of \(delays.count) changes")
        }
        // Who waits for a change at one replica is woken by the other.
        async let waiting = cluster.client(of: 1).get("/v2/personas/\(id)?wait=60")
        let lease = try await cluster.worker(of: 0).send(.POST, "/v2/training/lease")
        let (job, token) = (try #require(lease.json["job_id"]?.string, "\(lease.text)"), try #require(lease.json["lease_token"]))
        #expect(try await cluster.worker(of: 0).post("/v2/training/\(job)/complete", ["lease_token": token]).status == 200)
        #expect(try await waiting.json["status"] == "completed")
    }

    /// Sends until it is no longer a matter of who is first, or of how many there are.
    private static func settled(_ send: () async throws -> ClientAnswer) async throws -> ClientAnswer {
        try await eventually("an answer") {
            let answer = try await send()
            return answer.status == 429 || answer.code == "IDEMPOTENCY_KEY_IN_USE" ? nil : answer
        }
    }

    private static func inParallel<Value: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: Value.self) { group in
            for index in 0..<count { group.addTask { try await body(index) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }
}
