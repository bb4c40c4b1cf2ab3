/// Chooses what is delivered next, so that nobody waits for somebody else's receiver.
///
/// Endpoints get one delivery each in turn, those of an account with the least in hand first, however much waits for any of them. An account holds as many
/// places as `AsyncSemaphore` lets it: alone about half of them, and the more others there are, the fewer. Endpoints that fail or are slow share a part
/// of all places, and those of an account a part of its share, so that the rest stays for those that answer, however many dead ones there are. Of which
/// nothing is known yet may be slow too: no endpoint takes a second place that another one of its account may need for its first.
package actor DeliveryPlan {
    /// What is delivered at once.
    package static let placesMax = 64
    /// How much of it to one endpoint.
    package static let placesPerEndpointMax = 4
    /// How much of it to endpoints whose latest attempt failed or was slow, and in attempts that turn out to be. Of an account's share it is three quarters.
    package static let slowPlacesMax = 48
    /// What takes longer is slow.
    package static let slowMilliseconds: Int64 = 2_000
    /// Endpoints that are read from the store at once.
    package static let endpointsAtOnce = 256
    /// How often that is done before others get their turn at the processor.
    private static let readsMax = 8
    /// Endpoints of which is remembered that they are slow, or when they had their turn. Beyond that all are taken for quick, or had none.
    private static let endpointsRememberedMax = 10_000

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
    /// The number of each endpoint's latest turn.
    private var turns: [Identifier: Int] = [:]
    private var lastTurn = 0
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
            if slowEndpoints.count >= Self.endpointsRememberedMax { slowEndpoints = [] }
            slowEndpoints.insert(ended.endpointID)
        }
    }

    /// Of each account one endpoint, then of each one more, those of accounts with the least in hand first. Of an account's endpoints those with the least
    /// in hand come first, and of these the one whose turn was longest ago: a share that ends before the last of them is not always the same ones'.
    private func inTurn(_ endpoints: [DueEndpoint]) -> [DueEndpoint] {
        var held = Dictionary(grouping: inHand.values, by: \.accountID).mapValues(\.count)
        let own = Dictionary(grouping: inHand.values, by: \.endpointID).mapValues(\.count)
        let patient = endpoints.sorted {
            (own[$0.id, default: 0], turns[$0.id, default: 0]) < (own[$1.id, default: 0], turns[$1.id, default: 0])
        }
        let ranked = patient.map { endpoint in
            let rank = held[endpoint.accountID, default: 0]
            held[endpoint.accountID] = rank + 1
            return (rank: rank, endpoint: endpoint)
        }
        // The sort is a stable one: within a rank the order stays.
        return ranked.sorted { $0.rank < $1.rank }.map(\.endpoint)
    }

    /// Takes one delivery to an endpoint in hand, if there is a place for it and one is due.
    private func begin(_ endpoint: DueEndpoint, at now: Timestamp, _ round: inout Round) async {
        // Whatever it was is most probably still so.
        guard round.failures[endpoint.id] == nil else { return }
        let own = inHand.filter { $0.value.endpointID == endpoint.id }
        let isSlow =
            endpoint.health.failuresInRow > 0 || slowEndpoints.contains(endpoint.id) || own.values.contains { Self.isSlow($0, at: now) }
        guard own.count < (endpoint.health.isProbed ? 1 : Self.placesPerEndpointMax),
            leavesEnough(endpoint, isFirst: own.isEmpty, isSlow: isSlow, at: now), places.tryEnter(endpoint.accountID) == .admitted
        else { return }
        do throws(Failure) {
            let due = try await store.dueDeliveries(
                of: endpoint.id, at: now, excluding: Set(own.keys), items: Set(own.values.compactMap(\.itemID)), limit: 1)
            if let delivery = due.first, inHand[delivery.id] == nil {
                inHand[delivery.id] = InHand(
                    endpointID: endpoint.id, accountID: endpoint.accountID, itemID: delivery.event.itemID, isSlow: isSlow, begunAt: now)
                hasBegun = true
                if turns.count >= Self.endpointsRememberedMax { turns = [:] }
                lastTurn += 1
                turns[endpoint.id] = lastTurn
                round.deliveries.append(delivery)
                return
            }
        } catch {
            // What is wrong with one endpoint, such as a secret that cannot be unsealed, is no reason to keep the others waiting.
            round.failures[endpoint.id] = error
        }
        places.leave(endpoint.accountID)
    }

    /// Whether one more place for an endpoint leaves enough for those that answer, and for those of its account that have none.
    private func leavesEnough(_ endpoint: DueEndpoint, isFirst: Bool, isSlow: Bool, at now: Timestamp) -> Bool {
        let ofAccount = inHand.values.filter { $0.accountID == endpoint.accountID }
        let share = places.share(of: endpoint.accountID)
        if !isFirst {
            let idleCount = Limits.webhooksMax - Set(ofAccount.map(\.endpointID)).count
            guard ofAccount.count + min(idleCount, share / 4) < share else { return false }
        }
        guard isSlow else { return true }
        return inHand.values.count { Self.isSlow($0, at: now) } < Self.slowPlacesMax
            && ofAccount.count { Self.isSlow($0, at: now) } < max(1, share * 3 / 4)
    }

    /// Whether an attempt in hand is slow, or to an endpoint that was.
    private static func isSlow(_ attempt: InHand, at now: Timestamp) -> Bool {
        attempt.isSlow || now.milliseconds - attempt.begunAt.milliseconds >= slowMilliseconds
    }
}
