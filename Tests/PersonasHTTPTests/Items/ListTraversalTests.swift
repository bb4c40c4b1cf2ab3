import HTTPTypes
import Personas
import PersonasWire
import Testing

/// Walking a list from page to page.
@Suite("A traversal", .serialized)
struct ListTraversalTests {
    private static let filters = ["", "&mode=style", "&status=completed", "&q=no", "&status=processing&mode=persona&q=O%20v"]

    @Test("meets every item once and in order, by cursor and by link", arguments: PikzonalitySort.allCases)
    func everyItemOnce(sort: PikzonalitySort) async throws {
        try await TestService.run { service in
            for index in 0..<12 { try await service.create(index % 3 == 0 ? .style : .persona, "No v\(index * 7 % 12)") }
            try await service.train()
            // Names that both modes share stand beside each other.
            for index in 0..<12 { try await service.create(index % 3 == 0 ? .persona : .style, "No v\(index * 7 % 12)") }
            for filter in Self.filters {
                let whole = try await service.send(.get, "/v2/pikzonality?limit=100&sort=\(sort.word)\(filter)")
                #expect(whole.object?["has_more"] as? Bool == false)
                for limit in [1, 5, 7] {
                    var names: [String] = []
                    var target = "/v2/pikzonality?limit=\(limit)&sort=\(sort.word)\(filter)"
                    while true {
                        let page = try await service.send(.get, target)
                        names += page.items.map { "\($0["mode"] ?? "") \($0["name"] ?? "")" }
                        guard page.object?["has_more"] as? Bool == true else {
                            #expect(page.headers[.link] == nil)
                            break
                        }
                        #expect(page.items.count == limit)
                        let cursor = try #require(page.string("next_cursor"))
                        let link = try #require(page.headers[.link])
                        #expect(link.hasPrefix("<\(TestService.baseURL)/v2/pikzonality?") && link.hasSuffix(">; rel=\"next\""))
                        #expect(link.contains("cursor=\(cursor)") && link.contains("limit=\(limit)"))
                        // By turns along the link, which carries everything, and along the cursor, with the query as before.
                        target =
                            names.count.isMultiple(of: 2)
                            ? String(link.dropFirst(TestService.baseURL.count + 1).prefix { $0 != ">" })
                            : "/v2/pikzonality?limit=\(limit)&sort=\(sort.word)\(filter)&cursor=\(cursor)"
                    }
                    #expect(names == whole.items.map { "\($0["mode"] ?? "") \($0["name"] ?? "")" }, "\(filter) \(limit)")
                }
            }
        }
    }

    @Test("follows the link of a typed list to its own items alone, with the filters that it began with")
    func typedLinks() async throws {
        try await TestService.run { service in
            for mode in Mode.allCases { for index in 0..<2 { try await service.create(mode, "Nova \(index)") } }
            try await service.train()
            for mode in Mode.allCases { for name in ["Nova 2", "Iris", "Nova 3"] { try await service.create(mode, name) } }
            for path in ["/v2/personas", "/v2/styles"] {
                var names: [String] = []
                var target: String? = "\(path)?status=processing&q=nova&sort=name&limit=1"
                while let link = target {
                    let page = try await service.send(.get, link)
                    names += page.names
                    target = page.headers[.link].map { String($0.dropFirst(TestService.baseURL.count + 1).prefix { $0 != ">" }) }
                    #expect(target?.hasPrefix("\(path)?") != false)
                }
                #expect(names == ["Nova 2", "Nova 3"], "\(path)")
            }
        }
    }

    @Test("meets what is there all the time exactly once, whatever comes and goes meanwhile", arguments: PikzonalitySort.allCases)
    func changesMeanwhile(sort: PikzonalitySort) async throws {
        try await TestService.run { service in
            var passing: [String] = []
            for index in 0..<10 {
                try await service.create(.persona, "stay \(index)")
                passing.append(try await service.create(.persona, "go \(index)"))
            }
            try await service.train()
            var names: [String] = []
            var cursor = ""
            var round = 0
            repeat {
                let page = try await service.send(.get, "/v2/personas?limit=3&sort=\(sort.word)\(cursor)")
                names += page.names
                cursor = page.string("next_cursor").map { "&cursor=\($0)" } ?? ""
                // On either side of the walk: deletions of what was seen and what was not, and new items, but not for ever.
                for _ in 0..<2 where !passing.isEmpty {
                    try await service.send(.delete, "/v2/personas/\(passing.remove(at: round % passing.count))")
                }
                for name in round > 6 ? [] : ["aaa \(round)", "stay 5 \(round)", "zzz \(round)"] {
                    try await service.create(.persona, name)
                }
                round += 1
                try #require(round < 40)
            } while !cursor.isEmpty
            let stayed = names.filter { $0.wholeMatch(of: /stay \d/) != nil }
            #expect(stayed.sorted() == (0..<10).map { "stay \($0)" })
            #expect(Set(names).count == names.count)
        }
    }

    @Test("meets each item once while many requests create and delete at the same time")
    func concurrentChanges() async throws {
        try await TestService.run { service in
            for index in 0..<20 { try await service.create(.style, "stay \(index)") }
            try await service.train()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<3 {
                    group.addTask {
                        for index in 0..<15 {
                            let id = try await service.create(.style, "pass \(worker) \(index)")
                            try await service.failTraining(TrainingError(code: .failed, message: "It broke"))
                            _ = try await service.send(.delete, "/v2/styles/\(id)")
                        }
                    }
                }
                for sort in PikzonalitySort.allCases {
                    group.addTask {
                        for _ in 0..<3 {
                            var names: [String] = []
                            var cursor = ""
                            repeat {
                                let page = try await service.send(.get, "/v2/styles?limit=4&sort=\(sort.word)\(cursor)")
                                names += page.names
                                cursor = page.string("next_cursor").map { "&cursor=\($0)" } ?? ""
                            } while !cursor.isEmpty
                            #expect(names.filter { $0.hasPrefix("stay") }.sorted() == (0..<20).map { "stay \($0)" }.sorted())
                            #expect(Set(names).count == names.count)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a cursor fits its own list only, and grants nothing")
    func binding() async throws {
        try await TestService.run { service in
            let stranger = try await service.newKey(account: "stranger")
            for index in 0..<4 { try await service.create(index < 2 ? .persona : .style, "Nova \(index)") }
            let cursor = try #require(try await service.send(.get, "/v2/pikzonality?limit=1&sort=name&q=nova").string("next_cursor"))
            let refusal: [(field: String, message: String)] = [("cursor", "cursor does not belong to this list")]
            for target in [
                "/v2/pikzonality?sort=name&cursor=\(cursor)", "/v2/pikzonality?q=nova&cursor=\(cursor)",
                "/v2/pikzonality?q=nova&sort=-name&cursor=\(cursor)", "/v2/pikzonality?q=nov&sort=name&cursor=\(cursor)",
                "/v2/pikzonality?q=nova&sort=name&status=processing&cursor=\(cursor)",
                "/v2/pikzonality?q=nova&sort=name&mode=persona&cursor=\(cursor)", "/v2/personas?q=nova&sort=name&cursor=\(cursor)",
                "/v2/pikzonality?q=nova&sort=name&cursor=\(cursor)A", "/v2/pikzonality?q=nova&sort=name&cursor=\(cursor.dropLast())",
                "/v2/pikzonality?q=nova&sort=name&cursor=\(cursor)%3D", "/v2/pikzonality?q=nova&sort=name&cursor=\(cursor.uppercased())",
            ] {
                try await service.send(.get, target).expectViolations(refusal)
            }
            let fitting = "/v2/pikzonality?q=nova&sort=name&cursor=\(cursor)"
            #expect(try await service.send(.get, fitting).names == ["Nova 1", "Nova 2", "Nova 3"])
            #expect(try await service.send(.get, fitting + "&limit=2").names == ["Nova 1", "Nova 2"])
            // In other hands it is a position in a list of their own, which is empty.
            try await service.send(.get, fitting, key: stranger).expect(200, #"{"data":[],"has_more":false,"next_cursor":null}"#)
        }
    }

    @Test("goes on behind an item that is gone")
    func behindDeleted() async throws {
        try await TestService.run { service in
            var ids: [String] = []
            for index in 0..<4 { ids.append(try await service.createCompleted(.persona, "Nova \(index)")) }
            let first = try await service.send(.get, "/v2/personas?limit=2&sort=created_at")
            let cursor = try #require(first.string("next_cursor"))
            try await service.send(.delete, "/v2/personas/\(ids[1])")
            #expect(try await service.send(.get, "/v2/personas?limit=2&sort=created_at&cursor=\(cursor)").names == ["Nova 2", "Nova 3"])
        }
    }
}
