import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Pages of items", .timeLimit(.minutes(1)))
struct PageTests {
    private static let filters: [PikzonalityFilter] = [nil, Mode.persona, .style].flatMap { mode in
        [nil, Status.processing, .completed, .failed].flatMap { status in
            [nil, "", "a", "AB", "_", "1 b", "%", "zzz", "a\0"].map { PikzonalityFilter(mode: mode, status: status, search: $0) }
        }
    }

    @Test("Every filter in every order shows what a plain search through all items shows", arguments: House.all, PikzonalitySort.allCases)
    func model(on house: House, sort: PikzonalitySort) async throws {
        try await withStorage(on: house) { open in
            var random = SplitMix64(seed: 20_261_121)
            let (account, other) = (try await open.account("acme"), try await open.account("zeta"))
            let items = try await populate(open, account, count: 60, &random)
            _ = try await populate(open, other, count: 20, &random)
            for filter in Self.filters {
                let expected = items.filter { matches($0, filter) }.sorted { precedes($0, $1, sort) }.map(\.name.text)
                var found: [Pikzonality] = []
                while true {
                    let limit = Int.random(in: 1...9, using: &random)
                    let page = try await open.items.page(
                        filter, sort: sort, after: found.last.map(position), limit: limit, accountID: account)
                    found += page
                    #expect(page.count <= limit)
                    if page.count < limit || found.count > items.count { break }
                }
                #expect(found.map(\.name.text) == expected, "\(filter)")
                #expect(found.allSatisfy { item in items.contains(item) })
            }
        }
    }

    @Test(
        "What is there all the time shows up exactly once, whatever comes and goes between two pages", arguments: House.all,
        PikzonalitySort.allCases)
    func churn(on house: House, sort: PikzonalitySort) async throws {
        try await withStorage(on: house) { open in
            var random = SplitMix64(seed: 7)
            let account = try await open.account()
            let lasting = try await populate(open, account, count: 40, &random)
            var passing = try await populate(open, account, count: 40, prefix: "p-", outcome: .completed, &random)
            var number = 0
            for mode in [nil, Mode.persona] {
                let filter = PikzonalityFilter(mode: mode)
                var found: [Pikzonality] = []
                while true {
                    let page = try await open.items.page(filter, sort: sort, after: found.last.map(position), limit: 6, accountID: account)
                    found += page
                    if page.count < 6 || found.count > 1_000 { break }
                    // Often the very item that the next page continues after.
                    if let last = page.last, let index = passing.firstIndex(where: { $0.id == last.id }) {
                        let gone = passing.remove(at: index)
                        _ = try await open.items.delete(gone.id, mode: nil, accountID: account, at: .second(0))
                    }
                    let gone = passing.remove(at: Int.random(in: 0..<passing.count, using: &random))
                    _ = try await open.items.delete(gone.id, mode: nil, accountID: account, at: .second(0))
                    for _ in 0..<2 {
                        number += 1
                        passing += try await populate(
                            open, account, count: 1, prefix: "n\(number)-", outcome: .completed, &random)
                    }
                }
                let counts = Dictionary(grouping: found, by: \.id).mapValues(\.count)
                #expect(counts.values.allSatisfy { $0 == 1 }, "nothing shows up twice")
                for item in lasting where mode == nil || item.mode == mode { #expect(counts[item.id] == 1, "\(item.name.text)") }
                #expect(zip(found, found.dropFirst()).allSatisfy { precedes($0, $1, sort) })
            }
        }
    }

    @Test("A page walks along one index for each mode and sorts nothing")
    func plans() async throws {
        try await withStorage { open in
            let position = PikzonalityPosition(nameKey: "nova", createdAt: .second(1), id: .random())
            for filter in Self.filters where filter.search == nil {
                for sort in PikzonalitySort.allCases {
                    for after in [nil, position] {
                        let index = "pikzonality_by_\(filter.status == nil ? "" : "status_and_")\(sort.isByName ? "name" : "time")"
                        let modes = filter.mode == nil ? 2 : 1
                        let walk = PageWalk(filter: filter, sort: sort, after: after, limit: 20, accountID: .random())
                        try expectPlan(of: walk.query(in: .sqlite).sql, modes: modes, index: index, isContinued: after != nil, open)
                    }
                }
            }
        }
    }

    private func expectPlan(of sql: String, modes: Int, index: String, isContinued: Bool, _ open: OpenStorage) throws {
        var plan: [String] = []
        try open.index.readers.lend { connection in
            try connection.query("EXPLAIN QUERY PLAN " + sql, []) { plan.append(try $0.requiredText(3)) }
        }
        let text = Comment(rawValue: ([sql] + plan).joined(separator: "\n"))
        let walks = plan.filter { $0.contains("pikzonality") }
        #expect(walks.count == modes, text)
        for walk in walks {
            #expect(walk.hasPrefix("SEARCH pikzonality USING INDEX \(index) (account_id=? AND mode=?"), text)
            #expect((walk.contains("id)<(?,?)") || walk.contains("id)>(?,?)")) == isContinued, text)
        }
        #expect(!plan.contains { $0.contains("TEMP B-TREE") || $0.contains("SCAN") }, text)
    }

    @Test("Pages have few shapes, each of which is one query wherever the page begins and whatever it is of")
    func shapes() {
        let position = PikzonalityPosition(nameKey: "nova", createdAt: .second(1), id: .random())
        var queries: [Int: Set<String>] = [:]
        for filter in Self.filters where filter.search == nil {
            for sort in PikzonalitySort.allCases {
                for after in [nil, position] {
                    let query = PageWalk(filter: filter, sort: sort, after: after, limit: 20, accountID: .random()).query(in: .sqlite)
                    queries[query.number, default: []].insert(query.sql)
                }
            }
        }
        #expect(queries.count == 32 && queries.values.allSatisfy { $0.count == 1 })
        #expect(Set(queries.values.joined()).count == 32)
    }

    /// Stores items of random names, modes, outcomes and moments; many share a moment, and a persona and a style may share a name.
    private func populate(
        _ open: OpenStorage, _ account: Identifier, count: Int, prefix: String = "", outcome: TrainingOutcome? = nil,
        _ random: inout SplitMix64
    ) async throws -> [Pikzonality] {
        var items: [Pikzonality] = []
        var taken: Set<String> = []
        while items.count < count {
            let letters = (0..<Int.random(in: 1...5, using: &random)).compactMap { _ in "aAbB_-1 ".randomElement(using: &random) }
            let mode = Bool.random(using: &random) ? Mode.persona : .style
            let outcomes: [TrainingOutcome?] = [nil, .completed, .failed(.fixture)]
            let chosen = outcome ?? outcomes[Int.random(in: 0..<3, using: &random)]
            let time = Timestamp.second(Int.random(in: 0..<12, using: &random))
            let name = prefix + String(letters)
            guard taken.insert("\(mode) \(name.lowercased())").inserted else { continue }
            items.append(try await open.insert(name, mode: mode, of: account, outcome: chosen, at: time))
        }
        return items
    }

    private func matches(_ item: Pikzonality, _ filter: PikzonalityFilter) -> Bool {
        guard filter.mode == nil || item.mode == filter.mode, filter.status == nil || item.status == filter.status else { return false }
        guard let search = filter.search, !search.isEmpty else { return true }
        return item.name.text.lowercased().contains(search.lowercased())
    }

    private func precedes(_ left: Pikzonality, _ right: Pikzonality, _ sort: PikzonalitySort) -> Bool {
        switch sort {
        case .oldestFirst: (left.createdAt, left.id) < (right.createdAt, right.id)
        case .newestFirst: (left.createdAt, left.id) > (right.createdAt, right.id)
        case .name: (left.name.text.lowercased(), left.id) < (right.name.text.lowercased(), right.id)
        case .nameDescending: (left.name.text.lowercased(), left.id) > (right.name.text.lowercased(), right.id)
        }
    }

    private func position(_ item: Pikzonality) -> PikzonalityPosition {
        PikzonalityPosition(nameKey: item.name.key, createdAt: item.createdAt, id: item.id)
    }
}
