import GRDB
import GRDBSQLite
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Searches for names", .timeLimit(.minutes(2)))
struct NameSearchTests {
    /// What the index, SQL and Unicode might each take for something else.
    private static let strangeTexts = [
        "%", "_", "__", "\"", "\"\"", "*", "a*", "-", "--", "a-", "^a", "a OR b", "NOT a", "NEAR(a b)", "(", ")", "{words}:a", "words:a",
        "'",
        ";", "\\", "/", ".", "..", "a.b", "+", "a+b", "\0", "a\0", "\0a", "é", "ａ", "\u{212A}", "ß", "İ", "a\u{301}", "🙂", " ", "  ", "\t",
        String(repeating: "a", count: 25), String(repeating: "a", count: 26), String(repeating: "ab ", count: 3_000),
    ]

    @Test(
        "find what a plain look at every name finds, in every order and by every filter, whatever was written and undone before",
        arguments: House.all)
    func model(on house: House) async throws {
        try await withStorage(on: house) { open in
            var random = SplitMix64(seed: 9)
            var model = SearchModel(open: open, accounts: [try await open.account("acme"), try await open.account("zeta")])
            for round in 0..<12 {
                for _ in 0..<25 { try await model.change(&random) }
                if round == 8 { try await model.deleteAccount() }
                let texts = Self.strangeTexts.shuffled(using: &random).prefix(12) + (0..<24).map { _ in SearchModel.text(&random) }
                for text in texts { try await model.expectPages(of: text, &random) }
            }
            let report = try await open.storage.integrity.check(repairingWith: nil, at: .second(0)) { _ in }
            #expect(report.findings.filter { $0.kind == .searchDisagrees || $0.kind == .databaseDamaged } == [])
        }
    }

    @Test("find names through any part of theirs, from one character to all of them", arguments: House.all)
    func parts(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let names = ["Nova Reyes", "a", "A-b_C 9", "0123456789abcdefghijklmno", "- _", "zz"]
            for name in names { _ = try await open.insert(name, of: account) }
            for name in names {
                for start in name.indices {
                    for end in name.indices where end >= start {
                        let part = String(name[start...end])
                        let found = try await open.items.page(
                            PikzonalityFilter(search: part), sort: .name, after: nil, limit: 20, accountID: account)
                        let expected = names.filter { $0.lowercased().contains(part.lowercased()) }
                        #expect(Set(found.map(\.name.text)) == Set(expected), "'\(part)'")
                    }
                }
            }
        }
    }

    @Test(
        "for what is nowhere take no more steps in a long list than in a short one, nor where other accounts have it")
    func steps() async throws {
        try await withStorage { open in
            let (few, many, other) = (try await open.account("few"), try await open.account("many"), try await open.account("other"))
            for number in 0..<5 { _ = try await open.insert("item \(number)", of: few) }
            for number in 0..<1_500 { _ = try await open.insert("item \(number)", of: many) }
            for number in 0..<1_500 { _ = try await open.insert("zxy z\(number)", of: other) }
            let filter = PikzonalityFilter(mode: .persona)
            for text in ["zxy", "zx", "z", "zxy z1499"] {
                for sort in PikzonalitySort.allCases {
                    let inFew = try await steps(open) { try await page(open, text, filter, sort, few) }
                    let inMany = try await steps(open) { try await page(open, text, filter, sort, many) }
                    #expect(inFew == inMany && inMany < 200, "\(text)")
                }
            }
        }
    }

    @Test("for what every name has, and for what few have, take steps for the page and not for the list")
    func stepsOfHits() async throws {
        try await withStorage { open in
            let account = try await open.account()
            for number in 0..<3_000 { _ = try await open.insert("item \(number)", of: account, at: .second(number % 7)) }
            for sort in PikzonalitySort.allCases {
                for (text, most) in [("item", 12_000), ("299", 4_000), ("2999", 2_000), ("m 1", 40_000)] {
                    let steps = try await steps(open) {
                        _ = try await open.items.page(
                            PikzonalityFilter(search: text), sort: sort, after: nil, limit: 20, accountID: account)
                    }
                    #expect(steps < most, "\(text)")
                }
            }
        }
    }

    @Test("of one moment show one moment: a snapshot ends with the search, also with one that fails")
    func moments() async throws {
        try await withStorage(readers: 1) { open in
            let account = try await open.account()
            try open.index.readers.lend { connection in
                _ = #expect(throws: Failure.self) {
                    try connection.atOneMoment {
                        try connection.query("SELECT count(*) FROM pikzonality", []) { _ in }
                        throw Failure.notFound
                    }
                }
            }
            _ = try await open.insert("Nova", of: account)
            #expect(try open.count("pikzonality") == 1)
        }
    }

    private func page(
        _ open: OpenStorage, _ text: String, _ filter: PikzonalityFilter, _ sort: PikzonalitySort, _ account: Identifier
    ) async throws {
        var filter = filter
        filter.search = text
        #expect(try await open.items.page(filter, sort: sort, after: nil, limit: 20, accountID: account) == [])
    }

    /// Steps of SQLite's machine that the searching connections took meanwhile.
    private func steps(_ open: OpenStorage, _ body: () async throws -> Void) async throws -> Int {
        let table = try #require(open.items as? SQLPikzonalityStore)
        func count() async throws -> Int {
            // Whichever connection is lent is the one that was given back last.
            try await table.scans.scan { connection in
                ((connection as? ReadConnection)?.statements ?? [:]).values.reduce(0) {
                    $0 + Int(sqlite3_stmt_status($1, SQLITE_STMTSTATUS_VM_STEP, 1))
                }
            }
        }
        _ = try await count()
        try await body()
        return try await count()
    }
}

@Suite("The index of names")
struct NameIndexTests {
    @Test(
        "is asked for every third word of a text and the last, or for the beginning of one; for no text that no name can hold",
        arguments: [
            ("a", "\"a\" *"), (" ", "\".\" *"), ("-_", "\"-_\" *"), ("abc", "\"abc\""), ("a c", "\"a.c\""), ("abcd", "\"abc\" AND \"bcd\""),
            ("abcdef", "\"abc\" AND \"def\""), ("abcdefg", "\"abc\" AND \"def\" AND \"efg\""), ("", nil), ("A", nil), (".", nil),
            ("é", nil), ("\"", nil), ("a\t", nil), ("%", nil), (String(repeating: "a", count: 26), nil),
        ] as [(String, String?)])
    func queries(text: String, query: String?) {
        #expect(NameSearch.query(for: text) == query)
    }
}

/// A store and what should be in it.
private struct SearchModel {
    let open: OpenStorage
    var accounts: [Identifier]
    var items: [Pikzonality] = []
    private var number = 0

    init(open: OpenStorage, accounts: [Identifier]) {
        self.open = open
        self.accounts = accounts
    }

    private struct Undone: Error {}

    /// Few characters, so that texts are often found; names that hold most of another are common.
    static func text(_ random: inout SplitMix64) -> String {
        let length = [1, 1, 2, 2, 3, 3, 3, 4, 5, 6, 9].randomElement(using: &random) ?? 1
        return String((0..<length).compactMap { _ in "aAbB -_1".randomElement(using: &random) })
    }

    private static func name(_ random: inout SplitMix64) -> String {
        let length = Int.random(in: 1...25, using: &random)
        let text = (0..<length).compactMap { _ in "aAbB -_1z".randomElement(using: &random) }
        return text.allSatisfy({ $0 == " " }) ? "x" : String(text)
    }

    /// Writes something at random: an item that is new, renamed, gone or refused, or a write that is undone as a whole.
    mutating func change(_ random: inout SplitMix64) async throws {
        let account = try #require(accounts.randomElement(using: &random))
        let name = Self.name(&random)
        let own = items.indices.filter { items[$0].accountID == account }
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<6:
            let outcomes: [TrainingOutcome?] = [nil, .completed, .failed(.fixture)]
            let mode = Bool.random(using: &random) ? Mode.persona : .style
            let made = await result { [open] () throws(Failure) in
                try await open.insert(
                    name, mode: mode, of: account, outcome: outcomes[number % 3], at: .second(number % 12))
            }
            number += 1
            if case .success(let item) = made { items.append(item) }
        case 6..<8:
            guard let index = own.randomElement(using: &random) else { return }
            let change = PikzonalityChange(name: Name(stored: name))
            let (open, id) = (open, items[index].id)
            let renamed = await result { () throws(Failure) in
                try await open.items.update(id, mode: nil, accountID: account, change: change, at: .second(20))
            }
            if case .success(let item) = renamed { items[index] = item }
        case 8:
            guard let index = own.randomElement(using: &random), items[index].status != .processing else { return }
            _ = try await open.items.delete(items[index].id, mode: nil, accountID: account, at: .second(20))
            items.remove(at: index)
        default:
            try await undo()
        }
    }

    /// Renames and deletes everything, and takes it back.
    private func undo() async throws {
        if open.house == .postgres {
            return try await open.execute(
                """
                BEGIN;
                UPDATE pikzonality SET name_key = 'zz' || left(replace(id::text, '-', ''), 20);
                DELETE FROM pikzonality;
                ROLLBACK
                """)
        }
        await #expect(throws: Failure.self) {
            try await open.index.writer.writeDirectly { db in
                try db.execute(sql: "UPDATE pikzonality SET name_key = 'zz' || lower(substr(hex(id), 1, 20))")
                try db.execute(sql: "DELETE FROM pikzonality")
                throw Undone()
            }
        }
    }

    /// Deletes an account with all that it has, and makes another in its place.
    mutating func deleteAccount() async throws {
        try await open.accounts.delete(accountNamed: "zeta", at: .second(20))
        items.removeAll { $0.accountID == accounts[1] }
        // In PostgreSQL an index of the items themselves.
        if open.house == .sqlite { #expect(try open.count("name_document") == items.count) }
        accounts[1] = try await open.account("zeta")
    }

    /// Reads all pages of a search, each of a random size, by the store and by a search that changes its way early.
    func expectPages(of text: String, _ random: inout SplitMix64) async throws {
        let account = try #require(accounts.randomElement(using: &random))
        let sort = try #require(PikzonalitySort.allCases.randomElement(using: &random))
        let filter = PikzonalityFilter(
            mode: [nil, .persona, .style].randomElement(using: &random) ?? nil,
            status: [nil, nil, .processing, .completed, .failed].randomElement(using: &random) ?? nil, search: text)
        let expected = items.filter { $0.accountID == account && matches($0, filter) }.sorted { sort.places($0, before: $1) }
        let limit = Int.random(in: 1...9, using: &random)
        let table = try #require(open.items as? SQLPikzonalityStore)
        for candidatesMax in [nil, [1], [2, 5], []] as [[Int]?] {
            var found: [Pikzonality] = []
            while true {
                let after = found.last.map {
                    PikzonalityPosition(nameKey: $0.name.key, createdAt: $0.createdAt, id: $0.id)
                }
                var page: [Pikzonality] = []
                if let candidatesMax {
                    guard
                        var search = ItemSearch(filter, sort: sort, after: after, limit: limit, accountID: account)
                    else { break }
                    search.candidatesMax = candidatesMax
                    page = try await table.scans.scan { [search] in try search.page($0) }
                } else {
                    page = try await table.page(filter, sort: sort, after: after, limit: limit, accountID: account)
                }
                found += page
                if page.count < limit || found.count > expected.count { break }
            }
            #expect(found.map(\.name.text) == expected.map(\.name.text), "'\(text)' \(sort) \(filter)")
        }
    }

    private func matches(_ item: Pikzonality, _ filter: PikzonalityFilter) -> Bool {
        guard filter.mode == nil || item.mode == filter.mode, filter.status == nil || item.status == filter.status else { return false }
        let (name, text) = (Array(item.name.text.lowercased().unicodeScalars), Array((filter.search ?? "").lowercased().unicodeScalars))
        guard name.count >= text.count else { return false }
        return (0...(name.count - text.count)).contains { Array(name[$0..<($0 + text.count)]) == text }
    }
}
