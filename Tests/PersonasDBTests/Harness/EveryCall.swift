import Foundation
import GRDB
import GRDBSQLite
import Personas
import Testing

@testable import PersonasDB

/// What the connections of a storage keep prepared.
struct PreparedTexts: Equatable {
    var written: [String]
    var read: Set<String>
    var searched: Set<String>

    /// Each text once.
    var all: Set<String> { read.union(searched).union(written) }
}

extension OpenStorage {
    /// The statements of the writing connection, of one that reads and of one that searches.
    func preparedStatements() async throws -> PreparedTexts {
        let table = try #require(items as? SQLPikzonalityStore)
        return PreparedTexts(
            written: try await index.writer.writeDirectly { db in db.preparedTexts.sorted() },
            read: try index.readers.lend { Set($0.statements.keys) },
            searched: try await table.scans.scan { Set(($0 as? ReadConnection)?.statements.keys.map(\.self) ?? []) })
    }
}

extension OpenStorage {
    /// The plan of the one statement, of those that were called already, that holds a text.
    func plan(of text: String) async throws -> [String] {
        let found = try await preparedStatements().all.filter { $0.contains(text) && !$0.hasPrefix("EXPLAIN") }
        try #require(found.count == 1, "\(found)")
        return try await index.writer.writeDirectly { db in
            try found.flatMap { sql in
                let statement = try db.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
                statement.setUncheckedArguments(StatementArguments())
                return try Row.fetchAll(statement).map { row -> String in row["detail"] }
            }
        }
    }
}

extension Database {
    /// The statements that exist on this connection, each as often as it does.
    var preparedTexts: [String] {
        var found: [String] = []
        var statement = sqlite3_next_stmt(sqliteConnection, nil)
        while let current = statement {
            if let text = sqlite3_sql(current) { found.append(String(cString: text)) }
            statement = sqlite3_next_stmt(sqliteConnection, current)
        }
        return found
    }
}

/// Calls every method of every port of the store, each in every form that has a statement of its own. Rounds differ in all values.
func everyCall(_ open: OpenStorage, round: Int) async throws {
    let name = "acme \(round)"
    let account = try await open.account(name)
    try await everyCallOfItems(open, round, account)
    try await everyCallOfJobs(open, round, account)
    try await everyCallOfFal(open, round, account)
    try await everyCallOfMedia(open, round, account)
    try await everyCallOfTrash(open, round, account)
    try await everyCallOfKeys(open, round, accountName: name, account)
    try await everyCallOfSettings(open, round)
    try await everyCallOfAnswers(open, round, account)
    try await everyCallOfWebhooks(open, round, accountName: name, account)
    try await everyCallOfArchives(open, round, account)
    try await everyCallOfCredits(open, round, account)
    try await everyCallOfMaintenance(open, round)
    try await everyCallOfEvents(open, round, account)
    try await everyCallOfTopUps(open, round, account)
    for name in [nil, name] { _ = try await open.accounts.accounts(after: name, limit: 3 + round) }
    _ = try await open.accounts.account(named: name)
    _ = try await open.accounts.setSuspended(round % 2 == 0, accountNamed: name)
    _ = try await open.accounts.setAPIAccess(round % 2 == 0, accountNamed: name)
    _ = try await open.accounts.change(QuotaChange(items: .max(1_000 + round), storedBytes: .max(1 << 40 + round)), accountNamed: name)
    _ = try await open.items.usage(accountID: account)
    _ = try open.items.usageNow(accountID: account)
    _ = await result { () throws(Failure) in try await open.accounts.setSuspended(true, accountNamed: "nobody \(round)") }
    _ = await result { () throws(Failure) in try await open.accounts.insert(.fixture(name)) }
    try await open.accounts.delete(accountNamed: name, at: .second(round + 5))
    _ = try await open.collector.collect()
    _ = try await open.jobs.expire(policy: LeasePolicy(), at: .second(100_000 + round))
}

private func everyCallOfItems(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let (items, filterLimit) = (open.items, 2 + round)
    var made: [Pikzonality] = []
    for (number, outcome) in [nil, TrainingOutcome.completed, .failed(.fixture)].enumerated() {
        for mode in Mode.allCases {
            made.append(
                try await open.insert(
                    "Item \(number) \(round)", mode: mode, of: account, instructions: number == 0 ? nil : "\(round)",
                    externalID: "own-\(number)-\(round)", metadata: ["a": "\(round)", "b": "\(number)"], outcome: outcome,
                    at: .second(round)))
        }
    }
    _ = await result { () throws(Failure) in try await open.insert("Item 0 \(round)", of: account) }
    _ = await result { () throws(Failure) in try await open.insert("Item", of: .random()) }
    for change in [
        PikzonalityChange(name: Name(stored: "Other \(round)")), PikzonalityChange(specialInstructions: "words \(round)"),
        PikzonalityChange(name: made[2].name), PikzonalityChange(externalID: made[2].details.externalID),
        PikzonalityChange(metadata: .merge(["b": nil, "c": "\(round)"])),
    ] {
        _ = await result { () throws(Failure) in
            try await items.update(made[0].id, mode: nil, accountID: account, change: change, at: .second(round + 1))
        }
    }
    let after = PikzonalityPosition(nameKey: "item \(round)", createdAt: .second(round), id: made[round % 3].id)
    for sort in PikzonalitySort.allCases {
        for mode in [nil, Mode.persona] {
            for status in [nil, Status.completed] {
                for search in [nil, "o\(round)"] {
                    for position in [nil, after] {
                        let filter = PikzonalityFilter(mode: mode, status: status, search: search)
                        _ = try await items.page(filter, sort: sort, after: position, limit: filterLimit, accountID: account)
                        if search != nil { try await walk(open, filter, sort, position, account) }
                        for count in 1...2 {
                            var labelled = filter
                            labelled.metadata = Array(made[1].details.metadata.members.prefix(count))
                            _ = try await items.page(labelled, sort: sort, after: position, limit: filterLimit, accountID: account)
                            try await walk(open, labelled, sort, position, account)
                        }
                        var called = filter
                        called.externalID = made[1].details.externalID
                        _ = try await items.page(called, sort: sort, after: position, limit: filterLimit, accountID: account)
                    }
                }
            }
        }
    }
    _ = try await items.find(made[0].id, mode: nil, accountID: account)
    _ = try await items.availability(
        of: Name(stored: "Free \(round)"), externalID: "free-\(round)", mode: .persona, accountID: account)
    _ = try await items.availability(of: nil, externalID: "free-\(round)", mode: .persona, accountID: account)
    _ = try await items.holders(of: Name(stored: "Free \(round)"), externalID: "free-\(round)", mode: .persona, accountID: account)
    _ = try await items.counts(accountID: account)
    for search in [nil, "\(round)"] {
        let filter = PikzonalityFilter(search: search)
        let page = try await items.operatorItems(filter, after: nil, limit: 3 + round)
        _ = try await items.operatorItems(filter, after: page.next, limit: 3 + round)
    }
    _ = try await items.operatorItem(made[0].id)
    try await everyCallOfLives(open, round, account, made)
    _ = try await items.delete(made[2].id, mode: nil, accountID: account, at: .second(round + 4))
    _ = await result { () throws(Failure) in try await items.delete(.random(), mode: nil, accountID: nil, at: .second(round)) }
}

/// - Parameter made: an item in training, one of which that has ended, and one that has failed, of each mode.
private func everyCallOfLives(_ open: OpenStorage, _ round: Int, _ account: Identifier, _ made: [Pikzonality]) async throws {
    let (items, training, failed) = (open.items, made[1].id, made[4].id)
    func context<Value: Sendable>() -> WriteContext<Value> { WriteContext(at: .second(round + 2)) }
    for settlement in [Settlement.deleted, .trash] {
        _ = try await items.settle(training, mode: nil, accountID: account, to: settlement, if: .none, in: context())
    }
    _ = try await items.update(
        training, mode: nil, accountID: account, change: PikzonalityChange(deleteWhenSettled: false), at: .second(round + 2))
    _ = try await items.cancel(training, mode: nil, accountID: account, if: .none, in: context())
    let other = (0..<3).map { StoredImage.withoutFile(UInt8(150 + 3 * round + $0)) }
    _ = try await items.retry(training, mode: nil, accountID: nil, with: other, if: .none, in: context())
    _ = try await items.retry(failed, mode: nil, accountID: account, with: nil, if: .none, in: context())
    _ = try await items.referenceBytes(of: failed)
    for id in [training, failed] { _ = try await items.cancel(id, mode: nil, accountID: nil, if: .none, in: context()) }
    _ = try await items.settle(failed, mode: nil, accountID: account, to: .deleted, if: .none, in: context())
}

/// Searches as it is done where very many items fulfil a part of the filter.
private func walk(
    _ open: OpenStorage, _ filter: PikzonalityFilter, _ sort: PikzonalitySort, _ after: PikzonalityPosition?,
    _ account: Identifier
) async throws {
    let table = try #require(open.items as? SQLPikzonalityStore)
    var search = try #require(ItemSearch(filter, sort: sort, after: after, limit: 2, accountID: account))
    search.candidatesMax = []
    _ = try await table.scans.scan(for: account) { [search] in try search.page($0) }
}

private func everyCallOfJobs(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let (jobs, policy) = (open.jobs, LeasePolicy(seconds: 30 + round, attemptsMax: 3 + round))
    for number in 0..<4 { _ = try await open.insert("Job \(number) \(round)", of: account) }
    let claim = IdempotencyClaim<[LeasedJob]>(id: .random(), request: try .fixture(round, account)) { _ in [1] }
    let leased = try await jobs.lease(limit: 4 + round, policy: policy, in: WriteContext(at: .second(round + 1), claim: claim))
    try #require(leased.count >= 4)
    let tokens = leased.map(\.leaseToken)
    _ = try await jobs.heartbeat(leased[0].id, token: tokens[0], progress: 5 + round, policy: policy, at: .second(round + 2))
    try await jobs.complete(leased[0].id, token: tokens[0], portrait: nil, at: .second(round + 3))
    try await jobs.complete(leased[1].id, token: tokens[1], portrait: .withoutFile(UInt8(100 + round)), at: .second(round + 3))
    try await jobs.fail(leased[2].id, token: tokens[2], error: .fixture, retryable: false, policy: policy, at: .second(round + 3))
    try await jobs.handBack(leased[3].id, token: tokens[3], at: .second(round + 3))
    _ = try await jobs.lease(limit: 1 + round, policy: policy, at: .second(round + 4))
    _ = try await jobs.expire(policy: policy, at: .second(100 + round))
    _ = try await jobs.lease(limit: 1 + round, policy: policy, at: .second(101 + round))
    _ = try await jobs.takeOver(policy: policy, at: .second(102 + round))
    let completed = try await open.items.find(leased[0].item.id, mode: nil, accountID: account)
    _ = await result { () throws(Failure) in try await open.images.open(completed.referenceTokens[0]) }
    _ = try await open.items.delete(completed.id, mode: nil, accountID: account, at: .second(round + 4))
    _ = try await open.storage.queueDepths.queueDepths()
}

private func everyCallOfMedia(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let image = try await open.store(try .fixture(UInt64(round + 1)))
    let item = try await open.insert("Media \(round)", of: account, images: [image, image, image], outcome: .completed)
    open.unpin([image])
    let content = try await open.images.open(item.referenceTokens[0])
    _ = try await content.read(at: 0, count: 10 + round)
    _ = try await open.verifiedBytes(of: image)
    _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(round + 4))
    await open.index.abandon([try await open.store(try .fixture(UInt64(round + 1_000)))])
    _ = try await open.collector.collect()
    let orphan = try await open.store(try .fixture(UInt64(round + 2_000)))
    open.unpin([orphan])
    _ = try await open.sweepAll()
}

private func everyCallOfTrash(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let item = try await open.insert("Trash \(round)", of: account, outcome: .completed)
    for second in 1...2 {
        _ = try await open.items.update(
            item.id, mode: nil, accountID: account, change: PikzonalityChange(specialInstructions: "\(round) \(second)"), at: .second(round)
        )
    }
    _ = try await open.storage.revisions.revisions(of: item.id, mode: nil, accountID: account, before: 3 + round, limit: 2 + round)
    _ = try await open.storage.revisions.revision(1, of: item.id, mode: nil, accountID: account)
    for change in [PikzonalityChange(), PikzonalityChange(externalID: "trash-\(round)")] {
        let place = TrashPlace(try await open.putAway(item, at: .second(round)))
        for (mode, accountID) in [(nil, account), (nil, nil), (.persona, account), (Mode.persona, nil)] {
            for place in [nil, place] {
                _ = try await open.trash.page(mode: mode, after: place, limit: 2 + round, accountID: accountID)
                _ = try await open.trash.operatorItems(mode: mode, after: place, limit: 2 + round, accountID: accountID)
            }
        }
        _ = try await open.items.operatorItem(item.id)
        _ = try await open.takeBack(item, change, at: .second(round))
    }
    try await open.putAway(item, at: .second(round))
    _ = try await open.purge(item, at: .second(round))
    try await open.putAway(try await open.insert("Late \(round)", of: account, outcome: .completed), at: .second(round))
    _ = try await open.trash.purgeExpired(at: .second(round).adding(days: 31), limit: 3 + round)
}

private func everyCallOfKeys(_ open: OpenStorage, _ round: Int, accountName: String, _ account: Identifier) async throws {
    let secret = APIKeySecret.random()
    let key = APIKey(
        id: .random(), accountID: account, prefix: secret.prefix, label: "label \(round)", scopes: [.read], state: .active,
        createdAt: .second(round))
    try await open.keys.insert(key, secret: secret)
    _ = try await open.keys.find(secret: secret.text)
    for name in [nil, accountName] {
        for id in [nil, key.id] { _ = try await open.keys.keys(accountName: name, after: id, limit: 3 + round) }
    }
    _ = try await open.keys.key(key.id)
    var rotated: ListedKey?
    for second in 1...2 {
        rotated = try await open.keys.rotate(
            key.id, to: .random(), overlap: try KeyOverlap(hours: round + 1), at: .second(round + second))
    }
    let end = try #require(rotated?.key.previousSecretExpiresAt)
    try await open.keys.record([
        KeyUse(keyID: key.id, lastUsedAt: .second(round), previousSecret: .init(lastUsedAt: .second(round), expiresAt: end))
    ])
    for state in [APIKey.State.disabled, .active, .deleted] { _ = try await open.keys.setState(state, of: key.id) }
}

private func everyCallOfWebhooks(_ open: OpenStorage, _ round: Int, accountName: String, _ account: Identifier) async throws {
    let (store, log, deliveries) = (open.storage.webhooks, open.storage.deliveryLog, open.storage.deliveries)
    let endpoint = try await open.webhook(of: account, at: .second(round))
    for number in 0..<2 { _ = try await open.insert("Hooked \(number) \(round)", of: account, at: .second(round)) }
    for position in [nil, WebhookPosition(createdAt: .second(round + 1), id: endpoint.id)] {
        _ = try await store.endpoints(accountID: account, after: position, limit: 2 + round)
    }
    for name in [nil, accountName] { _ = try await store.listed(accountName: name, after: nil, limit: 2 + round) }
    _ = try await store.listed(endpoint.id)
    _ = try await store.target(endpoint.reference, at: .second(round))
    for end in [Timestamp.second(round + 50), nil] {
        _ = try await store.rotate(
            endpoint.reference, to: try open.storage.secrets.seal(.fixture, for: endpoint.id), previousUntil: end, if: .none,
            in: WriteContext(at: .second(round)))
    }
    _ = try await store.update(
        endpoint.reference, WebhookChange(url: "https://hooks.example/\(round)"), if: .none, in: WriteContext(at: .second(round)))
    _ = try await deliveries.dueEndpoints(at: .second(round), after: nil, limit: 2 + round)
    _ = try await open.due(endpoint, at: .second(round))
    _ = try await deliveries.nextDueAt(after: .second(round))
    _ = try await deliveries.oldestDueAt(.second(round))
    let queued = try await open.log(endpoint)
    try await open.attempt(queued[0], url: "https://hooks.example/\(round)", at: .second(round + 1))
    try await open.attempt(queued[1], url: "https://hooks.example/\(round)", status: 500, at: .second(round + 1))
    for status in [nil] + WebhookDelivery.Status.allCases.map(Optional.some) {
        for eventID in [nil, queued[0].eventID] {
            _ = try await log.deliveries(
                of: endpoint.reference, DeliveryFilter(status: status, eventID: eventID),
                after: DeliveryPlace(createdAt: .second(round + 9), sequence: 1), limit: 2 + round)
        }
    }
    _ = try await log.delivery(queued[0].id, of: endpoint.reference)
    _ = try await log.replay(queued[0].id, of: endpoint.reference, in: WriteContext(at: .second(round + 2)))
    for kind in ReplayRequest.Kind.allCases {
        _ = try await log.replay(
            ReplayRequest(kind: kind, since: .second(0), until: nil), of: endpoint.reference, after: ReplayProgress(), limit: 2 + round,
            queuedMax: 100, in: WriteContext(at: .second(round + 2)))
    }
    for status in [WebhookEndpoint.Status.disabled, .enabled] { try await open.set(status, endpoint, at: .second(round + 3)) }
    _ = try await log.firstSecretEnd()
    try await open.clearDeliveries(at: .second(round + 60))
    _ = try await open.storage.secretsKeyRotation.rotate(in: WriteContext(at: .second(round))) { _ in }
    try await store.delete(endpoint.reference, if: .none, in: WriteContext(at: .second(round + 4)))
    try await open.clearDeliveries()
    _ = try await open.storage.events.clear(progressBefore: .second(-round), before: .second(-round), limit: 2 + round)
}

private func everyCallOfSettings(_ open: OpenStorage, _ round: Int) async throws {
    try await open.storage.names.reserve([Name(stored: "Reserved \(round)"), Name(stored: "Chief \(round)")], at: .second(round))
    _ = try await open.storage.names.reservedNames()
    _ = try await open.storage.names.release([Name(stored: "Reserved \(round)")])
    try await open.storage.terms.block(["term \(round)"])
    _ = try await open.storage.terms.release(["term \(round)"])
    let note = AuditNote<Void>(.backup, by: Operator(uid: UInt32(round))) { ["\(round)"] }
    try await open.storage.audit.add(in: WriteContext(at: .second(round), audit: note))
    _ = try await open.storage.audit.entries(since: .second(0), after: nil, limit: 3 + round)
    try await open.storage.maintenance.set(Maintenance(isOn: round % 2 == 0, retryAfterSeconds: 60 + round))
}

private func everyCallOfAnswers(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let request = try IdempotentRequest.fixture(round + 1_000, account)
    try await open.storage.idempotency.keep([1], for: request, under: .random(), at: .second(round))
    _ = try await open.storage.idempotency.claim(request, until: .second(round + 90), at: .second(round))
    await open.storage.idempotency.release(.random(), of: request)
    _ = try await open.storage.idempotency.forget(before: .second(round + 1), limit: 10 + round)
}

private func everyCallOfArchives(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let archives = open.storage.archives
    let first = try #require(try await archives.item(after: nil, accountID: account))
    let position = PikzonalityPosition(nameKey: "", createdAt: first.item.createdAt, id: first.item.id)
    _ = try await archives.item(after: position, accountID: account)
    let key = try IdempotencyKey(quotable: "import-\(round)")
    func begin(at second: Int) async throws -> ImportRecord {
        try await archives.begin(
            key, digest: [UInt8](repeating: UInt8(round), count: 32), accountID: account, since: .second(second - 10), at: .second(second))
    }
    let record = try await begin(at: round)
    let names = ["Archived \(round)", first.item.name.text]
    let lines = names.enumerated().map { number, name in
        ImportedLine(
            line: number + 1,
            item: .success(
                NewPikzonality(
                    id: .random(), accountID: account, mode: first.item.mode, details: PikzonalityDetails(name: Name(stored: name)),
                    references: StoredImage.three, outcome: .completed, portrait: .withoutFile(4), createdAt: .second(round - 1))))
    }
    let outcomes = try await archives.create(lines, of: record.number, in: WriteContext(at: .second(round)))
    #expect(try await archives.outcomes(of: record.number, after: 0, limit: 10 + round) == outcomes)
    _ = try await begin(at: round + 100)
    _ = try await archives.forgetImports(before: .second(round + 50), limit: 10 + round)
}

private func everyCallOfMaintenance(_ open: OpenStorage, _ round: Int) async throws {
    _ = try await open.storage.schema.migrations()
    _ = await open.storage.schema.isReady()
    _ = try await open.storage.integrity.check(repairingWith: open.collector, at: .now) { _ in }
    _ = try await open.storage.queueDepths.queueDepths()
    _ = try await open.storage.usage.contents()
    _ = try await open.storage.usage.images()
}

private func everyCallOfEvents(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let item = try await open.insert("Told \(round)", of: account, outcome: .completed)
    for itemID in [nil, item.id] {
        let filter = EventFilter(itemID: itemID)
        _ = try await open.storage.events.events(filter, after: Int64(round), limit: 3 + round, accountID: account)
        _ = try open.storage.events.eventsNow(filter, after: Int64(round), limit: 3 + round, accountID: account)
    }
    _ = try await open.storage.events.standing(of: item.id, mode: nil, accountID: account)
    _ = try open.storage.events.standingNow(of: item.id, mode: .style, accountID: account)
    _ = try await open.storage.events.lastSequence(accountID: account)
    _ = try open.storage.events.lastSequenceNow(accountID: account)
    let job = try await open.insert("Told in training \(round)", of: account, at: .second(round))
    for leased in try await open.jobs.lease(limit: 9, policy: LeasePolicy(), at: .second(round)) where leased.item.id == job.id {
        _ = try await open.jobs.heartbeat(leased.id, token: leased.leaseToken, progress: 9, policy: LeasePolicy(), at: .second(round))
    }
    _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(round))
    // In one call of each step, so that none is left out: progress that has expired, the rest that has, and what is gone.
    for (progressBefore, before) in [(100 + round, -100), (-100, -100), (-100, 100 + round)] {
        _ = try await open.storage.events.clear(progressBefore: .second(progressBefore), before: .second(before), limit: 1_000 + round)
    }
}

extension IdempotentRequest {
    fileprivate static func fixture(_ number: Int, _ account: Identifier) throws -> IdempotentRequest {
        IdempotentRequest(
            scope: Scope(accountID: account, operation: "POST /\(number)", key: try IdempotencyKey(quotable: "key-\(number)")),
            fingerprint: [UInt8](repeating: UInt8(number % 256), count: 32))
    }
}
