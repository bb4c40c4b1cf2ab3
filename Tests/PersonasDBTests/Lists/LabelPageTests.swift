import GRDB
import GRDBSQLite
import Personas
import TestSupport
import Testing

@testable import PersonasDB

/// Lists filtered by the client's own ids and labels.
@Suite("Pages by the client's own names", .timeLimit(.minutes(2)))
struct LabelPageTests {
    private static func label(_ key: String, _ value: String) -> MetadataMember { MetadataMember(key: key, value: value) }

    @Test(
        "Every filter in every order shows what a plain look at every item shows, whichever way is taken to it",
        arguments: House.all, PikzonalitySort.allCases)
    func model(on house: House, sort: PikzonalitySort) async throws {
        try await withStorage(on: house) { open in
            var random = SplitMix64(seed: 20_261_122)
            let (account, other) = (try await open.account("acme"), try await open.account("zeta"))
            let items = try await populate(open, account, count: 70, &random)
            _ = try await populate(open, other, count: 20, &random)
            for _ in 0..<120 {
                let filter = Self.filter(&random)
                let expected = items.filter { matches($0, filter) }.sorted { sort.places($0, before: $1) }.map(\.name.text)
                for candidatesMax in [nil, [], [1], [2, 5]] as [[Int]?] {
                    var found: [Pikzonality] = []
                    while true {
                        let limit = Int.random(in: 1...9, using: &random)
                        let page = try await page(open, filter, sort, found.last.map(position), limit, account, candidatesMax)
                        found += page
                        #expect(page.count <= limit)
                        if page.count < limit || found.count > items.count { break }
                    }
                    #expect(found.map(\.name.text) == expected, "\(filter) \(candidatesMax.map { "\($0)" } ?? "")")
                    #expect(found.allSatisfy { item in items.contains(item) })
                }
            }
        }
    }

    /// A page as the store reads it, or by a search that changes its way early.
    private func page(
        _ open: OpenStorage, _ filter: PikzonalityFilter, _ sort: PikzonalitySort, _ after: PikzonalityPosition?, _ limit: Int,
        _ account: Identifier, _ candidatesMax: [Int]?
    ) async throws -> [Pikzonality] {
        let table = try #require(open.items as? SQLPikzonalityStore)
        guard let candidatesMax else {
            let page = try await table.page(filter, sort: sort, after: after, limit: limit, accountID: account)
            if let now = try table.pageNow(filter, sort: sort, after: after, limit: limit, accountID: account) { #expect(now == page) }
            return page
        }
        guard var search = ItemSearch(filter, sort: sort, after: after, limit: limit, accountID: account) else { return [] }
        search.candidatesMax = candidatesMax
        return try await table.scans.scan { [search] in try search.page($0) }
    }

    @Test("Only what may pass over many items goes to the threads for it; a single label or an id is looked up at once")
    func plans() {
        let (label, another) = (Self.label("k", "v"), Self.label("l", "w"))
        func mayWalkFar(_ filter: PikzonalityFilter) -> Bool {
            PagePlan(filter, sort: .name, after: nil, limit: 20, accountID: .random()).mayWalkFar
        }
        for filter in [
            PikzonalityFilter(), PikzonalityFilter(status: .failed), PikzonalityFilter(metadata: [label]),
            PikzonalityFilter(mode: .style, search: "", metadata: [label]), PikzonalityFilter(externalID: "x"),
            PikzonalityFilter(status: .failed, search: "a", externalID: "x", metadata: [label, another]),
            PikzonalityFilter(search: "%", metadata: [label]),
        ] { #expect(!mayWalkFar(filter), "\(filter)") }
        for filter in [
            PikzonalityFilter(search: "a"), PikzonalityFilter(status: .failed, metadata: [label]),
            PikzonalityFilter(metadata: [label, another]), PikzonalityFilter(search: "a", metadata: [label]),
        ] { #expect(mayWalkFar(filter), "\(filter)") }
    }

    @Test("A page of one label walks along one index for each mode and sorts nothing", arguments: PikzonalitySort.allCases)
    func labelPlans(sort: PikzonalitySort) async throws {
        try await withStorage { open in
            let position = PikzonalityPosition(nameKey: "nova", createdAt: .second(1), id: .random())
            var texts: Set<String> = []
            for mode in [nil, Mode.style] {
                for after in [nil, position] {
                    let filter = PikzonalityFilter(mode: mode, metadata: [Self.label("k", "v")])
                    let walk = try #require(LabelWalk(filter, sort: sort, after: after, limit: 20, accountID: .random()))
                    texts.insert(walk.query(in: .sqlite).sql)
                    var plan: [String] = []
                    try open.index.readers.lend { connection in
                        try connection.query("EXPLAIN QUERY PLAN " + walk.query(in: .sqlite).sql, []) {
                            plan.append(try $0.requiredText(3))
                        }
                    }
                    let text = Comment(rawValue: ([walk.query(in: .sqlite).sql] + plan).joined(separator: "\n"))
                    let index = "metadata_entry_by_\(sort.isByName ? "name" : "time")"
                    let walks = plan.filter { $0.hasPrefix("SEARCH entry USING COVERING INDEX \(index) (tag=?") }
                    #expect(walks.count == (mode == nil ? 2 : 1), text)
                    let isContinued = walks.map { $0.contains("pikzonality_id)<(?,?)") || $0.contains("pikzonality_id)>(?,?)") }
                    #expect(isContinued.allSatisfy { $0 == (after != nil) }, text)
                    #expect(plan.count { $0.hasPrefix("SEARCH pikzonality USING PRIMARY KEY (id=?)") } == walks.count, text)
                    #expect(!plan.contains { $0.contains("TEMP B-TREE") || $0.contains("SCAN") }, text)
                }
            }
            #expect(texts.count == 4)
        }
    }

    @Test("The walks of searches go along an index in the order of the page and sort nothing", arguments: PikzonalitySort.allCases)
    func searchPlans(sort: PikzonalitySort) async throws {
        try await withStorage { open in
            let position = PikzonalityPosition(nameKey: "nova", createdAt: .second(1), id: .random())
            let tag = MetadataIndex.Tag(Self.label("k", "v"), mode: .persona, accountID: .random())
            for after in [nil, position] {
                let walks = [
                    (
                        ListWalk(labelled: tag, sort: sort, after: after, accountID: .random()),
                        "SEARCH entry USING COVERING INDEX metadata_entry_by_"
                    ),
                    (
                        ListWalk(mode: .persona, status: .failed, sort: sort, after: after, accountID: .random()),
                        "SEARCH pikzonality USING INDEX pikzonality_by_status_and_"
                    ),
                ]
                for (walk, beginning) in walks {
                    var plan: [String] = []
                    let sql = """
                        SELECT \(walk.key), pikzonality.id FROM \(walk.source) WHERE \(walk.condition) ORDER BY \(walk.order) LIMIT ?
                        """
                    try open.index.readers.lend { connection in
                        try connection.query("EXPLAIN QUERY PLAN " + sql, []) { plan.append(try $0.requiredText(3)) }
                    }
                    let covering = beginning.replacing("USING INDEX", with: "USING COVERING INDEX")
                    #expect(plan.contains { $0.hasPrefix(beginning) || $0.hasPrefix(covering) }, "\(sql)\n\(plan)")
                    #expect(!plan.contains { $0.contains("TEMP B-TREE") || $0.contains("SCAN") }, "\(sql)\n\(plan)")
                }
            }
        }
    }

    @Test("An id is found along the index of ids")
    func idPlan() async throws {
        try await withStorage(readers: 1) { open in
            let account = try await open.account()
            _ = try await open.items.page(
                PikzonalityFilter(externalID: "x"), sort: .name, after: nil, limit: 5, accountID: account)
            let plan = try await open.plan(of: "AND mode = ? AND external_id = ?")
            let search = "USING INDEX pikzonality_by_external_id (account_id=? AND mode=? AND external_id=?)"
            #expect(plan.contains { $0.contains(search) }, "\(plan)")
        }
    }

    @Test(
        "What a page takes does not grow with the table: neither with other labels, nor with what other accounts have")
    func steps() async throws {
        try await withStorage { open in
            let (few, many, other) = (try await open.account("few"), try await open.account("many"), try await open.account("other"))
            for number in 0..<30 { _ = try await open.insert("item \(number)", of: few, metadata: ["k": "v", "n": "\(number % 3)"]) }
            for number in 0..<1_200 {
                let labels = number < 30 ? ["k": "v", "n": "\(number % 3)"] : ["k": "w", "n": "x"]
                _ = try await open.insert("item \(number)", of: many, metadata: labels)
                _ = try await open.insert("item \(number)", of: other, metadata: ["k": "v", "n": "1"])
            }
            let filters = [
                PikzonalityFilter(metadata: [Self.label("k", "v")]),
                PikzonalityFilter(mode: .persona, metadata: [Self.label("k", "v"), Self.label("n", "1")]),
                PikzonalityFilter(mode: .persona, metadata: [Self.label("k", "v"), Self.label("n", "x")]),
                PikzonalityFilter(mode: .persona, status: .failed, metadata: [Self.label("k", "v")]),
                PikzonalityFilter(mode: .persona, search: "item", metadata: [Self.label("k", "v")]),
                PikzonalityFilter(externalID: "nowhere"),
            ]
            for filter in filters {
                for sort in PikzonalitySort.allCases {
                    let inFew = try await steps(open, filter, sort, few)
                    let inMany = try await steps(open, filter, sort, many)
                    // A page is of other items, which lie elsewhere, so that some steps more or less are none of the table's.
                    #expect(inMany <= inFew + 4_000 && inMany < 9_000, "\(filter) \(sort): \(inFew), \(inMany)")
                }
            }
        }
    }

    /// Steps of SQLite's machine for one page, on whatever connections they were taken.
    private func steps(
        _ open: OpenStorage, _ filter: PikzonalityFilter, _ sort: PikzonalitySort, _ account: Identifier
    ) async throws -> Int {
        let table = try #require(open.items as? SQLPikzonalityStore)
        let plan = PagePlan(filter, sort: sort, after: nil, limit: 10, accountID: account)
        return try await table.scans.scan { connection in
            func count() -> Int {
                ((connection as? ReadConnection)?.statements ?? [:]).values.reduce(0) {
                    $0 + Int(sqlite3_stmt_status($1, SQLITE_STMTSTATUS_VM_STEP, 1))
                }
            }
            _ = count()
            _ = try plan.items(connection)
            return count()
        }
    }

    private static let values = ["", "1", "2", "é"]

    private static func filter(_ random: inout SplitMix64) -> PikzonalityFilter {
        var labels = ["a", "b", "c"].map { label($0, values.randomElement(using: &random) ?? "") }.shuffled(using: &random)
        labels.removeLast(Int.random(in: 1...3, using: &random))
        return PikzonalityFilter(
            mode: [nil, .persona, .style].randomElement(using: &random) ?? nil,
            status: [nil, nil, .processing, .completed, .failed].randomElement(using: &random) ?? nil,
            search: [nil, nil, "a", "ab", "_", "%"].randomElement(using: &random) ?? nil,
            externalID: Int.random(in: 0..<4, using: &random) == 0 ? "Own \(Int.random(in: 0..<70, using: &random))" : nil, metadata: labels
        )
    }

    /// Stores items of random names, modes, outcomes, moments, ids and labels.
    private func populate(
        _ open: OpenStorage, _ account: Identifier, count: Int, _ random: inout SplitMix64
    ) async throws -> [Pikzonality] {
        var items: [Pikzonality] = []
        for number in 0..<count {
            let letters = (0..<Int.random(in: 1...5, using: &random)).compactMap { _ in "aAbB_-1 ".randomElement(using: &random) }
            let outcomes: [TrainingOutcome?] = [nil, .completed, .failed(.fixture)]
            var labels: [String: String] = [:]
            for key in ["a", "b", "c"] where Int.random(in: 0..<3, using: &random) > 0 {
                labels[key] = Self.values.randomElement(using: &random)
            }
            items.append(
                try await open.insert(
                    String(letters) + "\(number)", mode: Bool.random(using: &random) ? .persona : .style, of: account,
                    externalID: number % 3 == 0 ? nil : "Own \(number)", metadata: labels, outcome: outcomes[number % 3],
                    at: .second(Int.random(in: 0..<12, using: &random))))
        }
        return items
    }

    private func matches(_ item: Pikzonality, _ filter: PikzonalityFilter) -> Bool {
        guard filter.mode == nil || item.mode == filter.mode, filter.status == nil || item.status == filter.status else { return false }
        guard filter.externalID == nil || item.details.externalID == filter.externalID else { return false }
        guard filter.metadata.allSatisfy(item.details.metadata.members.contains) else { return false }
        return filter.search.map { item.name.text.lowercased().contains($0) } ?? true
    }

    private func position(_ item: Pikzonality) -> PikzonalityPosition {
        PikzonalityPosition(nameKey: item.name.key, createdAt: item.createdAt, id: item.id)
    }
}
