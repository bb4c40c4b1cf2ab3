import Personas
import Synchronization
import Testing

@Suite("Asynchronous semaphore", .timeLimit(.minutes(1)))
struct AsyncSemaphoreTests {
    private static let (first, second, third) = (Identifier.random(), Identifier.random(), Identifier.random())

    /// How many wait, as the places tell it.
    private final class Depth: Sendable {
        private let state = Mutex(0)
        var value: Int { state.withLock { $0 } }
        func set(_ count: Int) { state.withLock { $0 = count } }
        func reaches(_ count: Int) async { while value != count { await Task.yield() } }
    }

    /// Who is inside, and how many at most.
    private final class Crowd: Sendable {
        private let state = Mutex<[Identifier: Int]>([:])

        /// Notes that a task came in. Returns how many are inside now, in all and of the account.
        func enter(_ account: Identifier) -> (all: Int, own: Int) {
            state.withLock { inside in
                inside[account, default: 0] += 1
                return (inside.values.reduce(0, +), inside[account] ?? 0)
            }
        }

        func leave(_ account: Identifier) { state.withLock { $0[account, default: 0] -= 1 } }
    }

    /// Who was admitted, in order.
    private final class Admissions: Sendable {
        private let state = Mutex<[String]>([])
        var names: [String] { state.withLock { $0 } }
        func note(_ name: String) { state.withLock { $0.append(name) } }
    }

    /// As many places as an account gets by asking until it is refused, and why it was.
    private func taken(_ places: AsyncSemaphore, by accountID: Identifier) -> (count: Int, end: AsyncSemaphore.Turn) {
        var count = 0
        while true {
            let turn = places.tryEnter(accountID)
            guard turn == .admitted else { return (count, turn) }
            count += 1
        }
    }

    @Test("An account alone gets half, and however many have come, there is something for one more", arguments: [2, 3, 4, 12, 13, 100])
    func share(count: Int) {
        let places = AsyncSemaphore(count: count)
        var left = count
        var shares: [Int] = []
        while left > 0 {
            let (own, end) = taken(places, by: .random())
            #expect(own > 0)
            left -= own
            shares.append(own)
            #expect(end == (left > 0 || own > count / 2 - 1 ? .ownShareUsedUp : .allUsedUp))
        }
        #expect(shares[0] == count / 2)
        #expect(shares == shares.sorted(by: >))
        #expect(taken(places, by: .random()) == (0, .allUsedUp))
    }

    @Test("One place alone is for every account")
    func single() {
        let places = AsyncSemaphore(count: 1)
        #expect(taken(places, by: Self.first) == (1, .ownShareUsedUp))
        #expect(taken(places, by: Self.second) == (0, .allUsedUp))
        places.leave(Self.first)
        #expect(taken(places, by: Self.second) == (1, .ownShareUsedUp))
    }

    @Test("Without an account there are no shares: every place may be taken, and tasks are served in their order")
    func plain() async {
        let depth = Depth()
        let places = AsyncSemaphore(count: 3) { depth.set($0) }
        for _ in 0..<3 { #expect(places.tryEnter() == .admitted) }
        #expect(places.tryEnter() == .allUsedUp && places.permit() == nil)
        let admissions = Admissions()
        var tasks: [Task<Void, Never>] = []
        for (index, name) in ["first", "second", "third", "fourth"].enumerated() {
            tasks.append(
                Task {
                    #expect(await places.enter() == .admitted)
                    admissions.note(name)
                    places.leave()
                })
            await depth.reaches(index + 1)
        }
        places.leave()
        for task in tasks { await task.value }
        #expect(admissions.names == ["first", "second", "third", "fourth"])
        #expect(places.free == 1)
    }

    @Test("The place of a permit is free again when the permit is gone")
    func permits() {
        let places = AsyncSemaphore(count: 4)
        var permits = [places.permit(Self.first), places.permit(Self.first)]
        #expect(permits.allSatisfy { $0 != nil })
        #expect(places.permit(Self.first) == nil)
        permits.removeLast()
        #expect(places.free == 3)
        permits.append(places.permit(Self.first))
        #expect(permits.allSatisfy { $0 != nil })
        permits = []
        #expect(places.free == 4)
    }

    @Test("Tasks that wait are served by account in turn, and within an account in their order")
    func roundRobin() async {
        let depth = Depth()
        let places = AsyncSemaphore(count: 1) { depth.set($0) }
        #expect(await places.enter(Self.first) == .admitted)
        let admissions = Admissions()
        var tasks: [Task<Void, Never>] = []
        for (index, (name, account)) in [
            ("a1", Self.first), ("a2", Self.first), ("a3", Self.first), ("b1", Self.second), ("c1", Self.third), ("b2", Self.second),
        ].enumerated() {
            tasks.append(
                Task {
                    #expect(await places.enter(account) == .admitted)
                    admissions.note(name)
                    places.leave(account)
                })
            await depth.reaches(index + 1)
        }
        places.leave(Self.first)
        for task in tasks { await task.value }
        #expect(admissions.names == ["a1", "b1", "c1", "a2", "b2", "a3"])
        #expect(depth.value == 0 && places.free == 1)
    }

    @Test("An account that holds its share waits for more, while another goes past")
    func lastPlace() async {
        let depth = Depth()
        let places = AsyncSemaphore(count: 2) { depth.set($0) }
        #expect(await places.enter(Self.first) == .admitted)
        let waiting = Task { await places.enter(Self.first) }
        await depth.reaches(1)
        #expect(await places.enter(Self.second) == .admitted)
        places.leave(Self.second)
        #expect(depth.value == 1, "a place is free, but it is the last")
        places.leave(Self.first)
        #expect(await waiting.value == .admitted)
        places.leave(Self.first)
        #expect(places.free == 2)
    }

    @Test("A task that waits in vain is told whose share it was; a deadline that has passed is answered at once")
    func deadline() async {
        let places = AsyncSemaphore(count: 2)
        #expect(await places.enter(Self.first, before: .now - .seconds(1)) == .admitted)
        for deadline in [ContinuousClock.now - .seconds(1), .now + .milliseconds(5)] {
            #expect(await places.enter(Self.first, before: deadline) == .ownShareUsedUp)
        }
        #expect(await places.enter(Self.second) == .admitted)
        for deadline in [ContinuousClock.now - .seconds(1), .now + .milliseconds(5)] {
            #expect(await places.enter(Self.third, before: deadline) == .allUsedUp)
        }
        places.leave(Self.second)
        #expect(await places.enter(Self.third, before: .now + .seconds(1_000_000_000)) == .admitted)
    }

    @Test("A cancelled task waits no longer, and takes no other's place")
    func cancellation() async {
        let depth = Depth()
        let places = AsyncSemaphore(count: 1) { depth.set($0) }
        #expect(await places.enter(Self.first) == .admitted)
        let waiting = (0..<3).map { index in
            Task { await places.enter(index == 0 ? Self.first : Self.second, before: index == 2 ? .now + .seconds(60) : nil) }
        }
        await depth.reaches(3)
        for task in waiting { task.cancel() }
        for task in waiting { #expect(await task.value == .cancelled) }
        #expect(depth.value == 0 && places.free == 0)
        places.leave(Self.first)
        #expect(places.free == 1)
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await places.enter(Self.first)
        }
        #expect(await late.value == .cancelled)
        #expect(places.free == 1)
    }

    @Test("However they come, go and give up, no place is lost, no share exceeded, and every task has a turn", arguments: [1, 2, 3, 7, 12])
    func crowd(count: Int) async {
        let depth = Depth()
        let places = AsyncSemaphore(count: count) { depth.set($0) }
        let accounts = (0..<4).map { _ in Identifier.random() }
        let inside = Crowd()
        let ends = await withTaskGroup(of: AsyncSemaphore.Turn.self) { group in
            for index in 0..<400 {
                // One account asks far more often than all others together.
                let account = accounts[index % 8 < 5 ? 0 : index % 4]
                group.addTask {
                    let task = Task {
                        let turn = await places.enter(account, before: index % 7 == 0 ? .now + .microseconds(index * 10) : nil)
                        guard turn == .admitted else { return turn }
                        let (all, own) = inside.enter(account)
                        #expect(all <= count && own <= max(1, count / 2))
                        for _ in 0..<(index % 3) { await Task.yield() }
                        inside.leave(account)
                        places.leave(account)
                        return turn
                    }
                    if index % 5 == 0 {
                        for _ in 0..<(index % 4) { await Task.yield() }
                        task.cancel()
                    }
                    return await task.value
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ends.count == 400)
        #expect(ends.count { $0 == .admitted } >= 400 - 80 - 58)
        #expect(places.free == count && depth.value == 0)
    }
}
