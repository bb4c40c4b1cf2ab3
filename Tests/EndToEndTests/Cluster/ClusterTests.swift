import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// Clients go on while a replica is killed, then the primary, then one hangs: nothing that they were told is lost, nothing is there twice, and all they notice
/// is that they had to ask again. `PERSONAS_CLUSTER_ROUNDS` sets how often, `PERSONAS_SEED` what they do.
@Suite("A cluster under faults", .timeLimit(.minutes(60)))
struct ClusterTests {
    private static let rounds = ProcessInfo.processInfo.environment["PERSONAS_CLUSTER_ROUNDS"].flatMap(Int.init)
    private static let seed = ProcessInfo.processInfo.environment["PERSONAS_SEED"].flatMap(UInt64.init) ?? 20_261_123
    private static let clients = 4
    private static let prefix = "L"
    private static let (list, stream) = ("the list", "the stream")

    @Test(
        "A replica is killed, the primary is killed and its standby promoted, the primary hangs: clients notice nothing but a few retries")
    func faults() async throws {
        try await RunningCluster.run("--serve-flags", "--lease-seconds 2 --training-attempts-max 100") { cluster in
            let ledger = ClusterLedger()
            let follower = EventFollower(key: cluster.key.secret, lastEventID: try await Self.beginning(cluster)) { cluster.address }
            var outages: [String] = []
            try await withThrowingTaskGroup(of: Void.self) { group in
                let isOver = Shared(false)
                group.addTask { await follower.follow() }
                for index in 0..<Self.clients {
                    var driver = ClusterDriver(
                        ledger: ledger, client: cluster.client, label: "\(Self.prefix)\(index)", seed: Self.seed &+ UInt64(index))
                    group.addTask { while !isOver.value { try await driver.step() } }
                }
                for round in 0..<(Self.rounds ?? 1) {
                    outages += try await Self.round(cluster, ledger)
                    try #require(ledger.problems.isEmpty, "seed \(Self.seed), round \(round)")
                }
                isOver.withLock { $0 = true }
                for _ in 0..<Self.clients { try await group.next() }
                try await Self.compare(cluster, ledger, follower)
                group.cancelAll()
            }
            #expect(ledger.problems == [], "seed \(Self.seed)")
            print(
                "Cluster: \(outages.joined(separator: "; ")); \(ledger.summary); \(follower.seen.connections) connections of the stream; seed \(Self.seed)"
            )
        }
    }

    /// Kills and hangs one part after the other. Returns how long it took after each until the service answered again.
    private static func round(_ cluster: RunningCluster, _ ledger: ClusterLedger) async throws -> [String] {
        var outages: [String] = []
        func recovered(from fault: String) async throws {
            let time = try await outage(cluster)
            outages.append("\(fault): answered \(time.formatted(.units(allowed: [.milliseconds]))) later")
            // What is measured is told; only the long form, which has the machine for itself, holds it against the promise.
            if rounds != nil { #expect(time < .seconds(5), "\(fault)") }
            try await progress(ledger)
        }
        try await progress(ledger)
        try await cluster.tell("kill", "replica-1")
        try await recovered(from: "replica killed")
        try await cluster.tell("start", "replica-1")
        try await progress(ledger)
        try await cluster.tell("kill", "primary")
        try await cluster.tell("promote")
        try await recovered(from: "primary killed, standby promoted")
        try await cluster.tell("rejoin")
        try await progress(ledger)
        try await cluster.tell("stop", "primary")
        // Longer than anybody who is impatient waits.
        try await Task.sleep(for: .seconds(5))
        try await cluster.tell("continue", "primary")
        try await recovered(from: "primary stopped for 5 s")
        return outages
    }

    /// Waits until clients were answered some times more.
    private static func progress(_ ledger: ClusterLedger) async throws {
        let before = ledger.answers
        try await eventually("answers to clients", within: timeout * 3, detail: { ledger.summary }) { ledger.answers >= before + 40 }
    }

    /// How long it takes until a write and a read are answered, from now on.
    private static func outage(_ cluster: RunningCluster) async throws -> Duration {
        let start = ContinuousClock.now
        let name = "Probe \(UUID().uuidString.prefix(8))"
        let client = cluster.client
        try await eventually("an answer", detail: { cluster.log(of: "replica-2").suffix(2_000).description }) {
            let key = [(name: "Idempotency-Key", value: UUID().uuidString)]
            let body: JSONValue = ["name": .string(name), "image_base64s": Picture.threeBase64(seed: 1)]
            guard let made = try? await client.send(.POST, "/v2/styles", json: body, headers: key, within: .seconds(5)) else {
                return false
            }
            // An attempt before this one may have come through without an answer.
            return made.status == 201 || made.code == "NAME_ALREADY_EXISTS"
        }
        return .now - start
    }

    /// The id with which a stream tells everything.
    private static func beginning(_ cluster: RunningCluster) async throws -> String {
        let page = try await cluster.client.get("/v2/events?limit=1")
        return try #require(page.json["next_cursor"]?.string, "\(page.text)")
    }

    /// Compares what was told, what streams have told, and what is there; and asks the service to compare its rows and its images.
    private static func compare(_ cluster: RunningCluster, _ ledger: ClusterLedger, _ follower: EventFollower) async throws {
        let client = cluster.client
        try await eventually("the end of every training") { try await client.all("/v2/pikzonality", query: "status=processing").isEmpty }
        try await ledger.check(client, prefix: prefix)
        var (events, cursor): ([JSONValue], String) = ([], "")
        while true {
            let page = try await client.get("/v2/events?limit=100\(cursor)")
            try #require(page.status == 200, "\(page.text)")
            if page.json["gap"] != false { ledger.note(problem: "the list of events has a gap") }
            events += page.json["data"]?.array ?? []
            if page.json["has_more"] == false { break }
            cursor = "&after=\(try #require(page.json["next_cursor"]?.string))"
        }
        let last = try #require(events.last?["sequence"]?.integer)
        try await eventually("the stream to end at \(last)", detail: { "\(follower.seen.lastEventID ?? "")" }) {
            follower.seen.lastEventID?.hasPrefix("\(last).") == true
        }
        let streamed = follower.seen.events.filter { $0.name != "ready" }
        ledger.check(events, streamed: try streamed.map { try JSONValue(parsing: $0.data.utf8) })
        for refusal in follower.seen.refusals where ![500, 502, 504].contains(refusal.status) {
            ledger.note(problem: "the stream was refused: \(refusal.status) \(refusal.text)")
        }
        let check = try await cluster.command("check", "--json")
        let kinds = Set((check.json["findings"]?.array ?? []).compactMap { $0["kind"]?.string })
        // What was put into the bucket by a request that was cut off is taken out when a day has gone by.
        #expect(check.json["counts"] != nil && kinds.isSubset(of: ["file_orphaned", "row_orphaned"]), "\(check)")
    }
}
