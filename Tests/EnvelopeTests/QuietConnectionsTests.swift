import NIOCore
import Testing

@testable import ErrorEnvelopeHummingbird

@Suite("The longest quiet of many connections")
struct QuietConnectionsTests {
    /// Connections whose ids count from 1, and a moment at which all that became quiet are quiet.
    private final class Fixture {
        private var set = QuietConnections()
        let places: [ConnectionPlace]
        let later = NIODeadline.now() + .hours(1)

        init(_ count: Int) {
            places = (1...count).map { ConnectionPlace(id: UInt64($0), share: nil, refusal: nil, spare: {}) }
            for place in places {
                set.insert(place)
                place.becomesQuiet()
            }
        }

        var count: Int { self.set.count }

        func remove(_ place: ConnectionPlace) { set.remove(place) }

        /// The id of the connection that was quiet for longest, which stays.
        func longestQuiet(after time: TimeAmount = .zero) -> UInt64? { set.takeLongestQuiet(at: later + time)?.id }

        /// The same, which is removed.
        func next() -> UInt64? {
            guard let place = set.takeLongestQuiet(at: later) else { return nil }
            set.remove(place)
            return place.id
        }
    }

    @Test("All are given out in the order in which they became quiet, those that moved meanwhile behind the others")
    func order() {
        let fixture = Fixture(1_000)
        let first = fixture.next()
        #expect(first == 1)
        fixture.places[1].becomesBusy()
        fixture.places[2].becomesBusy()
        fixture.places[2].becomesQuiet()
        let others = (4...1_000).map { _ in fixture.next() }
        #expect(others == (4...1_000).map { UInt64($0) })
        let moved = fixture.next()
        #expect(moved == 3)
        let busy = fixture.next()
        #expect(busy == nil)
        #expect(fixture.count == 1)
    }

    @Test("One that is gone is not given out, though a walk had found it")
    func removed() {
        let fixture = Fixture(3)
        let first = fixture.next()
        #expect(first == 1)
        fixture.remove(fixture.places[1])
        let second = fixture.next()
        #expect(second == 3)
    }

    @Test("Where nearly all are busy, all are looked at only for each hundredth search or so, or after a while")
    func walks() {
        let fixture = Fixture(10_000)
        for place in fixture.places { place.becomesBusy() }
        let none = fixture.longestQuiet()
        #expect(none == nil)
        fixture.places[7].becomesQuiet()
        // Each search pays for 64 looks.
        let searches = (0..<158).map { _ in fixture.longestQuiet() }
        #expect(searches.firstIndex { $0 != nil } == 156)
        fixture.remove(fixture.places[7])
        fixture.places[8].becomesQuiet()
        let tooSoon = fixture.longestQuiet()
        #expect(tooSoon == nil)
        let afterAWhile = fixture.longestQuiet(after: .milliseconds(10))
        #expect(afterAWhile == 9)
    }
}
