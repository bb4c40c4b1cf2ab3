/// Chooses what is delivered next, so that nobody waits for somebody else's receiver.
///
/// Endpoints get one delivery each in turn, by their ids, however much waits for any of them. An account holds as many places as `AsyncSemaphore` lets
/// it: alone about half of them, and the more others there are, the fewer. Endpoints that fail or are slow share a part of all places, so that
/// the rest stays for those that answer, however many dead ones there are.
package actor DeliveryPlan {
    /// What is delivered at once.
    package static let placesMax = 64
    /// How much of it to one endpoint.
    package static let placesPerEndpointMax = 4
    /// How much of it to endpoints whose latest attempt failed or was slow, and in attempts that turn out to be.
    package static let slowPlacesMax = 48
    /// What takes longer is slow.
    package static let slowMilliseconds: Int64 = 2_000
    /// Endpoints that are read from the store at once.
    package static let endpointsAtOnce = 256
    /// How often that is done before others get their turn at the processor.
    private static let readsMax = 8
    /// Endpoints that are remembered to be slow. Beyond that all are taken for quick again.
    private static let slowEndpointsMax = 10_000

    /// What a look at the store came to.
    package struct Round: Sendable {
        /// What is to be sent now; each has a place until `ended`.
        package var deliveries: [DueDelivery] = []
        /// Endpoints whose deliveries could not be read, and why.
        package var failures: [Identifier: Failure] = [:]
        /// Whether more endpoints are to be looked at at once.
        package var isUnfinished = false
    }

    private struct InHand {
        let endpointID: Identifier
        let accountID: Identifier
        let itemID: Identifier?
        let isSlow: Bool
        let begunAt: Timestamp
    }

    private let store: any DeliveryStore
    private let places = AsyncSemaphore(count: placesMax)
    private var inHand: [Identifier: InHand] = [:]
    /// Endpoints whose latest attempt was slow.
    private var slowEndpoints: Set<Identifier> = []
    /// Endpoints whose turn comes next, and the id after which the store is asked for more; nil at the beginning.
    private var line: ArraySlice<DueEndpoint> = []
    private var last: Identifier?
    /// Whether anything was begun since the turns began with the first endpoint.
    private var hasBegun = false

    /// A plan that has nothing in hand.
    package init(store: any DeliveryStore) {
        self.store = store
    }

    /// How much is in hand.
    package var count: Int { inHand.count }

    /// Chooses what to send now, until there is no place or nothing more is due.
    package func next(at now: Timestamp) async throws(Failure) -> Round {
        var (round, reads) = (Round(), 0)
        while places.free > 0 {
            if let endpoint = line.popFirst() {
                await begin(endpoint, at: now, &round)
                continue
            }
            if last == nil {
                guard reads == 0 || hasBegun else { return round }
                hasBegun = false
            }
            guard reads < Self.readsMax else {
                round.isUnfinished = true
                return round
            }
            reads += 1
            let due = try await store.dueEndpoints(at: now, after: last, limit: Self.endpointsAtOnce)
            last = due.count < Self.endpointsAtOnce ? nil : due.last?.id
            line = inTurn(due)[...]
        }
        return round
    }

    /// Gives back the place of a delivery.
    /// - Parameter attempt: nil where there was none, so that nothing is known of the endpoint.
    package func ended(_ deliveryID: Identifier, _ attempt: DeliveryAttempt?) {
        guard let ended = inHand.removeValue(forKey: deliveryID) else { return }
        places.leave(ended.accountID)
        guard let attempt else { return }
        if attempt.durationMilliseconds < Self.slowMilliseconds {
            slowEndpoints.remove(ended.endpointID)
        } else {
            if slowEndpoints.count >= Self.slowEndpointsMax { slowEndpoints = [] }
            slowEndpoints.insert(ended.endpointID)
        }
    }

    /// Of each account one endpoint, then of each one more, those of accounts with the least in hand first.
    private func inTurn(_ endpoints: [DueEndpoint]) -> [DueEndpoint] {
        var held = Dictionary(grouping: inHand.values, by: \.accountID).mapValues(\.count)
        let ranked = endpoints.map { endpoint in
            let rank = held[endpoint.accountID, default: 0]
            held[endpoint.accountID] = rank + 1
            return (rank: rank, endpoint: endpoint)
        }
        // The sort is a stable one: within a rank the order of the ids stays.
        return ranked.sorted { $0.rank < $1.rank }.map(\.endpoint)
    }

    /// Takes one delivery to an endpoint in hand, if there is a place for it and one is due.
    private func begin(_ endpoint: DueEndpoint, at now: Timestamp, _ round: inout Round) async {
        // Whatever it was is most probably still so.
        guard round.failures[endpoint.id] == nil else { return }
        let own = inHand.filter { $0.value.endpointID == endpoint.id }
        let isSlow = endpoint.health.failuresInRow > 0 || slowEndpoints.contains(endpoint.id)
        guard own.count < (endpoint.health.isProbed ? 1 : Self.placesPerEndpointMax), !isSlow || slowCount(at: now) < Self.slowPlacesMax,
            places.tryEnter(endpoint.accountID) == .admitted
        else { return }
        do throws(Failure) {
            let due = try await store.dueDeliveries(
                of: endpoint.id, at: now, excluding: Set(own.keys), items: Set(own.values.compactMap(\.itemID)), limit: 1)
            if let delivery = due.first, inHand[delivery.id] == nil {
                inHand[delivery.id] = InHand(
                    endpointID: endpoint.id, accountID: endpoint.accountID, itemID: delivery.event.itemID, isSlow: isSlow, begunAt: now)
                hasBegun = true
                round.deliveries.append(delivery)
                return
            }
        } catch {
            // What is wrong with one endpoint, such as a secret that cannot be unsealed, is no reason to keep the others waiting.
            round.failures[endpoint.id] = error
        }
        places.leave(endpoint.accountID)
    }

    /// Attempts in hand that are slow, or are to endpoints that were.
    private func slowCount(at now: Timestamp) -> Int {
        inHand.values.count { $0.isSlow || now.milliseconds - $0.begunAt.milliseconds >= Self.slowMilliseconds }
    }
}
