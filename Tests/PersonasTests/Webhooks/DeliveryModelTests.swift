import Synchronization
import TestSupport
import Testing

@testable import Personas

/// Deliveries under everything that can happen, in random order: events, answers of all kinds, time, crashes, and failing stores.
@Suite("Deliveries, whatever happens", .timeLimit(.minutes(5)))
struct DeliveryModelTests {
    private struct World {
        let store = MemoryDeliveryStore()
        var plan: DeliveryPlan
        var random: SplitMix64
        var now = Timestamp(milliseconds: 1_000_000_000_000)
        var inHand: [DueDelivery] = []
        var endpoints: [Identifier] = []
        var items: [Identifier] = []
        var sequence: Int64 = 0
        /// Ids of events that a receiver has said it has.
        var received: Set<Identifier> = []

        init(seed: UInt64) {
            random = SplitMix64(seed: seed)
            plan = DeliveryPlan(store: store)
            let accounts = (0..<3).map { _ in Identifier.random() }
            endpoints = (0..<8).map { store.addEndpoint(of: accounts[$0 % 3]) }
            items = (0..<5).map { _ in Identifier.random() }
        }
    }

    @Test("None is lost, none is made twice at once, and the order of an item holds", arguments: 0..<60)
    func randomly(seed: UInt64) async throws {
        var world = World(seed: seed)
        for _ in 0..<200 { try await step(&world) }
        // In the end all receivers are well, and everything arrives.
        world.store.edit { $0.failure = nil }
        for _ in 0..<10_000 where world.store.count(.pending) > 0 {
            try await look(&world)
            if world.inHand.isEmpty {
                world.now = try #require(try world.store.nextDueAt(after: world.now))
            } else {
                try await end(&world, status: 204)
            }
        }
        #expect(world.store.count(.pending) == 0)
        for delivery in world.store.state.withLock({ Array($0.deliveries.values) }) where delivery.status == .succeeded {
            #expect(world.received.contains(delivery.due.event.id))
        }
    }

    private func step(_ world: inout World) async throws {
        switch Int.random(in: 0..<20, using: &world.random) {
        case 0..<5:
            world.sequence += 1
            let item = Int.random(in: 0..<8, using: &world.random) == 0 ? nil : world.items.randomElement(using: &world.random)
            guard let endpoint = world.endpoints.randomElement(using: &world.random) else { return }
            let isDisabled = world.store.state.withLock { $0.endpoints[endpoint]?.disabled != nil }
            if !isDisabled { _ = world.store.addDelivery(to: endpoint, item: item, sequence: world.sequence, at: world.now) }
        case 5..<10: try await look(&world)
        case 10..<16:
            try await end(&world, status: [200, 200, 200, 302, 410, 429, 500, 503, nil].randomElement(using: &world.random) ?? nil)
        case 16: world.now = world.now.adding(seconds: Int.random(in: 0...10, using: &world.random))
        case 17: world.now = world.now.adding(seconds: Int.random(in: 0...100_000, using: &world.random))
        case 18:
            // The process is killed: what was in hand is not known to anybody any more, and the receivers may have it.
            for delivery in world.inHand where Bool.random(using: &world.random) { world.received.insert(delivery.event.id) }
            world.inHand = []
            world.plan = DeliveryPlan(store: world.store)
        default:
            let isFailing = Bool.random(using: &world.random)
            world.store.edit { $0.failure = isFailing ? .storeBusy("full") : nil }
        }
    }

    /// Begins what is due, and looks whether it may be.
    private func look(_ world: inout World) async throws {
        let isFailing = world.store.state.withLock { $0.failure != nil }
        let round: DeliveryPlan.Round
        do {
            round = try await world.plan.next(at: world.now)
        } catch {
            #expect(isFailing)
            return
        }
        #expect(round.failures.isEmpty || isFailing)
        for delivery in round.deliveries {
            let known = try #require(world.store.delivery(delivery.id))
            #expect(known.status == .pending && known.nextAt <= world.now)
            let own = world.inHand.filter { $0.endpointID == delivery.endpointID }
            #expect(!own.contains { $0.id == delivery.id })
            if let item = delivery.event.itemID {
                #expect(!own.contains { $0.event.itemID == item })
                // No earlier one of the item that is due waits behind it.
                let earlier = world.store.state.withLock { [now = world.now] state in
                    state.deliveries.values.contains {
                        $0.due.endpointID == delivery.endpointID && $0.due.event.itemID == item && $0.status == .pending
                            && $0.nextAt <= now && $0.due.event.sequence < delivery.event.sequence
                    }
                }
                #expect(!earlier)
            }
            let health = world.store.state.withLock { $0.endpoints[delivery.endpointID]?.health }
            #expect(health?.slowedUntil.map { $0 <= world.now } ?? true)
            #expect(own.count < (health?.isProbed == true ? 1 : DeliveryPlan.placesPerEndpointMax))
            world.inHand.append(delivery)
        }
        #expect(world.inHand.count <= DeliveryPlan.placesMax)
        #expect(await world.plan.count == world.inHand.count)
    }

    /// Ends one of the attempts in hand.
    private func end(_ world: inout World, status: Int?) async throws {
        guard let index = world.inHand.indices.randomElement(using: &world.random) else { return }
        let isFailing = world.store.state.withLock { $0.failure != nil }
        // What cannot be written down stays in hand.
        guard !isFailing else { return }
        let delivery = world.inHand.remove(at: index)
        let attempt = DeliveryAttempt(
            at: world.now, url: delivery.url, durationMilliseconds: Int64.random(in: 0...15_000, using: &world.random), httpStatus: status,
            error: status == nil ? .reset : nil, retryAfterSeconds: Bool.random(using: &world.random) ? 100 : nil)
        if let status, (200..<300).contains(status) { world.received.insert(delivery.event.id) }
        world.now = max(world.now, attempt.endedAt)
        _ = try world.store.record(attempt, of: delivery.id, waitFactor: 1)
        await world.plan.ended(delivery.id, attempt)
    }
}
