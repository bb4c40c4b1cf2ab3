import Personas
import Testing

@Suite("Memory of requests")
struct MemoryBudgetTests {
    private static let megabyte = 1_048_576
    private static let ownShare = Failure.tooManyRequests(.bodyBytes, retryAfterSeconds: 1)
    private static let everybodys = Failure.usedUp(.bodyMemory, retryAfterSeconds: 1)

    /// Grows by steps until that is refused.
    private func fill(_ reservation: MemoryReservation) -> (bytes: Int, end: Failure?) {
        while true {
            do throws(Failure) {
                try reservation.grow(by: 65_536)
            } catch {
                return (reservation.heldBytes, error)
            }
        }
    }

    @Test("The first request of an account takes all there is, if need be; its others only as much as stays free")
    func alone() {
        let budget = MemoryBudget(bytesMax: 64 * Self.megabyte)
        let account = Identifier.random()
        let (first, second) = (budget.reservation(for: account), budget.reservation(for: account))
        #expect(fill(first) == (64 * Self.megabyte, Self.ownShare))
        first.shrink(by: 54 * Self.megabyte)
        #expect(fill(second) == (22 * Self.megabyte, Self.ownShare))
        #expect(budget.reservedBytes == 32 * Self.megabyte, "half of all")
        // The first goes on, so that a large request is not refused because a small one came after it.
        #expect(fill(first) == (42 * Self.megabyte, Self.ownShare))
        first.close()
        second.close()
        #expect(budget.reservedBytes == 0)
    }

    @Test("However many accounts fill their shares, one more has something left")
    func others() {
        let budget = MemoryBudget(bytesMax: 64 * Self.megabyte)
        var held: [MemoryReservation] = []
        var free = 64 * Self.megabyte
        for _ in 0..<5 {
            let account = Identifier.random()
            // The second request is bound by the share of its account, and the first holds as little as counts.
            held.append(budget.reservation(for: account))
            #expect(throws: Never.self) { try held.last?.grow(by: MemoryBudget.uncountedBytes + 1) }
            held.append(budget.reservation(for: account))
            if let last = held.last { #expect(fill(last).end == Self.ownShare) }
            let left = 64 * Self.megabyte - budget.reservedBytes
            #expect(left > 0 && left >= free / 2 - 65_536)
            free = left
        }
        #expect(held.allSatisfy { $0.heldBytes > 0 })
    }

    @Test("Two requests of one account share one share, and leave another account its own")
    func oneShare() throws {
        let budget = MemoryBudget(bytesMax: 16 * Self.megabyte)
        let (account, other) = (Identifier.random(), Identifier.random())
        let (first, second, third) = (budget.reservation(for: account), budget.reservation(for: account), budget.reservation(for: other))
        try first.grow(by: 7 * Self.megabyte)
        #expect(throws: Self.ownShare) { try second.grow(by: 2 * Self.megabyte) }
        #expect(second.heldBytes == 0, "what was refused is not held")
        try third.grow(by: 8 * Self.megabyte)
        #expect(throws: Self.everybodys) { try first.grow(by: 2 * Self.megabyte) }
        third.close()
        try first.grow(by: 2 * Self.megabyte)
    }

    @Test("Small requests never count, whatever others hold")
    func small() throws {
        let budget = MemoryBudget(bytesMax: Self.megabyte)
        let account = Identifier.random()
        let large = budget.reservation(for: account)
        try large.grow(by: Self.megabyte)
        for accountID in [account, .random()] {
            for _ in 0..<100 {
                let small = budget.reservation(for: accountID)
                try small.grow(by: 65_536)
                try small.grow(by: 49_152)
            }
        }
        let larger = budget.reservation(for: .random())
        try larger.grow(by: MemoryBudget.uncountedBytes)
        #expect(throws: Self.everybodys) { try larger.grow(by: 1) }
    }

    @Test("Everything goes back once: when a request shrinks, when it ends, and when it is forgotten")
    func giveBack() throws {
        let budget = MemoryBudget(bytesMax: 8 * Self.megabyte)
        let other = budget.reservation(for: .random())
        try other.grow(by: Self.megabyte)
        do {
            let reservation = budget.reservation(for: .random())
            try reservation.grow(by: 3 * Self.megabyte)
            #expect(budget.reservedBytes == 4 * Self.megabyte)
            reservation.shrink(by: 2 * Self.megabyte)
            #expect(budget.reservedBytes == 2 * Self.megabyte)
            reservation.shrink(by: 5 * Self.megabyte)
            #expect(reservation.heldBytes == 0 && budget.reservedBytes == Self.megabyte)
            try reservation.grow(by: 2 * Self.megabyte)
            reservation.close()
            reservation.close()
            reservation.shrink(by: Self.megabyte)
            #expect(budget.reservedBytes == Self.megabyte)
            #expect(throws: Self.ownShare, "what ends later than its request") { try reservation.grow(by: 1) }
            let forgotten = budget.reservation(for: .random())
            try forgotten.grow(by: 2 * Self.megabyte)
        }
        #expect(budget.reservedBytes == Self.megabyte)
        withExtendedLifetime(other) {}
    }

    @Test("Whatever is grown, shrunk and closed, the sum is right and never above the bound")
    func model() {
        var random = SystemRandomNumberGenerator()
        let budget = MemoryBudget(bytesMax: 4 * Self.megabyte)
        let accounts = (0..<3).map { _ in Identifier.random() }
        var open = (0..<12).map { budget.reservation(for: accounts[$0 % 3]) }
        for _ in 0..<5_000 {
            let index = Int.random(in: 0..<open.count, using: &random)
            let before = open[index].heldBytes
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                open[index].close()
                open[index] = budget.reservation(for: accounts[index % 3])
            case 1, 2, 3: open[index].shrink(by: Int.random(in: 0...Self.megabyte, using: &random))
            default:
                let count = Int.random(in: 0...300_000, using: &random)
                let isTaken = (try? open[index].grow(by: count)) != nil
                #expect(open[index].heldBytes == before + (isTaken ? count : 0))
            }
            let expected = open.map(\.heldBytes).filter { $0 > MemoryBudget.uncountedBytes }.map { ($0 + 65_535) / 65_536 * 65_536 }
            #expect(budget.reservedBytes == expected.reduce(0, +))
            #expect(budget.reservedBytes <= 4 * Self.megabyte)
        }
        for reservation in open { reservation.close() }
        #expect(budget.reservedBytes == 0)
    }

    @Test("Work that no client asks for is not bounded")
    func unlimited() throws {
        let reservation = MemoryReservation.unlimited()
        try reservation.grow(by: .max / 4)
        #expect(reservation.heldBytes == .max / 4)
    }
}
