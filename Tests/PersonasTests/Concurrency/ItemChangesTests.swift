import Personas
import TestSupport
import Testing

@Suite("Changes of items")
struct ItemChangesTests {
    private let changes = ItemChanges()
    private let account = Identifier.random()

    /// Counts how often a watch is woken, and after how many others.
    private func watch(
        _ id: Identifier, of accountID: Identifier? = nil, for interest: ItemChanges.Interest = .anyChange
    ) -> (watch: ItemChanges.Watch, woken: Shared<[Int]>) {
        let woken = Shared<[Int]>([])
        return (changes.watch(id, of: accountID ?? account, for: interest) { before in woken.withLock { $0.append(before) } }, woken)
    }

    @Test("wake those who watch the item, each after the others, and nobody else")
    func item() {
        let (id, other) = (Identifier.random(), Identifier.random())
        let watches = [watch(id), watch(id), watch(other)]
        changes.notify(ItemChange(id, isSettled: false))
        #expect(Set(watches[0].woken.value + watches[1].woken.value) == [0, 1])
        #expect(watches[2].woken.value.isEmpty)
        changes.notify(ItemChange(.random(), isSettled: true))
        changes.notify(nil)
        changes.notify(ItemChange(other, isSettled: true))
        #expect(watches.map(\.woken.value.count) == [1, 1, 1])
    }

    @Test("that do not settle the item wake those alone who wait for any change")
    func interests() {
        let id = Identifier.random()
        let (patient, curious) = (watch(id, for: .settlement), watch(id, for: .anyChange))
        changes.notify(ItemChange(id, isSettled: false))
        #expect(patient.woken.value.isEmpty && curious.woken.value == [0])
        changes.notify(ItemChange(id, isSettled: true))
        #expect(patient.woken.value.count == 1 && curious.woken.value.count == 2)
    }

    @Test("wake nobody whose watch has ended, and leave nothing of it behind")
    func ended() {
        let id = Identifier.random()
        let (first, second) = (watch(id), watch(id))
        changes.end(first.watch)
        changes.notify(ItemChange(id, isSettled: true))
        #expect(first.woken.value.isEmpty && second.woken.value == [0])
        changes.end(first.watch)
        changes.end(second.watch)
        #expect(changes.watchCount == 0)
    }

    @Test("of a whole account wake all who watch one of its items, whatever they wait for")
    func accountGone() {
        let watches = [watch(.random()), watch(.random(), for: .settlement), watch(.random(), of: .random())]
        changes.notify(accountGone: account)
        #expect(Set(watches[0].woken.value + watches[1].woken.value) == [0, 1])
        #expect(watches[2].woken.value.isEmpty)
    }
}
