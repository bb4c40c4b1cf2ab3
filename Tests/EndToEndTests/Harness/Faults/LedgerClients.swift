import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// One client of the ledger: it creates, changes and deletes items of its own, and notes every answer before it goes on.
struct LedgerClient: Sendable {
    /// Items beyond which nothing more is created, so that a long run does not slow down.
    private static let itemsMax = 60

    let ledger: Ledger
    let client: Client
    let label: String
    private var random: SplitMix64
    /// The items that no other client touches.
    private var own: [(id: String, mode: String)]
    private var count = 0

    init(ledger: Ledger, client: Client, label: String, seed: UInt64, own: [(id: String, mode: String)]) {
        self.ledger = ledger
        self.client = client
        self.label = label
        self.own = own
        random = SplitMix64(seed: seed)
    }

    /// Sends one request. What it throws leaves open whether it was done.
    mutating func step() async throws {
        let choice = Int.random(in: 0..<10, using: &random)
        if own.isEmpty || choice < 5 && ledger.living.count < Self.itemsMax { return try await create() }
        let index = Int.random(in: own.indices, using: &random)
        if choice < 8 { try await change(own[index].id) } else { try await delete(at: index) }
    }

    private mutating func create() async throws {
        count += 1
        let mode = Bool.random(using: &random) ? "persona" : "style"
        // Now and then a name that others want at the same moment.
        let isContested = Int.random(in: 0..<4, using: &random) == 0
        let name = isContested ? "Contested \(Int.random(in: 0..<3, using: &random))" : "Item \(label)-\(count)"
        let attempt = Ledger.Attempt(mode: mode, name: name, seed: Int.random(in: 0..<1_000_000, using: &random))
        let (path, success) = Bool.random(using: &random) ? ("/v2/\(mode)s", 201) : ("/v2/pikzonality/\(mode)", 200)
        let answer: ClientAnswer
        do {
            answer = try await client.post(path, ["name": .string(name), "image_base64s": Picture.threeBase64(seed: attempt.seed)])
        } catch {
            ledger.note(attempt: attempt)
            throw error
        }
        switch (answer.status, answer.json["id"]?.string) {
        case (success, let id?):
            ledger.note(created: id, mode: mode, name: name, seed: attempt.seed)
            own.append((id, mode))
        case (409, _) where isContested: break
        default: ledger.note(problem: "create answered \(answer.status) \(answer.text)")
        }
    }

    private mutating func change(_ id: String) async throws {
        count += 1
        let isRenaming = Int.random(in: 0..<3, using: &random) == 0
        let text = "\(isRenaming ? "Name" : "Words") \(label)-\(count)"
        let answer: ClientAnswer
        do {
            answer = try await client.patch("/v2/pikzonality/\(id)", [isRenaming ? "name" : "special_instructions": .string(text)])
        } catch {
            ledger.update(id) { item in
                if isRenaming { item.names.insert(text) } else { item.instructions.insert(.string(text)) }
            }
            throw error
        }
        guard answer.status == 200 else { return ledger.note(problem: "PATCH answered \(answer.status) \(answer.text)") }
        ledger.note(answered: id) { item in
            if isRenaming { item.names = [text] } else { item.instructions = [.string(text)] }
        }
    }

    private mutating func delete(at index: Int) async throws {
        let (id, mode) = own[index]
        let urls = Ledger.urls(of: try await client.get("/v2/\(mode)s/\(id)").json)
        ledger.update(id) { $0.urls = urls }
        let answer: ClientAnswer
        do {
            answer = try await client.delete(Bool.random(using: &random) ? "/v2/\(mode)s/\(id)" : "/v2/pikzonality/\(id)")
        } catch {
            own.remove(at: index)
            ledger.update(id) { $0.mayBeDeleted = true }
            throw error
        }
        if answer.code == "CANNOT_DELETE_PROCESSING" { return }
        guard answer.status == 200 else { return ledger.note(problem: "DELETE answered \(answer.status) \(answer.text)") }
        own.remove(at: index)
        ledger.note(answered: id) { $0.isDeleted = true }
        for url in urls where try await client.get(url).status != 404 { ledger.note(problem: "\(url) outlives its item") }
    }
}

/// A training worker of the ledger: it leases jobs and ends them well, badly, later or never.
struct LedgerWorker: Sendable {
    let ledger: Ledger
    let client: Client
    let label: String
    private var random: SplitMix64
    private var count = 0

    init(ledger: Ledger, client: Client, label: String, seed: UInt64) {
        self.ledger = ledger
        self.client = client
        self.label = label
        random = SplitMix64(seed: seed)
    }

    /// Leases a job, if there is one, and does something with it. What it throws leaves open whether the last call was done.
    mutating func step() async throws {
        let lease = try await client.post("/v2/training/lease", ["wait_seconds": 1])
        guard lease.status != 204 else { return }
        guard lease.status == 200, let job = lease.json["job_id"]?.string, let token = lease.json["lease_token"],
            let id = lease.json["pikzonality"]?["id"]?.string
        else { return ledger.note(problem: "lease answered \(lease.status) \(lease.text)") }
        ledger.noteAnswer()
        count += 1
        if Bool.random(using: &random) { try await report("heartbeat", job, ["lease_token": token, "progress": 40]) }
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return
        case 1: try await fail(id, job, token, isRetryable: true)
        case 2: try await fail(id, job, token, isRetryable: false)
        case 3, 4: try await complete(id, job, token, portrait: Int.random(in: 5_000_000..<6_000_000, using: &random))
        default: try await complete(id, job, token, portrait: nil)
        }
    }

    private func complete(_ id: String, _ job: String, _ token: JSONValue, portrait: Int?) async throws {
        var body: [String: JSONValue] = ["lease_token": token]
        if let portrait { body["portrait_base64"] = .string(Picture.base64(Picture.png(seed: portrait))) }
        try await report("complete", job, .object(body), ending: .completed(portrait: portrait), of: id)
    }

    private func fail(_ id: String, _ job: String, _ token: JSONValue, isRetryable: Bool) async throws {
        let words = "Failed \(label)-\(count)"
        try await report(
            "fail", job,
            ["lease_token": token, "code": "GENERATION_FAILED", "message": .string(words), "retryable": .boolean(isRetryable)],
            ending: isRetryable ? nil : .failed(words), of: id)
    }

    private func report(
        _ call: String, _ job: String, _ body: JSONValue, ending: Ledger.Ending? = nil, of id: String = ""
    ) async throws {
        let answer: ClientAnswer
        do {
            answer = try await client.post("/v2/training/\(job)/\(call)", body)
        } catch {
            if let ending { ledger.note(ending: ending, of: id, isAnswered: false) }
            throw error
        }
        switch answer.status {
        case 200: if let ending { ledger.note(ending: ending, of: id, isAnswered: true) } else { ledger.noteAnswer() }
        // The lease ran out while the machine was occupied, and the job belongs to another worker.
        case 409: break
        default: ledger.note(problem: "\(call) answered \(answer.status) \(answer.text)")
        }
    }
}
