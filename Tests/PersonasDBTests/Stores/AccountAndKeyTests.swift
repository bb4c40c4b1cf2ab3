import Foundation
import Personas
import Testing

@testable import PersonasDB

@Suite("The store of accounts", .timeLimit(.minutes(1)))
struct AccountStoreTests {
    @Test("Accounts are found by name and listed by it; a name is given once", arguments: House.all)
    func insert(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (zeta, acme) = (Account.fixture("zeta"), Account.fixture("acme"))
            try await open.accounts.insert(zeta)
            try await open.accounts.insert(acme)
            #expect(try await open.accounts.accounts(after: nil, limit: 10) == [acme, zeta])
            #expect(try await open.accounts.account(named: "zeta") == zeta)
            await #expect(throws: Failure.notFound) { try await open.accounts.account(named: "Zeta") }
            await #expect(throws: Failure.accountNameTaken("acme")) {
                try await open.accounts.insert(.fixture("acme"))
            }
            #expect(try await open.accounts.accounts(after: nil, limit: 10) == [acme, zeta])
        }
    }

    @Test(
        "Pages of accounts follow one another without a gap, whatever comes and goes meanwhile, and walk along the index",
        arguments: House.all)
    func pages(on house: House) async throws {
        try await withStorage(on: house) { open in
            let names = ["a", "B", "b", "ä", "👩", "z"].sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
            for name in names.shuffled() { try await open.accounts.insert(.fixture(name)) }
            for limit in 1...7 {
                var found: [String] = []
                while true {
                    let page = try await open.accounts.accounts(after: found.last, limit: limit).map(\.name)
                    #expect(page.count <= limit)
                    if page.isEmpty { break }
                    found += page
                }
                #expect(found == names)
            }
            try await open.accounts.delete(accountNamed: "a", at: .second(1))
            #expect(try await open.accounts.accounts(after: "a", limit: 1).map(\.name) == ["b"])
            guard house == .sqlite else { return }
            let plan = try await open.plan(of: "FROM account WHERE name > ? ORDER BY name LIMIT ?")
            #expect(plan == ["SEARCH account USING INDEX sqlite_autoindex_account_2 (name>?)"])
        }
    }

    @Test("An account is suspended and resumed, its access taken and given; others stay as they are", arguments: House.all)
    func changes(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (Account.fixture("acme"), Account.fixture("zeta"))
            try await open.accounts.insert(acme)
            try await open.accounts.insert(zeta)
            for (isSuspended, hasAccess) in [(true, true), (true, false), (false, false), (false, true)] {
                let changed = Account(
                    id: acme.id, name: "acme", isSuspended: isSuspended, hasAPIAccess: hasAccess, createdAt: acme.createdAt)
                _ = try await open.accounts.setSuspended(isSuspended, accountNamed: "acme")
                #expect(try await open.accounts.setAPIAccess(hasAccess, accountNamed: "acme") == changed)
                #expect(try await open.accounts.accounts(after: nil, limit: 10) == [changed, zeta])
            }
            await #expect(throws: Failure.notFound) { try await open.accounts.setSuspended(true, accountNamed: "nobody") }
            await #expect(throws: Failure.notFound) { try await open.accounts.setAPIAccess(true, accountNamed: "nobody") }
        }
    }

    @Test("A change is answered as it was done, even when the account is deleted right behind it; only one deletion finds the account")
    func changedThenDeleted() async throws {
        try await withStorage { open in
            let account = Account.fixture("acme")
            try await open.accounts.insert(account)
            // Both share a commit, so that the account is gone before the first of them is answered.
            let writer = open.index.writer
            let running = await RunningWrite(of: writer)
            let change = Task { await result { () throws(Failure) in try await open.accounts.setSuspended(true, accountNamed: "acme") } }
            while writer.waitingCount < 1 { await Task.yield() }
            let deletions = [1, 2].map { (second: Int) in
                Task { await result { () throws(Failure) in try await open.accounts.delete(accountNamed: "acme", at: .second(second)) } }
            }
            while writer.waitingCount < 3 { await Task.yield() }
            try await running.end()
            #expect(
                await change.value
                    == .success(
                        Account(id: account.id, name: "acme", isSuspended: true, hasAPIAccess: true, createdAt: account.createdAt)))
            var notFound = 0
            for deletion in deletions {
                if case .failure(let failure) = await deletion.value {
                    #expect(failure == .notFound)
                    notFound += 1
                }
            }
            #expect(notFound == 1)
        }
    }

    @Test("Deleting an account takes all that is its own and nothing of another's, images that both use included", arguments: House.all)
    func delete(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            for (number, outcome) in [nil, TrainingOutcome.completed, .failed(.fixture)].enumerated() {
                _ = try await open.insert(
                    "Item \(number)", of: acme, images: [.withoutFile(1), .withoutFile(2), .withoutFile(3)], outcome: outcome)
            }
            let kept = try await open.insert("Kept", of: zeta, images: [.withoutFile(3), .withoutFile(4), .withoutFile(5)])
            try await open.accounts.delete(accountNamed: "acme", at: .second(1))

            #expect(try await open.accounts.accounts(after: nil, limit: 10).map(\.name) == ["zeta"])
            #expect(try await open.items.find(kept.id, mode: nil, accountID: zeta) == kept)
            #expect(try open.counts() == ["pikzonality": 1, "image_link": 3, "media": 5, "media_removal": 3, "training_job": 2])
            #expect(try await open.collector.collect() == 2)
            #expect(try open.count("media") == 3)
            #expect(try open.count("media_removal") == 0)
            await #expect(throws: Failure.notFound) { try await open.accounts.delete(accountNamed: "acme", at: .second(2)) }
            await #expect(throws: Failure.accountMissing) { try await open.insert("Late", of: acme) }
            _ = try await open.account("acme")
        }
    }
}

@Suite("The store of API keys", .timeLimit(.minutes(1)))
struct APIKeyStoreTests {
    @Test("A key is found by its secret with its account, from memory and from disk; the secret is stored nowhere", arguments: House.all)
    func find(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            let (account, key, secret) = try await withStorage(on: house, in: directory) { open in
                let account = Account.fixture("acme")
                try await open.accounts.insert(account)
                let (key, secret) = try await issue(account.id, open, label: "CI", scopes: [.read, .trainer])
                for _ in 0..<2 {
                    let found = try #require(try await open.keys.find(secret: secret.text))
                    #expect(found.key == key && found.account == account)
                }
                return (account, key, secret)
            }
            try await withStorage(on: house, in: directory) { open in
                let found = try #require(try await open.keys.find(secret: secret.text))
                #expect(found.key == key && found.account == account)
                for wrong in [String(secret.text.dropLast()), secret.text + "x", secret.text.lowercased(), "", "pkz_"] {
                    #expect(try await open.keys.find(secret: wrong) == nil)
                }
            }
            for file in try FileManager.default.contentsOfDirectory(atPath: directory) where file.hasPrefix("personas") {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(file)"))
                #expect(bytes.range(of: Data(secret.text.dropFirst(12).utf8)) == nil, "\(file)")
            }
        }
    }

    @Test("Keys are listed oldest first, of one account or of all", arguments: House.all)
    func list(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            var issued: [APIKey] = []
            for (second, account) in [acme, zeta, acme].enumerated() { issued.append(try await issue(account, open, at: second).key) }
            #expect(try await open.keys.keys(accountName: nil, after: nil, limit: 10).map(\.key) == issued)
            #expect(try await open.keys.keys(accountName: nil, after: nil, limit: 10).map(\.account?.name) == ["acme", "zeta", "acme"])
            #expect(try await open.keys.keys(accountName: "acme", after: nil, limit: 10).map(\.key) == [issued[0], issued[2]])
            await #expect(throws: Failure.notFound) { try await open.keys.keys(accountName: "nobody", after: nil, limit: 10) }
            await #expect(throws: Failure.notFound) { _ = try await issue(.random(), open) }
        }
    }

    @Test("Pages of keys follow one another without a gap, of one account or of all, and walk along their indexes", arguments: House.all)
    func pages(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            var issued: [APIKey] = []
            for (second, account) in [acme, zeta, acme, acme, zeta].enumerated() {
                issued.append(try await issue(account, open, at: second).key)
            }
            let rows: [(String?, [APIKey])] = [
                (nil, issued), ("acme", [issued[0], issued[2], issued[3]]), ("zeta", [issued[1], issued[4]]),
            ]
            for (name, expected) in rows {
                for limit in 1...6 {
                    var found: [ListedKey] = []
                    while true {
                        let page = try await open.keys.keys(accountName: name, after: found.last?.key.id, limit: limit)
                        #expect(page.count <= limit)
                        if page.isEmpty { break }
                        found += page
                    }
                    #expect(found.map(\.key) == expected)
                    #expect(found.allSatisfy { $0.account?.name == ($0.key.accountID == acme ? "acme" : "zeta") })
                }
            }
            guard house == .sqlite else { return }
            let all = try await open.plan(of: "LEFT JOIN account ON account.id = api_key.account_id WHERE api_key.id > ?")
            #expect(all.first == "SEARCH api_key USING PRIMARY KEY (id>?)" && !all.contains { $0.contains("TEMP B-TREE") })
            let one = try await open.plan(of: "AND account.name = ? AND api_key.id > ?")
            #expect(one.last == "SEARCH api_key USING INDEX api_key_by_account (account_id=? AND id>?)", "\(one)")
            #expect(!one.contains { $0.contains("TEMP B-TREE") })
        }
    }

    @Test(
        "Keys that are good for nothing for ever are listed only where they are asked for: deleted ones, and those of deleted accounts",
        arguments: House.all)
    func useless(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            var issued: [APIKey] = []
            for (second, account) in [acme, zeta, acme, acme].enumerated() { issued.append(try await issue(account, open, at: second).key) }
            _ = try await open.keys.setState(.deleted, of: issued[0].id)
            _ = try await open.keys.setState(.disabled, of: issued[2].id)
            _ = try await open.accounts.setSuspended(true, accountNamed: "acme")
            try await open.accounts.delete(accountNamed: "zeta", at: .second(9))
            for (all, name, expected) in [
                (false, nil, [2, 3]), (true, nil, [0, 1, 2, 3]), (false, "acme", [2, 3]), (true, "acme", [0, 2, 3]),
            ] as [(Bool, String?, [Int])] {
                var found: [ListedKey] = []
                while true {
                    let page = try await open.keys.keys(accountName: name, includingDeleted: all, after: found.last?.key.id, limit: 1)
                    if page.isEmpty { break }
                    found += page
                }
                #expect(found.map(\.key.id) == expected.map { issued[$0].id })
                #expect(found.allSatisfy { $0.account.map(\.isSuspended) == ($0.key.accountID == zeta ? nil : true) })
            }
        }
    }

    @Test("A found key is answered from memory, where no other process could have changed it", arguments: House.all)
    func memory(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (_, secret) = try await issue(try await open.account(), open)
            #expect(try await open.keys.find(secret: secret.text) != nil)
            // This process alone writes, so that the memory does not notice what happens behind its back.
            try await open.execute("DELETE FROM api_key")
            let isRemembered = try await open.keys.find(secret: secret.text) != nil
            // Memory is not believed without a pulse that says that nothing has changed.
            #expect(isRemembered == (house == .sqlite))
        }
    }

    @Test("Every change of a key or its account shows at the very next look", arguments: House.all)
    func invalidation(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (key, secret) = try await issue(try await open.account("acme"), open)
            let (_, otherSecret) = try await issue(try await open.account("zeta"), open, at: 1)
            func look() async throws -> PresentedKey {
                let other = try #require(try await open.keys.find(secret: otherSecret.text))
                #expect(other.key.state == .active && other.account?.isSuspended == false && other.account?.hasAPIAccess == true)
                return try #require(try await open.keys.find(secret: secret.text))
            }
            #expect(try await look().key.state == .active)
            for state in [APIKey.State.disabled, .active, .disabled, .active] {
                #expect(try await open.keys.setState(state, of: key.id).key.state == state)
                #expect(try await look().key.state == state)
            }
            for value in [true, false] {
                _ = try await open.accounts.setSuspended(value, accountNamed: "acme")
                #expect(try await look().account?.isSuspended == value)
                _ = try await open.accounts.setAPIAccess(!value, accountNamed: "acme")
                #expect(try await look().account?.hasAPIAccess == !value)
            }
            try await open.accounts.delete(accountNamed: "acme", at: .second(1))
            let tombstone = try await look()
            #expect(tombstone.account == nil && tombstone.key == key)
            #expect(try await open.keys.keys(accountName: nil, after: nil, limit: 10).map(\.account?.name) == [nil, "zeta"])
            // A new account of the same name is another one.
            _ = try await open.account("acme")
            #expect(try await look().account == nil)
            #expect(try await open.keys.setState(.deleted, of: key.id).key.state == .deleted)
            #expect(try await look().key.state == .deleted)
        }
    }

    @Test("A deleted key stays deleted; one that never was is not found", arguments: House.all)
    func deleted(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (key, secret) = try await issue(try await open.account(), open)
            _ = try await open.keys.setState(.deleted, of: key.id)
            for state in [APIKey.State.active, .disabled] {
                await #expect(throws: Failure.keyStaysDeleted(key.id)) { try await open.keys.setState(state, of: key.id) }
            }
            #expect(try await open.keys.setState(.deleted, of: key.id).key.state == .deleted)
            #expect(try await open.keys.find(secret: secret.text)?.key.state == .deleted)
            await #expect(throws: Failure.notFound) { try await open.keys.setState(.active, of: .random()) }
        }
    }

    @Test("However looks and changes mix, a look after a change shows it", arguments: House.all)
    func race(on house: House) async throws {
        try await withStorage(on: house, readers: 4) { open in
            let (key, secret) = try await issue(try await open.account(), open)
            try await withThrowingTaskGroup { group in
                for _ in 0..<3 {
                    group.addTask {
                        while !Task.isCancelled {
                            _ = try await open.keys.find(secret: secret.text)
                            // An answer from memory never suspends, and this loop would keep its thread to itself.
                            await Task.yield()
                        }
                    }
                }
                for round in 0..<100 {
                    let state = round % 2 == 0 ? APIKey.State.disabled : .active
                    _ = try await open.keys.setState(state, of: key.id)
                    #expect(try await open.keys.find(secret: secret.text)?.key.state == state)
                }
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }

    private func issue(
        _ accountID: Identifier, _ open: OpenStorage, label: String? = nil, scopes: Set<Scope> = APIKey.defaultScopes, at second: Int = 0
    ) async throws -> (key: APIKey, secret: APIKeySecret) {
        let secret = APIKeySecret.random()
        let key = APIKey(
            id: .timeOrdered(at: .second(second)), accountID: accountID, prefix: secret.prefix, label: label, scopes: scopes,
            state: .active,
            createdAt: .second(second))
        try await open.keys.insert(key, secret: secret)
        return (key, secret)
    }
}
