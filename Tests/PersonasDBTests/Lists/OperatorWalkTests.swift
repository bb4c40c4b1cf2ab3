import Personas
import Testing

@testable import PersonasDB

@Suite("Lists of all accounts' items", .timeLimit(.minutes(1)))
struct OperatorWalkTests {
    private struct Made {
        let item: Pikzonality
        let account: String
    }

    /// Items of three accounts, newest first.
    private func fill(_ open: OpenStorage) async throws -> [Made] {
        var made: [Made] = []
        for name in ["acme", "globex", "zeta"] {
            let account = try await open.account(name)
            for number in 0..<10 {
                let outcome: [TrainingOutcome?] = [nil, .completed, .completed, .failed(.fixture)]
                let item = try await open.items.insert(
                    NewPikzonality(
                        id: .timeOrdered(at: .second(number)), accountID: account, mode: number % 3 == 0 ? .style : .persona,
                        details: PikzonalityDetails(name: Name(stored: "Item \(number % 2 == 0 ? "Even" : "Odd") \(number)")),
                        references: try open.pinnedImages(), outcome: outcome[number % 4]), at: .second(number))
                made.append(Made(item: item, account: name))
            }
        }
        return made.sorted { $1.item.id < $0.item.id }
    }

    @Test("Pages together show every item that fits once, newest first, wherever a walk has to end", arguments: House.all)
    func pages(on house: House) async throws {
        try await withStorage(on: house) { open in
            let made = try await fill(open)
            let table = try #require(open.items as? SQLPikzonalityStore)
            for mode in [nil, Mode.style] {
                for status in [nil, Status.failed, .completed] {
                    for search in [nil, "", "eVEN", "m od", "nothing", "%"] {
                        let filter = PikzonalityFilter(mode: mode, status: status, search: search)
                        let expected = made.filter { made in
                            (mode == nil || made.item.mode == mode) && (status == nil || made.item.status == status)
                                && (search?.isEmpty ?? true || made.item.name.key.contains(search?.lowercased() ?? ""))
                        }
                        for (limit, passed) in [(1, 1), (1, 1_000), (3, 4), (7, 30), (30, 30), (31, 31), (100, 1_000)] {
                            var (found, place): ([OperatorItem], ItemPlace?) = ([], nil)
                            repeat {
                                var walk = OperatorWalk(filter, after: place, limit: limit)
                                walk.rowsPassedMax = passed
                                let page = try await table.scans.scan { [walk] in try walk.page($0) }
                                #expect(page.rows.count <= limit)
                                found += page.rows
                                place = page.next
                            } while place != nil
                            #expect(found == expected.map { OperatorItem(item: $0.item, accountName: $0.account) }, "\(filter) \(limit)")
                        }
                    }
                }
            }
            // Where a page is the last, it says so, unless the walk ended on its very last row.
            #expect(try await open.items.operatorItems(PikzonalityFilter(), after: nil, limit: 30).next == nil)
            #expect(try await open.items.operatorItems(PikzonalityFilter(), after: nil, limit: 29).next == ItemPlace(made[28].item))
        }
    }

    @Test("It walks along the key, sorts nothing, and looks at no more rows than it may")
    func plan() async throws {
        try await withStorage(readers: 1) { open in
            _ = try await fill(open)
            _ = try await open.items.operatorItems(PikzonalityFilter(status: .failed), after: nil, limit: 3)
            #expect(try await open.plan(of: "WHERE id < ?4 ORDER BY id DESC") == ["SEARCH pikzonality USING PRIMARY KEY (id<?)"])
        }
    }

    @Test("Of one item the operator sees its job, its lease and its images", arguments: House.all)
    func details(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account)
            let queued = try await open.items.operatorItem(item.id)
            #expect(queued.item == OperatorItem(item: item, accountName: "acme"))
            #expect(queued.job?.job.state == .queued && queued.job?.createdAt == .second(0))
            #expect(queued.references.map(\.anywhere) == StoredImage.three && queued.portrait == nil)
            let lease = try #require(try await open.jobs.lease(limit: 1, policy: LeasePolicy(seconds: 30), at: .second(1)).first)
            let leased = try await open.items.operatorItem(item.id)
            #expect(leased.job?.job.state == .leased(token: lease.leaseToken, until: .second(31)) && leased.job?.job.attempts == 1)
            try await open.jobs.complete(lease.id, token: lease.leaseToken, portrait: try open.image(99), at: .second(2))
            let completed = try await open.items.operatorItem(item.id)
            #expect(completed.job?.job.state == .completed && completed.portrait?.anywhere == .withoutFile(99))
            let seeded = try await open.insert("Seeded", of: account, outcome: .failed(.fixture))
            #expect(try await open.items.operatorItem(seeded.id).job == nil)
        }
    }
}
