import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("Earlier states of items", .timeLimit(.minutes(1)))
struct RevisionStoreTests {
    private static let nobody = Identifier.random()

    private func states(_ item: Pikzonality, before number: Int? = nil, limit: Int = 200, _ open: OpenStorage) async throws -> [Revision] {
        try await open.storage.revisions.revisions(of: item.id, mode: nil, accountID: item.accountID, before: number, limit: limit)
    }

    @Test("A new item has one, which costs no row; a change adds one, and what changes nothing adds none", arguments: House.all)
    func adding(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.items.insert(
                NewPikzonality(
                    id: .random(), accountID: account, mode: .persona,
                    details: PikzonalityDetails(name: Name(stored: "Nova"), metadata: .fixture(["a": "1"])),
                    references: try await open.stored(1...3), outcome: .completed), in: WriteContext(at: .second(0), requestID: "create"))
            #expect(
                try await states(item, open) == [Revision(number: 1, details: item.details, changedAt: .second(0), requestID: "create")])
            #expect(try open.count("revision") == 0)
            for change in [
                PikzonalityChange(), PikzonalityChange(name: Name(stored: "Nova")), PikzonalityChange(metadata: .merge(["b": nil])),
            ] {
                _ = try await open.items.update(item.id, mode: nil, accountID: account, change: change, at: .second(1))
            }
            #expect(try await states(item, open).count == 1)
            var changed: [Pikzonality] = []
            for (number, change) in [
                PikzonalityChange(name: Name(stored: "Other")), PikzonalityChange(externalID: "x"), PikzonalityChange(metadata: .clear),
            ].enumerated() {
                changed.append(
                    try await open.items.update(
                        item.id, mode: nil, accountID: account, change: change, if: .none,
                        in: WriteContext(at: .second(10 + number), requestID: "change \(number)")))
            }
            let found = try await states(item, open)
            #expect(found.map(\.number) == [4, 3, 2, 1])
            #expect(found.map(\.details) == changed.reversed().map(\.details) + [item.details])
            #expect(found.map(\.changedAt) == [.second(12), .second(11), .second(10), .second(0)])
            #expect(found.map(\.requestID) == ["change 2", "change 1", "change 0", "create"])
            #expect(try await states(item, before: 3, limit: 1, open).map(\.number) == [2])
            #expect(try await open.storage.revisions.revision(1, of: item.id, mode: .persona, accountID: account).details == item.details)
            for (id, number, mode, owner) in [
                (item.id, 5, nil, account), (item.id, 0, nil, account), (item.id, 1, Mode.style, account), (.random(), 1, nil, account),
                (item.id, 1, nil, Identifier.random()),
            ] {
                await #expect(throws: Failure.notFound) {
                    try await open.storage.revisions.revision(number, of: id, mode: mode, accountID: owner)
                }
            }
            #expect(try await sound(open))
        }
    }

    @Test("A hundred are kept, whatever becomes of the item but its end", arguments: House.all)
    func bound(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, images: try await open.stored(1...3), outcome: .completed)
            for number in 2...130 {
                _ = try await open.items.update(
                    item.id, mode: nil, accountID: account, change: PikzonalityChange(specialInstructions: "\(number)"), at: .second(number)
                )
            }
            func expectKept() async throws {
                let found = try await states(item, open)
                #expect(found.map(\.number) == Array((31...130).reversed()))
                #expect(found.map(\.details.specialInstructions) == (31...130).reversed().map { "\($0)" })
                #expect(try await sound(open))
            }
            try await expectKept()
            try await open.putAway(item)
            #expect(try open.count("revision") == Limits.revisionsKept - 1)
            await #expect(throws: Failure.notFound) { try await states(item, open) }
            #expect(try await sound(open))
            try await open.takeBack(item)
            try await expectKept()
            _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(999))
            #expect(try open.count("revision") == 0)
        }
    }

    @Test("A state is brought back as a change of all that it holds", arguments: House.all)
    func restoring(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let images = try await open.stored(1...3)
            let item = try await open.insert(
                "Nova", of: account, images: images, instructions: "a", externalID: "x", metadata: ["a": "1", "b": "2"], outcome: .completed
            )
            let change = PikzonalityChange(
                name: Name(stored: "Other"), specialInstructions: .some(nil), externalID: .some(nil), metadata: .merge(["c": "3"]))
            _ = try await open.items.update(item.id, mode: nil, accountID: account, change: change, at: .second(1))
            let revisions = Revisions(
                store: open.storage.revisions, items: open.items, policy: ContentPolicy(terms: open.storage.terms),
                clock: WallClock { .second(2) })
            let back = try await revisions.restore(1, of: item.id, mode: nil, accountID: account, requestID: "back")
            #expect(back.details == item.details && back.version == item.version + 2)
            #expect(try await revisions.restore(1, of: item.id, mode: nil, accountID: account) == back)
            #expect(try await revisions.restore(3, of: item.id, mode: nil, accountID: account) == back)
            #expect(try await states(item, open).map(\.number) == [3, 2, 1])
            #expect(try await open.told(account).last?.changed == ["name", "special_instructions", "external_id", "metadata"])
            let labelled = PikzonalityFilter(metadata: [MetadataMember(key: "b", value: "2")])
            #expect(try await open.items.page(labelled, sort: .name, after: nil, limit: 2, accountID: account) == [back])

            _ = try await open.insert("OTHER", of: account, images: images, outcome: .completed)
            let taken = await result { () throws(Failure) in
                try await revisions.restore(2, of: item.id, mode: nil, accountID: account)
            }
            guard case .failure(.nameTaken(.persona, _)) = taken else {
                Issue.record("\(taken)")
                return
            }
            try await open.storage.terms.block(["nova"])
            await #expect(throws: Failure.blockedContent(field: .name)) {
                try await revisions.restore(1, of: item.id, mode: nil, accountID: account)
            }
            #expect(try await sound(open))
        }
    }

    @Test(
        "States that do not lead up to the present one, and those of nobody, are findings; so is what is in two places",
        arguments: House.all)
    func findings(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            var items: [Pikzonality] = []
            for number in 0..<6 {
                let item = try await open.trained("Item \(number)", of: account, images: try await open.stored(1...3))
                for text in ["a", "b", "c"] {
                    _ = try await open.items.update(
                        item.id, mode: nil, accountID: account, change: PikzonalityChange(specialInstructions: text), at: .second(3))
                }
                items.append(item)
            }
            for item in items[3...] { try await open.putAway(item) }
            #expect(try await sound(open))
            func id(_ index: Int) -> String { open.literal(items[index].id) }
            try await open.execute("DELETE FROM revision WHERE item_id = \(id(0)) AND number = 2")
            try await open.execute("UPDATE pikzonality SET revision = 2 WHERE id = \(id(1))")
            try await open.execute("DELETE FROM revision WHERE item_id = \(id(3))")
            try await open.execute(
                "INSERT INTO revision (item_id, number, changed_at, name) VALUES (\(open.literal(Self.nobody)), 1, 1, 'Nobody')")
            var found = try await open.findings(isRepairing: true)
            #expect(found.allSatisfy { $0.kind == .revisionsDisagree && !$0.repaired })
            #expect(
                Set(found.map(\.subject)) == Set([0, 1, 3].map { items[$0].id.text } + [Self.nobody.text]))
            try await open.execute("DELETE FROM revision WHERE item_id = \(open.literal(Self.nobody))")
            for number in [0, 1, 3] { try await open.execute("UPDATE pikzonality SET revision = NULL WHERE id = \(id(number))") }
            try await open.execute("UPDATE trash_item SET revision = NULL")
            try await open.execute("DELETE FROM revision WHERE item_id <> \(id(2))")
            #expect(try await sound(open))

            try await open.execute("UPDATE trash_link SET position = 9 WHERE item_id = \(id(3)) AND position = 0")
            try await open.execute("UPDATE trash_item SET portrait_token = NULL WHERE id = \(id(4))")
            try await open.execute(
                "UPDATE training_job SET pikzonality_id = \(id(0)) WHERE id = (SELECT job_id FROM trash_item WHERE id = \(id(5)))")
            found = try await open.findings()
            #expect(
                Set(found.map { "\($0.kind) \($0.subject)" })
                    == Set(
                        [3, 4].map { "tokensDisagree \(items[$0].id.text)" } + ["trashDisagrees \(items[5].id.text)"]))
            try await open.execute("UPDATE trash_count SET count = 9")
            found = try await open.findings(isRepairing: true).filter { $0.kind == .countsDisagree }
            #expect(found.map(\.repaired) == [true])
            #expect(try await open.findings().allSatisfy { $0.kind != .countsDisagree })
            try await open.execute("UPDATE stored_bytes SET count = 9")
            #expect(try await open.findings(isRepairing: true).filter { $0.kind == .countsDisagree }.map(\.repaired) == [true])
            #expect(try await open.findings().allSatisfy { $0.kind != .countsDisagree })
        }
    }
}
