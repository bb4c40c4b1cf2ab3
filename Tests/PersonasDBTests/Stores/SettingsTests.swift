import Personas
import Testing

@testable import PersonasDB

@Suite("Reserved names, blocked terms and maintenance", .timeLimit(.minutes(1)))
struct SettingsTests {
    @Test("Reserved names are kept once each, whatever their case, in alphabetical order, beyond a restart", arguments: House.all)
    func reservedNames(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            try await withStorage(on: house, in: directory) { open in
                let names = open.storage.names
                #expect(try await names.reservedNames() == [])
                try await names.reserve(["root", "Admin", "ADMIN", "me"].map(Name.init(stored:)), at: .second(0))
                try await names.reserve(["admin"].map(Name.init(stored:)), at: .second(1))
                #expect(try await names.reservedNames().map(\.text) == ["Admin", "me", "root"])
                #expect(try await names.release(["ME", "nobody"].map(Name.init(stored:))).map(\.key) == ["me"])
                #expect(try await names.release([Name(stored: "me")]).isEmpty)
            }
            try await withStorage(on: house, in: directory) { open async throws in
                #expect(try await open.storage.names.reservedNames().map(\.text) == ["Admin", "root"])
            }
        }
    }

    @Test("Maintenance is off at first; what an operator sets is in force at once and after a restart", arguments: House.all)
    func maintenance(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            try await withStorage(on: house, in: directory) { open in
                #expect(open.storage.maintenance.maintenance == Maintenance(isOn: false, retryAfterSeconds: 60))
                try await open.storage.maintenance.set(Maintenance(isOn: true, retryAfterSeconds: 7))
                #expect(open.storage.maintenance.maintenance == Maintenance(isOn: true, retryAfterSeconds: 7))
            }
            try await withStorage(on: house, in: directory) { open in
                #expect(open.storage.maintenance.maintenance == Maintenance(isOn: true, retryAfterSeconds: 7))
                try await open.storage.maintenance.set(Maintenance(isOn: false))
            }
            try await withStorage(on: house, in: directory) { open in
                #expect(open.storage.maintenance.maintenance == Maintenance(isOn: false))
            }
        }
    }

    @Test("A state that cannot be is refused by the table, and the one in force stays", arguments: House.all)
    func invalidMaintenance(on house: House) async throws {
        try await withStorage(on: house) { open in
            await #expect(throws: Failure.self) { try await open.storage.maintenance.set(Maintenance(isOn: true, retryAfterSeconds: 0)) }
            #expect(open.storage.maintenance.maintenance == Maintenance(isOn: false))
        }
    }

    @Test("Blocked terms are kept in lower case, once each, beyond a restart", arguments: House.all)
    func blockedTerms(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            try await withStorage(on: house, in: directory) { open in
                #expect(open.storage.terms.texts == [])
                try await open.storage.terms.block(["Zorn", "ÄRGER", "zorn"])
                try await open.storage.terms.block(["abc"])
                #expect(open.storage.terms.texts == ["abc", "zorn", "ärger"])
            }
            try await withStorage(on: house, in: directory) { open in
                #expect(open.storage.terms.texts == ["abc", "zorn", "ärger"])
            }
        }
    }

    @Test("A term that is released is in force no more, at once and after a restart, in whatever form it was stored", arguments: House.all)
    func releasedTerms(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            try await withStorage(on: house, in: directory) { open in
                let terms = open.storage.terms
                try await open.execute("INSERT INTO blocked_term (term) VALUES ('two  words'), ('two words')")
                try await terms.block(["abc", "zorn"])
                #expect(terms.texts == ["abc", "two words", "zorn"])
                #expect(try await terms.release(["Zorn", "nothing", "TWO words"]) == ["zorn", "two words"])
                #expect(terms.texts == ["abc"])
                #expect(try await terms.release(["zorn"]) == [])
            }
            try await withStorage(on: house, in: directory) { open in #expect(open.storage.terms.texts == ["abc"]) }
        }
    }

    @Test("Of changes at the same time none is missing from memory", arguments: House.all)
    func concurrently(on house: House) async throws {
        try await withStorage(on: house, readers: 4) { open in
            let terms = (100..<200).map { "term \($0)" }
            try await withThrowingTaskGroup { group in
                for term in terms { group.addTask { try await open.storage.terms.block([term]) } }
                group.addTask { try await open.storage.maintenance.set(Maintenance(isOn: true)) }
                try await group.waitForAll()
            }
            #expect(open.storage.terms.texts == terms)
            #expect(open.storage.maintenance.maintenance.isOn)
        }
    }
}
