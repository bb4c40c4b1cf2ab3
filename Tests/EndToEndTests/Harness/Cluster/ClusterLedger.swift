import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// What clients of a cluster were told: each of them asks again until it is answered, so at the end nothing is open, and what is there has to be this.
final class ClusterLedger: Sendable {
    /// An item as its client knows it.
    struct Item: Sendable {
        let id: String
        let seed: Int
        var name: String
        var isDeleted = false
    }

    private struct State: Sendable {
        var items: [String: Item] = [:]
        var problems: [String] = []
        var answers = 0
        /// Attempts that had to be repeated, by what came of them.
        var retries: [String: Int] = [:]
        var replays = 0
        var longest = Duration.zero
    }

    private let state = Shared(State())

    /// Everything that went against a promise.
    var problems: [String] { state.value.problems }
    /// How many calls were answered for good.
    var answers: Int { state.value.answers }
    /// Items that are to be there.
    var living: [Item] { state.value.items.values.filter { !$0.isDeleted } }
    /// Items whose deletion was answered.
    var deleted: [Item] { state.value.items.values.filter(\.isDeleted) }

    /// What it cost the clients, in words.
    var summary: String {
        let state = state.value
        let retries = state.retries.sorted { $0.key < $1.key }.map { "\($0.value) for \($0.key)" }.joined(separator: ", ")
        return """
            \(state.answers) calls answered; \(state.retries.values.reduce(0, +)) attempts repeated (\(retries)), \(state.replays) answers replayed, \
            the slowest call took \(state.longest.formatted(.units(allowed: [.seconds], fractionalPart: .show(length: 1)))); \
            \(living.count) items there, \(deleted.count) deleted
            """
    }

    func note(problem: String) { state.withLock { $0.problems.append(problem) } }

    func note(retryFor reason: String) { state.withLock { $0.retries[reason, default: 0] += 1 } }

    func noteAnswer(after time: Duration, isReplayed: Bool) {
        state.withLock { state in
            state.answers += 1
            state.replays += isReplayed ? 1 : 0
            state.longest = max(state.longest, time)
        }
    }

    func note(created item: Item) {
        state.withLock { state in
            if state.items.updateValue(item, forKey: item.id) != nil { state.problems.append("the id \(item.id) was given twice") }
        }
    }

    func change(_ id: String, _ body: (inout Item) -> Void) {
        state.withLock { state in
            guard var item = state.items[id] else { return }
            body(&item)
            state.items[id] = item
        }
    }

    /// Compares with what is there, once nobody calls any more and every training has ended.
    /// - Parameter prefix: of the names that these clients give; others are of no concern.
    func check(_ client: Client, prefix: String) async throws {
        try await eventually("the end of every training") { try await client.all("/v2/personas", query: "status=processing").isEmpty }
        let listed = try await client.all("/v2/personas").filter { $0["name"]?.string?.hasPrefix(prefix) == true }
        let ids = listed.compactMap { $0["id"]?.string }
        if Set(ids).count != ids.count { note(problem: "a list holds an item twice") }
        let (living, deleted) = (living, deleted)
        let known = Set(living.map(\.id))
        for item in listed where !known.contains(item["id"]?.string ?? "") { note(problem: "nobody was told of \(item)") }
        let byID = Dictionary(listed.map { ($0["id"]?.string ?? "", $0) }) { first, _ in first }
        for item in living {
            guard let found = byID[item.id] else {
                note(problem: "\(item) was acknowledged, and is lost")
                continue
            }
            if found["name"] != .string(item.name) || found["status"] != "completed" { note(problem: "\(item) is \(found)") }
            let images = try await Self.images(of: found, client)
            let sent = Picture.three(seed: item.seed)
            if images != [sent[0]] + sent { note(problem: "the images of \(item) are not those that were sent") }
        }
        for item in deleted {
            let status = try await client.get("/v2/personas/\(item.id)").status
            if status != 404 { note(problem: "\(item) was deleted, and answers \(status)") }
        }
    }

    private static func images(of item: JSONValue, _ client: Client) async throws -> [[UInt8]] {
        var images: [[UInt8]] = []
        for url in Ledger.urls(of: item) { images.append(try await client.get(Ledger.path(of: url)).body) }
        return images
    }

    /// Compares what is told from the beginning with what a stream has told, and with the items.
    /// - Parameter streamed: the events of a stream that was there from the beginning.
    func check(_ events: [JSONValue], streamed: [JSONValue]) {
        let sequences = events.compactMap { $0["sequence"]?.integer }
        if sequences != Array(1...max(1, events.count)) { note(problem: "the sequences have gaps or repeats: \(sequences)") }
        if Set(events.compactMap { $0["id"]?.string }).count != events.count { note(problem: "two events have one id") }
        let told = streamed.compactMap { $0["sequence"]?.integer }
        if told != sequences { note(problem: "the stream told \(told), and the list \(sequences)") }
        for (one, other) in zip(events, streamed) where one["id"] != other["id"] || one["type"] != other["type"] {
            note(problem: "the stream told \(other), and the list \(one)")
        }
        let kinds = Dictionary(grouping: events) { $0["data"]?["id"]?.string ?? "" }.mapValues { $0.map(EventBook.kind) }
        for item in living + deleted {
            let kinds = kinds[item.id] ?? []
            let isTold = kinds.count { $0 == "created" } == 1 && kinds.count { $0 == "completed" } == 1
            if !isTold || kinds.count(where: { $0 == "deleted" }) != (item.isDeleted ? 1 : 0) {
                note(problem: "\(item) was told as \(kinds)")
            }
        }
    }
}

/// One client of a cluster, which creates, reads, renames and deletes items of its own, and asks again as the README says until it is answered.
struct ClusterDriver: Sendable {
    /// How long it asks: beyond the time for which a replica that has died holds on to an idempotency key.
    private static let patience = Duration.seconds(120) * timeoutFactor
    private static let itemsMax = 20

    let ledger: ClusterLedger
    let client: Client
    let label: String
    private var random: SplitMix64
    private var own: [String] = []
    private var count = 0

    init(ledger: ClusterLedger, client: Client, label: String, seed: UInt64) {
        self.ledger = ledger
        self.client = client
        self.label = label
        random = SplitMix64(seed: seed)
    }

    /// Does one thing, until it is answered.
    mutating func step() async throws {
        let choice = Int.random(in: 0..<10, using: &random)
        guard let id = own.randomElement(using: &random), choice >= 4 else {
            return own.count < Self.itemsMax ? try await create() : try await delete(own[0])
        }
        switch choice {
        case 4..<7: try await read(id)
        case 7: try await rename(id)
        default: try await delete(id)
        }
    }

    private mutating func create() async throws {
        count += 1
        let (name, seed, key) = ("\(label)-\(count)", Int.random(in: 0..<1_000_000, using: &random), UUID().uuidString)
        let body: JSONValue = ["name": .string(name), "image_base64s": Picture.threeBase64(seed: seed)]
        let client = client
        let answer = try await insist("POST") {
            try await client.send(.POST, "/v2/personas", json: body, headers: [("Idempotency-Key", key)])
        }
        guard answer.status == 201 else { return ledger.note(problem: "POST \(name) answered \(answer.status) \(answer.text)") }
        own.append(try answer.id)
        ledger.note(created: ClusterLedger.Item(id: try answer.id, seed: seed, name: name))
    }

    private func read(_ id: String) async throws {
        let answer = try await insist("GET") { try await client.get("/v2/personas/\(id)") }
        let name = ledger.living.first { $0.id == id }?.name
        if answer.status != 200 || answer.json["name"]?.string != name {
            ledger.note(problem: "GET answered \(answer.status) \(answer.text)")
        }
    }

    private mutating func rename(_ id: String) async throws {
        count += 1
        let name = "\(label)-\(count)"
        let client = client
        let answer = try await insist("PATCH") { try await client.patch("/v2/personas/\(id)", ["name": .string(name)]) }
        guard answer.status == 200 else { return ledger.note(problem: "PATCH answered \(answer.status) \(answer.text)") }
        ledger.change(id) { $0.name = name }
    }

    private mutating func delete(_ id: String) async throws {
        let client = client
        let answer = try await insist("DELETE") { try await client.delete("/v2/personas/\(id)") }
        if answer.code == "CANNOT_DELETE_PROCESSING" { return }
        // Who asks again, be it nginx, may be told that nothing is there any more. Its event is what says that it was there until then.
        guard [200, 404].contains(answer.status) else {
            return ledger.note(problem: "DELETE answered \(answer.status) \(answer.text)")
        }
        own.removeAll { $0 == id }
        ledger.change(id) { $0.isDeleted = true }
    }

    /// Sends until there is an answer that says what became of it.
    private func insist(_ what: String, _ send: @Sendable () async throws -> ClientAnswer) async throws -> ClientAnswer {
        let start = ContinuousClock.now
        while true {
            let reason: String
            do {
                let answer = try await send()
                guard [429, 500, 502, 503, 504].contains(answer.status) || answer.code == "IDEMPOTENCY_KEY_IN_USE" else {
                    ledger.noteAnswer(after: .now - start, isReplayed: answer.header("Idempotent-Replayed") == "true")
                    return answer
                }
                reason = "\(answer.status) \(answer.code ?? "")"
            } catch {
                try Task.checkCancellation()
                reason = "no answer"
            }
            ledger.note(retryFor: reason)
            guard .now - start < Self.patience else { throw Overdue("an answer to \(what)", after: Self.patience, detail: reason) }
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}
