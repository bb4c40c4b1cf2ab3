import TestSupport
import Testing

@testable import Personas

@Suite("What is delivered next", .timeLimit(.minutes(2)))
struct DeliveryPlanTests {
    private static let start = Timestamp(milliseconds: 1_000_000_000_000)

    private static func ended(_ status: Int? = 200, milliseconds: Int64 = 10) -> DeliveryAttempt {
        DeliveryAttempt(
            at: start, url: "https://example.com/", durationMilliseconds: milliseconds, httpStatus: status,
            error: status == nil ? .timeout : nil)
    }

    /// Adds endpoints of one account, each with as many deliveries.
    private static func fill(
        _ store: MemoryDeliveryStore, endpoints: Int, deliveries: Int, of accountID: Identifier = .random()
    ) -> [Identifier] {
        (0..<endpoints).map { _ in
            let id = store.addEndpoint(of: accountID)
            for index in 0..<deliveries {
                _ = store.addDelivery(to: id, item: .random(), sequence: Int64(index + 1), at: start)
            }
            return id
        }
    }

    @Test("An endpoint gets four at once, one where it fails, and of one item one, by sequence")
    func perEndpoint() async throws {
        let store = MemoryDeliveryStore()
        let plan = DeliveryPlan(store: store)
        let id = Self.fill(store, endpoints: 1, deliveries: 10)[0]
        let first = try await plan.next(at: Self.start).deliveries
        #expect(first.map(\.event.sequence) == [1, 2, 3, 4])
        #expect(try await plan.next(at: Self.start).deliveries.isEmpty)
        store.edit { $0.endpoints[id]?.health.failuresInRow = 5 }
        for delivery in first.dropLast() { await plan.ended(delivery.id, Self.ended()) }
        #expect(try await plan.next(at: Self.start).deliveries.isEmpty)
        for delivery in first {
            _ = try store.record(Self.ended(500), of: delivery.id, waitFactor: 1)
            await plan.ended(delivery.id, Self.ended(500))
        }
        #expect(try await plan.next(at: Self.start).deliveries.map(\.event.sequence) == [5])

        let (other, item) = (store.addEndpoint(of: .random()), Identifier.random())
        let added = (1...3).map { store.addDelivery(to: other, item: item, sequence: $0, at: Self.start) }
        #expect(try await plan.next(at: Self.start).deliveries.map(\.id) == [added[0]])
        // A retry that waits keeps nothing back.
        _ = try store.record(Self.ended(500), of: added[0], waitFactor: 1)
        await plan.ended(added[0], Self.ended(500))
        #expect(try await plan.next(at: Self.start).deliveries.map(\.id) == [added[1]])
        _ = try store.record(Self.ended(), of: added[1], waitFactor: 1)
        await plan.ended(added[1], Self.ended())
        #expect(try await plan.next(at: Self.start.adding(seconds: 10)).deliveries.map(\.event.sequence).contains(1))
    }

    @Test("One account leaves places for others, and these get them at once")
    func perAccount() async throws {
        let store = MemoryDeliveryStore()
        let plan = DeliveryPlan(store: store)
        _ = Self.fill(store, endpoints: 10, deliveries: 100)
        let greedy = try await plan.next(at: Self.start).deliveries
        #expect(greedy.count == 32)
        let modest = Self.fill(store, endpoints: 1, deliveries: 1)
        #expect(try await plan.next(at: Self.start).deliveries.map(\.endpointID) == modest)
        for _ in 0..<20 { _ = Self.fill(store, endpoints: 10, deliveries: 100) }
        #expect(Set(try await plan.next(at: Self.start).deliveries.map(\.accountID)).count == 20)
        #expect(await plan.count <= DeliveryPlan.placesMax)
    }

    @Test("However many endpoints are dead, there are places for those that answer")
    func dead() async throws {
        let store = MemoryDeliveryStore()
        let plan = DeliveryPlan(store: store)
        for _ in 0..<100 {
            for id in Self.fill(store, endpoints: 1, deliveries: 10) { store.edit { $0.endpoints[id]?.health.failuresInRow = 1 } }
        }
        #expect(try await plan.next(at: Self.start).deliveries.count == DeliveryPlan.slowPlacesMax)
        let healthy = (0..<10).flatMap { _ in Self.fill(store, endpoints: 1, deliveries: 1) }
        #expect(Set(try await plan.next(at: Self.start).deliveries.map(\.endpointID)) == Set(healthy))
    }

    @Test("Endpoints that are slow count as dead ones do, from when they are, until they are quick")
    func slow() async throws {
        let store = MemoryDeliveryStore()
        let plan = DeliveryPlan(store: store)
        let endpoints = (0..<60).flatMap { _ in Self.fill(store, endpoints: 1, deliveries: 10) }
        let begun = try await plan.next(at: Self.start).deliveries
        #expect(begun.count > DeliveryPlan.slowPlacesMax)
        // What is under way for long is slow, though nobody knew before.
        let later = Self.start.adding(seconds: 3)
        for delivery in begun.prefix(begun.count - DeliveryPlan.slowPlacesMax + 1) {
            _ = try store.record(Self.ended(milliseconds: 3_000), of: delivery.id, waitFactor: 1)
            await plan.ended(delivery.id, Self.ended(milliseconds: 3_000))
        }
        // One place is left for slow ones; all others are for endpoints of which nothing is known.
        let next = try await plan.next(at: later).deliveries
        let known = Set(begun.prefix(begun.count - DeliveryPlan.slowPlacesMax + 1).map(\.endpointID))
        #expect(next.count { known.contains($0.endpointID) } <= 1)
        #expect(Set(endpoints).isSuperset(of: known))
    }

    @Test("However many endpoints of an account are slow, its quick one gets everything at once", arguments: [200, nil])
    func slowBesideQuick(status: Int?) async throws {
        let (store, accountID) = (MemoryDeliveryStore(), Identifier.random())
        let plan = DeliveryPlan(store: store)
        _ = Self.fill(store, endpoints: 8, deliveries: 100, of: accountID)
        let quick = store.addEndpoint(of: accountID)
        var slow = try await plan.next(at: Self.start).deliveries.map { (delivery: $0, begunAt: 0) }
        #expect(slow.count > 8, "nobody knows yet that they are slow")
        for second in 1...60 {
            let now = Self.start.adding(seconds: second)
            // As soon as it is known who is slow, there is more than one place for who is not.
            let wanted = second <= 10 ? 1 : DeliveryPlan.placesPerEndpointMax
            for index in 0..<wanted {
                _ = store.addDelivery(to: quick, item: .random(), sequence: Int64(second * 10 + index), at: now)
            }
            for done in slow where done.begunAt + 10 <= second {
                let attempt = Self.ended(status, milliseconds: 10_000)
                _ = try store.record(attempt, of: done.delivery.id, waitFactor: 1)
                await plan.ended(done.delivery.id, attempt)
            }
            slow.removeAll { $0.begunAt + 10 <= second }
            let begun = try await plan.next(at: now).deliveries
            let told = begun.filter { $0.endpointID == quick }
            #expect(told.count == wanted, "second \(second)")
            for delivery in told {
                _ = try store.record(Self.ended(), of: delivery.id, waitFactor: 1)
                await plan.ended(delivery.id, Self.ended())
            }
            slow += begun.filter { $0.endpointID != quick }.map { ($0, second) }
        }
    }

    @Test("A share that is smaller than the account's endpoints are many goes round among them")
    func turnsWithinShare() async throws {
        let (store, accountID) = (MemoryDeliveryStore(), Identifier.random())
        let plan = DeliveryPlan(store: store)
        for _ in 0..<50 { _ = Self.fill(store, endpoints: 1, deliveries: 1) }
        #expect(try await plan.next(at: Self.start).deliveries.count == 50)
        let endpoints = Self.fill(store, endpoints: 10, deliveries: 100, of: accountID)
        var inHand = try await plan.next(at: Self.start).deliveries
        #expect(inHand.count < endpoints.count)
        var served: [Identifier: Int] = [:]
        for _ in 0..<30 {
            // The one that was begun last ends first.
            let delivery = inHand.removeLast()
            served[delivery.endpointID, default: 0] += 1
            _ = try store.record(Self.ended(), of: delivery.id, waitFactor: 1)
            await plan.ended(delivery.id, Self.ended())
            inHand += try await plan.next(at: Self.start).deliveries
        }
        for delivery in inHand { served[delivery.endpointID, default: 0] += 1 }
        #expect(Set(served.keys) == Set(endpoints))
    }

    @Test("Endpoints have their turns, however much waits for one of them")
    func turns() async throws {
        let store = MemoryDeliveryStore()
        let plan = DeliveryPlan(store: store)
        var served: [Identifier: Int] = [:]
        let endpoints = (0..<600).flatMap { _ in Self.fill(store, endpoints: 1, deliveries: 3) }
        var inHand: [DueDelivery] = []
        for _ in 0..<600 * 3 {
            let round = try await plan.next(at: Self.start)
            inHand += round.deliveries
            for delivery in round.deliveries { served[delivery.endpointID, default: 0] += 1 }
            if served.count == endpoints.count { break }
            // One place becomes free at a time.
            let delivery = inHand.removeFirst()
            _ = try store.record(Self.ended(), of: delivery.id, waitFactor: 1)
            await plan.ended(delivery.id, Self.ended())
        }
        #expect(served.count == endpoints.count)
        #expect((served.values.max() ?? 0) <= 2)
    }

    @Test("What is wrong with one endpoint keeps no other waiting")
    func unreadable() async throws {
        let store = MemoryDeliveryStore()
        let plan = DeliveryPlan(store: store)
        let endpoints = (0..<3).flatMap { _ in Self.fill(store, endpoints: 1, deliveries: 1) }
        store.edit { $0.unreadable = [endpoints[1]] }
        let round = try await plan.next(at: Self.start)
        #expect(Set(round.deliveries.map(\.endpointID)) == [endpoints[0], endpoints[2]])
        #expect(Array(round.failures.keys) == [endpoints[1]])
        #expect(await plan.count == 2)
        store.edit { $0.unreadable = [] }
        #expect(try await plan.next(at: Self.start).deliveries.map(\.endpointID) == [endpoints[1]])
    }
}
