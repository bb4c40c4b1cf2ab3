import Foundation
import TestSupport
import Testing

/// What an account was given and what its trainings cost, as those know who asked for it, held against the ledger that the account is shown.
///
/// A training is paid for as it begins, given back once if it ends badly, and begins anew only then: so the ledger tells of each item a charge, a refund,
/// a charge, and so on, and ends with what its status says.
final class CreditBook: Sendable {
    /// The settings of a service whose trainings cost something.
    static let flags = ["--credits", "on", "--persona-price", "2", "--style-price", "3"]

    private static let prices = ["persona": 2, "style": 3]
    /// More than any run spends.
    private static let endowment = 1_000_000

    /// What the ledger tells of an item's trainings.
    private struct Trainings {
        var price: Int
        var charges = 0
        var isOpen = false
    }

    private struct State {
        /// By its note, what operators gave, or took where it is below 0, and whether they were told that it was done.
        var adjustments: [String: (amount: Int, isAnswered: Bool)] = [:]
        /// How often each note was found.
        var noted: [String: Int] = [:]
        /// The ledger as far as it was read, the oldest entry first.
        var entries: [JSONValue] = []
        var trainings: [String: Trainings] = [:]
        var counts: [String: Int] = [:]
        var problems: [String] = []

        var balance: Int { entries.last?["balance_after"]?.integer ?? 0 }
    }

    private let stage: Stage
    private let account: String
    private let state = Shared(State())

    init(stage: Stage, account: String = "acme") {
        self.stage = stage
        self.account = account
    }

    /// Everything that went against a promise.
    var problems: [String] { state.value.problems }
    /// What it all came to, in words.
    var summary: String {
        let state = state.value
        let kinds = state.counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)s" }.joined(separator: ", ")
        let open = state.adjustments.values.count { !$0.isAnswered }
        return "\(state.entries.count) entries: \(kinds), \(open) adjustments cut off; \(state.balance) credits left, none lost or made"
    }

    /// Gives the account more than it needs.
    func endow() async throws {
        try await adjust(by: Self.endowment, note: "endowment")
        try #require(state.value.adjustments["endowment"]?.isAnswered == true, "\(problems)")
    }

    /// Has an operator give credits, or take some, whatever happens to the service meanwhile.
    /// - Parameter note: what no other adjustment has.
    func adjust(by amount: Int, note: String) async throws {
        state.withLock { $0.adjustments[note] = (amount, false) }
        let result = try await stage.command(
            "credits", amount > 0 ? "grant" : "revoke", account, "\(abs(amount))", "--note", note)
        state.withLock { state in
            switch result.exit {
            case .status(0): state.adjustments[note] = (amount, true)
            case .status(64): state.problems.append("\(result)")
            default: break
            }
        }
    }

    /// Compares the ledger with everything that is known, while nothing changes.
    /// - Parameters:
    ///   - trainings: how often the training of each item has begun, gone or not.
    ///   - isWhole: also entries that were compared before.
    func check(_ client: Client, trainings: [String: Int], isWhole: Bool = false) async throws {
        let standing = try await client.get("/v2/credits")
        try #require(standing.status == 200, "\(standing.text)")
        for entry in try await unseen(client) { take(entry) }
        if isWhole, try await client.all("/v2/credits/entries").reversed() != state.value.entries {
            note("the ledger is not what it was")
        }
        let state = state.value
        if standing.json["balance"] != .integer(state.balance) { note("the balance is \(standing.text) after \(state.balance)") }
        let sum = state.entries.reduce(0) { $0 + ($1["amount"]?.integer ?? 0) }
        if sum != state.balance { note("the entries come to \(sum), and the balance is \(state.balance)") }
        for (note, adjustment) in state.adjustments {
            let count = state.noted[note] ?? 0
            if count > 1 || count < 1 && adjustment.isAnswered { self.note("the adjustment \(note) stands there \(count) times") }
        }
        let counted = state.trainings.mapValues(\.charges)
        for id in Set(counted.keys).union(trainings.keys) where counted[id] != trainings[id] {
            note("\(counted[id] ?? 0) charges for \(trainings[id] ?? 0) trainings of \(id)")
        }
        for item in try await client.all("/v2/pikzonality") { check(item, state.trainings) }
    }

    private func check(_ item: JSONValue, _ trainings: [String: Trainings]) {
        guard let id = item["id"]?.string, let mode = item["mode"]?.string, let training = trainings[id] else {
            return note("nobody paid for \(item)")
        }
        if training.price != Self.prices[mode] { note("the training of \(item) cost \(training.price)") }
        // Nothing is given back of what runs or ended well.
        if training.isOpen != (item["status"] != "failed") { note("what \(item) cost was \(training.isOpen ? "not " : "")given back") }
    }

    private func note(_ problem: String) { state.withLock { $0.problems.append(problem) } }

    /// The entries since the last that was read, the oldest first.
    private func unseen(_ client: Client) async throws -> [JSONValue] {
        let last = state.value.entries.last
        var found: [JSONValue] = []
        var cursor = ""
        while true {
            let page = try await client.get("/v2/credits/entries?limit=100\(cursor)")
            try #require(page.status == 200, "\(page.text)")
            for entry in page.json["data"]?.array ?? [] {
                guard let last, entry["id"] == last["id"] else {
                    found.append(entry)
                    continue
                }
                if entry != last { note("an entry has changed: \(entry) was \(last)") }
                return found.reversed()
            }
            guard let next = page.json["next_cursor"]?.string else { break }
            cursor = "&cursor=\(next)"
        }
        if let last { note("an entry is lost: \(last)") }
        return found.reversed()
    }

    /// Takes the next entry of the ledger.
    private func take(_ entry: JSONValue) {
        state.withLock { state in
            guard let kind = entry["kind"]?.string, let amount = entry["amount"]?.integer, let after = entry["balance_after"]?.integer
            else {
                return state.problems.append("this is no entry: \(entry)")
            }
            if after != state.balance + amount || after < 0 { state.problems.append("\(entry) follows a balance of \(state.balance)") }
            state.entries.append(entry)
            state.counts[kind, default: 0] += 1
            switch (kind, entry["item_id"]?.string) {
            case ("charge", let id?):
                let before = state.trainings[id] ?? Trainings(price: -amount)
                if before.isOpen || -amount != before.price { state.problems.append("a training is charged that was paid for: \(entry)") }
                state.trainings[id] = Trainings(price: -amount, charges: before.charges + 1, isOpen: true)
            case ("refund", let id?):
                if state.trainings[id]?.isOpen != true || state.trainings[id]?.price != amount {
                    state.problems.append("what was not paid is given back: \(entry)")
                }
                state.trainings[id]?.isOpen = false
            case ("grant", nil), ("revoke", nil):
                let note = entry["note"]?.string ?? ""
                state.noted[note, default: 0] += 1
                if state.adjustments[note]?.amount != amount { state.problems.append("nobody asked for \(entry)") }
            default: state.problems.append("nothing brought about \(entry)")
            }
        }
    }
}
