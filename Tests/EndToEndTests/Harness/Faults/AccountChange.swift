import Foundation
import NIOHTTP1
import TestImages
import TestSupport

/// What a client can do to the items of its account, each with the event that tells of it.
enum AccountChange: String, CaseIterable, Sendable {
    case create, rename, words, label, delete, cancel, retry, settle, trash, restore, purge, revise

    /// Where an item has to be for it.
    enum Place: Sendable {
        /// There is none yet.
        case nowhere
        /// Among the items.
        case listed
        /// In the trash.
        case trashed
    }

    var place: Place {
        switch self {
        case .create: .nowhere
        case .restore, .purge: .trashed
        default: .listed
        }
    }

    /// How often it is chosen, beside the others.
    var weight: Int {
        switch self {
        case .create: 6
        case .rename, .words, .label, .delete, .trash, .restore, .retry: 2
        case .cancel, .settle, .purge, .revise: 1
        }
    }

    /// The kinds of the event, of which there is exactly one where the change was done. An item that was to go at the end of its training goes with that.
    var events: Set<String> {
        switch self {
        case .create: ["created"]
        case .rename, .words, .label, .revise: ["updated"]
        case .delete, .purge: ["deleted"]
        case .cancel: ["failed", "deleted", "trashed"]
        case .retry: ["retried"]
        case .settle: ["updated", "deleted"]
        case .trash: ["trashed"]
        case .restore: ["restored"]
        }
    }

    /// Whether what it asks for may be so already, so that nothing is told.
    var mayBeSilent: Bool { self == .settle || self == .revise }

    /// Where the item is afterwards; nil where it is gone.
    var destination: Place? {
        switch self {
        case .delete, .purge: nil
        case .trash: .trashed
        default: .listed
        }
    }

    /// Those that a service offers, as its document says.
    static func offered(by client: Client) async throws -> [AccountChange] {
        let paths = try await client.get("/openapi.json").json["paths"] ?? .null
        return allCases.filter { change in
            let (path, method, parameter) = change.operation
            guard let operation = paths[path]?[method] else { return false }
            return parameter == nil || operation["parameters"]?.array?.contains { $0["name"]?.string == parameter } == true
        }
    }

    private var operation: (path: String, method: String, parameter: String?) {
        let path = "/v2/personas/{id}"
        return switch self {
        case .create: ("/v2/personas", "post", nil)
        case .rename, .words, .label: (path, "patch", nil)
        case .delete: (path, "delete", nil)
        case .cancel, .retry: ("\(path)/\(rawValue)", "post", nil)
        case .settle: (path, "delete", "when")
        case .trash: (path, "delete", "to")
        case .restore: ("/v2/trash/{id}/restore", "post", nil)
        case .purge: ("/v2/trash/{id}", "delete", nil)
        case .revise: ("\(path)/revisions/{version}/restore", "post", nil)
        }
    }

    /// Asks for it. What it sets it sets for the first time, so that it changes something.
    /// - Parameters:
    ///   - text: what no other request has.
    ///   - requestID: what the request is called.
    func send(_ client: Client, _ item: AccountDriver.Item, text: String, requestID: String) async throws -> ClientAnswer {
        let headers = [(name: "X-Request-Id", value: requestID)]
        let (path, trash) = ("/v2/\(item.mode)s/\(item.id)", "/v2/trash/\(item.id)")
        func patch(_ members: JSONValue) async throws -> ClientAnswer {
            try await client.send(.PATCH, path, json: members, headers: headers)
        }
        switch self {
        case .create:
            let body: JSONValue = ["name": .string(text), "image_base64s": Picture.threeBase64(seed: text.utf8.reduce(0) { $0 + Int($1) })]
            return try await client.send(.POST, "/v2/\(item.mode)s", json: body, headers: headers)
        case .rename: return try await patch(["name": .string(text)])
        case .words: return try await patch(["special_instructions": .string(text)])
        case .label: return try await patch(["metadata": ["label": .string(text)]])
        case .delete: return try await client.send(.DELETE, path, headers: headers)
        case .cancel, .retry: return try await client.send(.POST, "\(path)/\(rawValue)", headers: headers)
        case .settle: return try await client.send(.DELETE, "\(path)?when=settled", headers: headers)
        case .trash: return try await client.send(.DELETE, "\(path)?to=trash", headers: headers)
        case .restore: return try await client.send(.POST, "\(trash)/restore", headers: headers)
        case .purge: return try await client.send(.DELETE, trash, headers: headers)
        case .revise: return try await client.send(.POST, "\(path)/revisions/1/restore", headers: headers)
        }
    }
}

/// One client of an account: it changes items that no other touches, and notes of every request what became of it.
struct AccountDriver: Sendable {
    /// An item of its own, as far as it knows.
    struct Item: Sendable {
        let id: String
        let mode: String
        var place: AccountChange.Place
    }

    /// Items beyond which nothing more is created.
    private static let itemsMax = 12

    let ledger: EventLedger
    let client: Client
    let label: String
    /// What it may do.
    let changes: [AccountChange]
    private var random: SplitMix64
    private var count = 0

    init(ledger: EventLedger, client: Client, label: String, changes: [AccountChange], seed: UInt64) {
        self.ledger = ledger
        self.changes = changes
        self.client = client
        self.label = label
        random = SplitMix64(seed: seed)
    }

    /// Sends one request. What it throws leaves open whether it was done.
    mutating func step() async throws {
        let own = ledger.items(of: owner)
        let choices = changes.flatMap { change in
            let isPossible = change.place == .nowhere ? own.count < Self.itemsMax : own.contains { $0.place == change.place }
            return Array(repeating: change, count: isPossible ? change.weight : 0)
        }
        guard let change = choices.randomElement(using: &random) else { return }
        let new = Item(id: "", mode: Bool.random(using: &random) ? "persona" : "style", place: .nowhere)
        guard let item = own.filter({ $0.place == change.place }).randomElement(using: &random) ?? (change == .create ? new : nil) else {
            return
        }
        count += 1
        let requestID = ledger.begin(change, item.id)
        let answer: ClientAnswer
        do {
            answer = try await change.send(client, item, text: "\(label)-\(count)", requestID: requestID)
        } catch {
            // It may be anywhere now, or gone, and nobody touches it any more.
            ledger.move(item, of: owner, to: nil)
            throw error
        }
        ledger.end(requestID, answer)
        // What was to go once it was settled has gone.
        if answer.status == 404 { ledger.move(item, of: owner, to: nil) }
        guard answer.status < 300 else { return }
        ledger.move(change == .create ? Item(id: try answer.id, mode: item.mode, place: .listed) : item, of: owner, to: change.destination)
    }

    /// Whose items are its own, in this round and the next: what stands behind the round in its label.
    private var owner: Substring { label.drop { $0 != "-" } }
}

/// A worker that ends jobs well or badly, and notes what it was told.
struct AccountTrainer: Sendable {
    let ledger: EventLedger
    let client: Client
    private var random: SplitMix64

    init(ledger: EventLedger, client: Client, seed: UInt64) {
        self.ledger = ledger
        self.client = client
        random = SplitMix64(seed: seed)
    }

    /// Ends a job, if there is one, unless it leaves it to the next worker.
    mutating func step() async throws {
        let lease = try await client.post("/v2/training/lease", ["wait_seconds": 1])
        guard lease.status == 200, let job = lease.json["job_id"]?.string, let token = lease.json["lease_token"],
            let id = lease.json["pikzonality"]?["id"]?.string
        else { return }
        let choice = Int.random(in: 0..<10, using: &random)
        if choice % 2 == 0 { _ = try await client.post("/v2/training/\(job)/heartbeat", ["lease_token": token, "progress": 40]) }
        guard choice > 0 else { return }
        let isWell = choice > 3
        let body: JSONValue =
            isWell
            ? ["lease_token": token]
            : ["lease_token": token, "code": "GENERATION_FAILED", "message": "No luck", "retryable": false]
        let answer = try await client.post("/v2/training/\(job)/\(isWell ? "complete" : "fail")", body)
        if answer.status == 200 { ledger.note(trained: id, isWell ? "completed" : "failed") }
    }
}
