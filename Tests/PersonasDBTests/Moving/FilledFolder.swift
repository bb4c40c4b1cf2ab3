import Foundation
import Personas
import Testing

@testable import PersonasDB

/// Puts something of everything into a folder, so that each table has rows. Images have files.
func fillWithEverything(_ open: OpenStorage) async throws {
    let (first, second) = (try await open.account("first"), try await open.account("second"))
    let endpoint = try await open.webhook(of: first, at: .second(0))
    let images = try await realImages(1...3, open)
    try await fillItems(open, first, images)
    try await fillItems(open, second, images)
    try await fillKeys(open, first)
    try await fillSettings(open, first)
    try await fillCredits(open, first, images)
    try await fillTraining(open, images)
    try await fillImport(open, first, images)

    let queued = try await open.log(endpoint)
    try await open.attempt(queued[0], at: .second(20))
    try await open.attempt(queued[1], status: 500, at: .second(20))
    let gone = try await open.webhook(of: second, at: .second(21))
    _ = try await open.insert("For a hook", of: second, images: images, outcome: .completed, at: .second(22))
    try await open.storage.webhooks.delete(gone.reference, if: .none, in: WriteContext(at: .second(23)))

    // An account that went while somebody was asked to pay for it.
    let third = try await open.account("third")
    try await fillKeys(open, third)
    try await askForCredits(open, third)
    try await open.accounts.delete(accountNamed: "third", at: .second(30))
    open.unpin(images)
}

private func realImages(_ seeds: ClosedRange<UInt64>, _ open: OpenStorage) async throws -> [StoredImage] {
    var images: [StoredImage] = []
    for seed in seeds { images.append(try await open.store(try .fixture(seed, side: 40))) }
    return images
}

private func fillItems(_ open: OpenStorage, _ account: Identifier, _ images: [StoredImage]) async throws {
    let done = try await open.insert(
        "Zoe", of: account, images: images, instructions: "Warm\nsmile \u{1F469}\u{200D}\u{1F3A4}", externalID: "own-1",
        metadata: ["team": "red", "größe": "Ω"], outcome: .completed, at: .second(1))
    _ = try await open.insert("Failed", mode: .style, of: account, images: images, outcome: .failed(.fixture), at: .second(2))
    for words in ["one", "two"] {
        _ = try await open.items.update(
            done.id, mode: nil, accountID: account, change: PikzonalityChange(specialInstructions: words), at: .second(3))
    }
    let own = try await realImages(10...12, open)
    let away = try await open.insert("Away", of: account, images: own, outcome: .completed, at: .second(4))
    open.unpin(own)
    _ = try await open.items.update(
        away.id, mode: nil, accountID: account, change: PikzonalityChange(name: Name(stored: "Gone")), at: .second(5))
    try await open.putAway(away, at: .second(6))
    let short = try await realImages(20...22, open)
    let deleted = try await open.insert("Deleted", of: account, images: short, outcome: .completed, at: .second(7))
    open.unpin(short)
    _ = try await open.items.delete(deleted.id, mode: nil, accountID: account, at: .second(8))
}

private func fillKeys(_ open: OpenStorage, _ account: Identifier) async throws {
    let secret = APIKeySecret.random()
    let key = APIKey(
        id: .random(), accountID: account, prefix: secret.prefix, label: "label", scopes: [.read, .write], state: .active,
        createdAt: .second(0))
    try await open.keys.insert(key, secret: secret)
    for second in 1...3 {
        _ = try await open.keys.rotate(key.id, to: .random(), overlap: try KeyOverlap(hours: 2), at: .second(second))
    }
}

private func fillSettings(_ open: OpenStorage, _ account: Identifier) async throws {
    try await open.storage.names.reserve([Name(stored: "Reserved")], at: .second(1))
    try await open.storage.terms.block(["term"])
    try await open.storage.maintenance.set(Maintenance(isOn: true, retryAfterSeconds: 77))
    for target in ["a", "b"] {
        let note = AuditNote<Void>(.backup, by: Operator(uid: .max)) { [target] }
        try await open.storage.audit.add(in: WriteContext(at: .second(2), audit: note))
    }
    let request = IdempotentRequest(
        scope: IdempotentRequest.Scope(accountID: account, operation: "POST /v2/personas", key: try IdempotencyKey(quotable: "key")),
        fingerprint: [UInt8](repeating: 7, count: 32))
    try await open.storage.idempotency.keep([0, 1, 255], for: request, under: .random(), at: .now)
}

private func askForCredits(_ open: OpenStorage, _ account: Identifier) async throws {
    let amount = try CreditAmount(10, of: .own("amount"))
    _ = try await open.storage.smartBalances.set(
        SmartBalance(threshold: amount, amount: amount), accountID: account, in: WriteContext(at: .second(1)))
    let balance = try await open.storage.credits.standing(accountID: account).balance
    _ = try await open.storage.smartBalances.ask(toCover: balance + 1, accountID: account, at: .second(2))
}

private func fillCredits(_ open: OpenStorage, _ account: Identifier, _ images: [StoredImage]) async throws {
    let credits = open.storage.credits
    _ = try await credits.adjust(
        .grant(try CreditAmount(100, of: .own("amount")), note: try CreditNote("Welcome", of: .own("note"))), accountID: account,
        in: WriteContext(at: .second(1)))
    for name in ["Charged", "Given back"] {
        let new = NewPikzonality(
            id: .random(), accountID: account, mode: .persona, details: PikzonalityDetails(name: Name(stored: name)), references: images)
        let id = try await open.items.insert(new, costing: CreditPrices(persona: 3, style: 5), in: WriteContext(at: .second(2))).item.id
        guard name == "Given back" else { continue }
        _ = try await open.items.cancel(id, mode: nil, accountID: account, if: .none, in: WriteContext(at: .second(3)))
    }
    try await askForCredits(open, account)
}

/// Jobs that wait, that somebody has, that are at fal, and one that has ended well.
private func fillTraining(_ open: OpenStorage, _ images: [StoredImage]) async throws {
    let account = try await open.account("trainees")
    for number in 0..<4 { _ = try await open.insert("Trainee \(number)", of: account, images: images, at: .second(10)) }
    let leased = try await open.jobs.lease(limit: 3, policy: LeasePolicy(), at: .second(11))
    let portrait = try await realImages(30...30, open)
    // The first is the job that somebody pays for.
    try await open.jobs.complete(leased[1].id, token: leased[1].leaseToken, portrait: portrait[0], at: .second(12))
    open.unpin(portrait)
    let policy = FalRules.leasePolicy(timeoutSeconds: 30)
    let job = try #require(
        try await open.jobs.leaseInTurn(after: nil, passing: [], policy: policy, in: WriteContext(at: .second(13))))
    let intent = try await open.storage.falRequests.intend(job, token: .random(), at: .second(14))
    let handle = FalHandle(requestID: "r", statusURL: "s", responseURL: "r", cancelURL: "c")
    _ = try await open.storage.falRequests.take(.accepted(handle), ofJob: intent.request.jobID, at: .second(15))
}

private func fillImport(_ open: OpenStorage, _ account: Identifier, _ images: [StoredImage]) async throws {
    let record = try await open.storage.archives.begin(
        try IdempotencyKey(quotable: "import"), digest: [UInt8](repeating: 9, count: 32), accountID: account, since: .second(0),
        at: .second(16))
    let line = NewPikzonality(
        id: .random(), accountID: account, mode: .style, details: PikzonalityDetails(name: Name(stored: "Imported")), references: images,
        outcome: .failed(.fixture), createdAt: .second(1))
    _ = try await open.storage.archives.create(
        [ImportedLine(line: 1, item: .success(line))], of: record.number, in: WriteContext(at: .second(16)))
}
