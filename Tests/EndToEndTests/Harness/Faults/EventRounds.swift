import Foundation
import TestSupport
import Testing

/// Rounds of a start, work of many clients on one account, and a kill, while readers follow the account's events through all of it.
final class EventRounds: Sendable {
    private static let flags = ["--lease-seconds", "1", "--training-attempts-max", "100", "--trust-request-id"] + CreditBook.flags
    private static let clients = 5
    private static let workers = 2
    /// Names of readers.
    private static let (list, stream, again) = ("the list", "the stream", "the list from its beginning")

    let ledger = EventLedger()
    let book = EventBook()
    /// What the trainings cost and what operators give.
    let credits: CreditBook
    let key: Key
    /// Where the service is, each time.
    let address: String
    private let stage: Stage
    private let trainer: Key
    private let port: Int

    /// - Parameter port: what the service listened on at its first start, which has made the keys' accounts known.
    init(stage: Stage, key: Key, trainer: Key, port: Int) {
        self.stage = stage
        credits = CreditBook(stage: stage)
        self.key = key
        self.trainer = trainer
        self.port = port
        address = "http://127.0.0.1:\(port)"
    }

    /// Runs all rounds, then brings everything to an end, and compares.
    /// - Parameters:
    ///   - reading: follows the events meanwhile; it is cancelled at the end.
    ///   - afterwards: what else is to be compared once nothing changes any more.
    func run(
        kills: Int, seed: UInt64, beside reading: @escaping @Sendable () async throws -> Void = {},
        afterwards: @escaping @Sendable (Client, _ items: [String: JSONValue]) async throws -> Void = { _, _ in }
    ) async throws {
        let follower = EventFollower(key: key.secret) { [address] in address }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await follower.follow() }
            group.addTask { await self.poll() }
            group.addTask { try await reading() }
            var random = SplitMix64(seed: seed)
            for round in 0..<kills {
                try await kill(round, &random)
                try #require(ledger.problems.isEmpty && book.problems.isEmpty, "seed \(seed), round \(round)")
            }
            let service = try await stage.serve(Self.flags, port: port)
            try await compare(service.client(key), follower, afterwards)
            group.cancelAll()
            #expect(try await service.stop() == .status(0))
        }
    }

    /// Has clients and workers call until the service is killed under them.
    private func kill(_ round: Int, _ random: inout SplitMix64) async throws {
        let hasWorkers = Bool.random(using: &random)
        let service = try await stage.serve(Self.flags + ["--trainer", hasWorkers ? "worker" : "embedded"], port: port)
        let changes = try await AccountChange.offered(by: service.client())
        let kill = Kill()
        let pause = Duration.milliseconds(.random(in: 50..<600, using: &random))
        let seeds = (0..<Self.clients + Self.workers).map { _ in random.next() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, seed) in seeds.enumerated() {
                if index < Self.clients {
                    let driver = AccountDriver(
                        ledger: ledger, client: service.client(key), label: "\(round)-\(index)", changes: changes, seed: seed)
                    group.addTask {
                        var driver = driver
                        await kill.call(self.ledger.note) { try await driver.step() }
                    }
                } else if hasWorkers {
                    let worker = AccountTrainer(ledger: ledger, client: service.client(trainer), seed: seed)
                    group.addTask {
                        var worker = worker
                        await kill.call(self.ledger.note) { try await worker.step() }
                    }
                }
            }
            let amount = Int(seeds[0] % 60) - 20
            group.addTask { try await self.credits.adjust(by: amount < 0 ? amount : amount + 1, note: "round \(round)") }
            try await Task.sleep(for: pause)
            kill.begin()
            try await service.process.kill()
            kill.end()
            try await group.waitForAll()
        }
    }

    /// Asks for the list of events again and again, whether there is a service or not.
    private func poll() async {
        let client = Client(base: address, key: key.secret)
        var cursor = ""
        var limit = 1
        while !Task.isCancelled {
            limit = limit % 100 + 1
            guard let page = try? await client.get("/v2/events?limit=\(limit)\(cursor)"), page.status == 200 else {
                try? await Task.sleep(for: .milliseconds(20))
                continue
            }
            if page.json["gap"] != false { ledger.note(problem: "the list has a gap: \(page.text.prefix(300))") }
            for event in page.json["data"]?.array ?? [] { book.take(event, by: Self.list) }
            guard let next = page.json["next_cursor"]?.string else { return ledger.note(problem: "a page has no cursor: \(page.text)") }
            cursor = "&after=\(next)"
            if page.json["has_more"] == false { try? await Task.sleep(for: .milliseconds(5)) }
        }
    }

    /// Waits until nothing changes any more, and compares what was told with what is there.
    private func compare(
        _ client: Client, _ follower: EventFollower, _ afterwards: @Sendable (Client, [String: JSONValue]) async throws -> Void
    ) async throws {
        try await eventually("the end of every job") { try await client.all("/v2/pikzonality", query: "status=processing").isEmpty }
        var cursor = ""
        while true {
            let page = try await client.get("/v2/events?limit=100\(cursor)")
            try #require(page.status == 200, "\(page.text)")
            for event in page.json["data"]?.array ?? [] { book.take(event, by: Self.again) }
            cursor = "&after=\(try #require(page.json["next_cursor"]?.string))"
            if page.json["has_more"] == false { break }
        }
        let last = book.last(of: Self.again)
        try await eventually("the list to end at \(last)", detail: { "\(self.book.last(of: Self.list))" }) {
            book.last(of: Self.list) == last
        }
        try await eventually("the stream to end at \(last)", detail: { "\(follower.seen)".suffix(2_000).description }) {
            follower.seen.lastEventID?.hasPrefix("\(last).") == true
        }
        try take(follower.seen)
        ledger.check(book.events(ofCredits: false))
        let (items, trash) = book.fold()
        let listed = Dictionary(try await client.all("/v2/pikzonality").map { ($0["id"]?.string ?? "", $0) }) { first, _ in first }
        #expect(items == listed, "what the events tell is not what the list shows")
        try await checkCredits(client)
        let answer = try await client.get("/v2/trash")
        let trashed = answer.status == 200 ? try await client.all("/v2/trash") : []
        #expect(trash == Set(trashed.compactMap { $0["id"]?.string }), "what the events tell is not what the trash shows")
        #expect(book.problems == [] && ledger.problems == [])
        // Files that a kill left without their rows are still being swept, and are no matter of events.
        let check = try await stage.command("check", "--json").json
        let kinds = Set((check["findings"]?.array ?? []).compactMap { $0["kind"]?.string })
        #expect(check["counts"] != nil && kinds.isSubset(of: ["file_orphaned", "row_orphaned"]), "\(check)")
        try await afterwards(client, listed)
        let counts = [Self.list, Self.stream, Self.again].map { "\(book.count(of: $0)) by \($0)" }.joined(separator: ", ")
        print(
            "Events: \(ledger.doneCount) changes acknowledged, \(ledger.openCount) cut off; \(book.events.count) events told: \(counts);",
            "\(follower.seen.connections) connections of the stream; \(listed.count) items left; no difference; credits:",
            credits.summary)
    }

    /// Compares what trainings cost with how often they were told to have begun, and what is told of credits with their ledger.
    private func checkCredits(_ client: Client) async throws {
        var trainings: [String: Int] = [:]
        for event in book.events(ofCredits: false) where ["created", "retried"].contains(EventBook.kind(of: event)) {
            trainings[event["data"]?["id"]?.string ?? "", default: 0] += 1
        }
        try await credits.check(client, trainings: trainings, isWhole: true)
        let entries = try await client.all("/v2/credits/entries").reversed()
        #expect(
            book.events(ofCredits: true).map { $0["data"] ?? .null } == Array(entries), "what the events tell is not what the ledger shows")
        #expect(credits.problems == [])
    }

    private func take(_ seen: EventFollower.Seen) throws {
        for (index, streamed) in seen.events.enumerated() {
            if index == 0, streamed.name == "ready" { continue }
            let event = try JSONValue(parsing: streamed.data.utf8)
            if event["type"] != .string(streamed.name) || event["sequence"]?.integer.map({ streamed.id.hasPrefix("\($0).") }) != true {
                ledger.note(problem: "the stream says \(streamed)")
            }
            book.take(event, by: Self.stream)
        }
        for refusal in seen.refusals { ledger.note(problem: "the stream was refused: \(refusal.status) \(refusal.text)") }
        if seen.isEnded { ledger.note(problem: "the stream said that nothing more will come") }
    }
}
