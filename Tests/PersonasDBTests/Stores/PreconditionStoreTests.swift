import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Preconditions of writes", .timeLimit(.minutes(1)))
struct PreconditionStoreTests {
    private static let change = PikzonalityChange(specialInstructions: "Warm")

    @Test("A change is made of the version that is demanded, and of no other", arguments: House.all)
    func update(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, outcome: .completed)
            for (condition, part) in [
                (Precondition(demanding: .only([2, 3])), Precondition.Part.match), (Precondition(excluding: .only([1])), .noneMatch),
                (Precondition(excluding: .all), .noneMatch),
            ] {
                await #expect(throws: Failure.preconditionFailed(part)) {
                    try await open.items.update(
                        item.id, mode: nil, accountID: account, change: Self.change, if: condition, at: .second(1))
                }
                await #expect(throws: Failure.preconditionFailed(part), "one that changes nothing is no exception") {
                    try await open.items.update(
                        item.id, mode: nil, accountID: account, change: PikzonalityChange(), if: condition, at: .second(1))
                }
                #expect(try await open.items.find(item.id, mode: nil, accountID: account) == item)
            }
            let condition = Precondition(demanding: .only([1]), excluding: .only([2]))
            let changed = try await open.items.update(
                item.id, mode: nil, accountID: account, change: Self.change, if: condition, at: .second(1))
            #expect(changed.version == 2 && changed.details.specialInstructions == "Warm")
        }
    }

    @Test("A deletion is done to the version that is demanded, and to no other", arguments: House.all)
    func delete(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, outcome: .completed)
            let before = try open.counts()
            await #expect(throws: Failure.preconditionFailed(.match)) {
                try await open.items.delete(
                    item.id, mode: nil, accountID: account, if: Precondition(demanding: .only([2])), at: .second(1))
            }
            #expect(try open.counts() == before)
            let condition = Precondition(demanding: .only([1]))
            #expect(try await open.items.delete(item.id, mode: nil, accountID: account, if: condition, at: .second(1)) == .persona)
        }
    }

    @Test("What else stands against a write is told first", arguments: House.all)
    func order(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let failing = Precondition(demanding: .only([]))
            let item = try await open.insert("Nova", of: account)
            let taken = try await open.insert("Vega", of: account)
            try await open.storage.names.reserve([Name(stored: "Chief")], at: .second(0))
            await #expect(throws: Failure.stillProcessing(.persona)) {
                try await open.items.delete(item.id, mode: nil, accountID: account, if: failing, at: .second(1))
            }
            for (name, failure) in [("vega", Failure.nameTaken(.persona, taken.id)), ("chief", .nameReserved)] {
                await #expect(throws: failure) {
                    try await open.items.update(
                        item.id, mode: nil, accountID: account, change: PikzonalityChange(name: Name(stored: name)), if: failing,
                        at: .second(1))
                }
            }
            for call in [item.id, .random()] {
                await #expect(throws: Failure.notFound) {
                    try await open.items.update(call, mode: .style, accountID: account, change: Self.change, if: failing, at: .second(1))
                }
                await #expect(throws: Failure.notFound) {
                    try await open.items.delete(call, mode: nil, accountID: .random(), if: failing, at: .second(1))
                }
            }
            #expect(try await open.items.find(item.id, mode: nil, accountID: account) == item)
        }
    }

    @Test("Of many that demand the same version at once one has its way, round after round", arguments: House.all)
    func race(on house: House) async throws {
        let (clients, rounds) = (16, 10)
        try await withStorage(on: house, readers: 4) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, outcome: .completed)
            for version in 1...rounds {
                let outcomes = await withTaskGroup { group in
                    for number in 0..<clients {
                        group.addTask {
                            await result { () throws(Failure) in
                                try await open.items.update(
                                    item.id, mode: nil, accountID: account,
                                    change: PikzonalityChange(specialInstructions: "\(version) \(number)"),
                                    if: Precondition(demanding: .only([version])), at: .second(version))
                            }
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                let changed = outcomes.compactMap { try? $0.get() }
                #expect(changed.map(\.version) == [version + 1])
                #expect(outcomes.filter { $0 == .failure(.preconditionFailed(.match)) }.count == clients - 1)
                #expect(try await open.items.find(item.id, mode: nil, accountID: account) == changed.first)
            }
        }
    }
}
