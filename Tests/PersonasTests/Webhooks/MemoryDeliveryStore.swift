import Synchronization

@testable import Personas

/// Remembers deliveries in memory, by the rules that every store of them has.
final class MemoryDeliveryStore: DeliveryStore {
    struct Delivery {
        var due: DueDelivery
        var nextAt: Timestamp
        var attempts = 0
        var status: Status = .pending
    }

    enum Status { case pending, succeeded, failed, cancelled }

    struct Endpoint {
        let accountID: Identifier
        var url: String
        var health = EndpointHealth()
        var disabled: WebhookDisabledReason?
    }

    struct State {
        var deliveries: [Identifier: Delivery] = [:]
        var endpoints: [Identifier: Endpoint] = [:]
        /// Thrown by every call until it is nil again.
        var failure: Failure?
        /// Endpoints whose secrets cannot be unsealed.
        var unreadable: Set<Identifier> = []
        var attempts: [(Identifier, DeliveryAttempt)] = []
    }

    let state = Mutex(State())

    func addEndpoint(of accountID: Identifier, url: String = "https://example.com/") -> Identifier {
        let id = Identifier.random()
        state.withLock { $0.endpoints[id] = Endpoint(accountID: accountID, url: url) }
        return id
    }

    func addDelivery(to endpointID: Identifier, item: Identifier?, sequence: Int64, at: Timestamp) -> Identifier {
        state.withLock { state in
            guard let endpoint = state.endpoints[endpointID] else { return endpointID }
            let event = Event(
                id: .random(), accountID: endpoint.accountID, sequence: sequence, type: .item(.persona, .deleted), at: at,
                subject: item.map { .gone($0, .persona) } ?? .webhook(WebhookNotice(id: endpointID, url: endpoint.url)))
            let due = DueDelivery(
                id: .random(), timesQueued: 1, endpointID: endpointID, accountID: endpoint.accountID, url: endpoint.url, secrets: [],
                event: event)
            state.deliveries[due.id] = Delivery(due: due, nextAt: at)
            return due.id
        }
    }

    /// Changes what is remembered.
    func edit(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }
    func delivery(_ id: Identifier) -> Delivery? { state.withLock { $0.deliveries[id] } }
    func count(_ status: Status) -> Int { state.withLock { state in state.deliveries.values.count { $0.status == status } } }

    func dueEndpoints(at now: Timestamp, after: Identifier?, limit: Int) throws(Failure) -> [DueEndpoint] {
        try read { state in
            let due = Set(state.deliveries.values.filter { $0.status == .pending && $0.nextAt <= now }.map(\.due.endpointID))
            let found = due.filter { id in
                guard let endpoint = state.endpoints[id], endpoint.disabled == nil, after.map({ $0 < id }) ?? true else { return false }
                return endpoint.health.slowedUntil.map { $0 <= now } ?? true
            }.sorted().prefix(limit)
            return found.compactMap { id in
                state.endpoints[id].map { DueEndpoint(id: id, accountID: $0.accountID, health: $0.health) }
            }
        }
    }

    func dueDeliveries(
        of endpointID: Identifier, at now: Timestamp, excluding: Set<Identifier>, items: Set<Identifier>, limit: Int
    ) throws(Failure) -> [DueDelivery] {
        let (isUnreadable, found) = try read { state -> (Bool, [DueDelivery]) in
            let due = state.deliveries.values.filter {
                $0.due.endpointID == endpointID && $0.status == .pending && $0.nextAt <= now && !excluding.contains($0.due.id)
                    && !($0.due.event.itemID.map(items.contains) ?? false)
            }
            let first = due.filter { candidate in
                candidate.due.event.itemID == nil
                    || !due.contains {
                        $0.due.event.itemID == candidate.due.event.itemID && $0.due.event.sequence < candidate.due.event.sequence
                    }
            }.sorted { ($0.nextAt, $0.due.event.sequence) < ($1.nextAt, $1.due.event.sequence) }
            let isDisabled = state.endpoints[endpointID]?.disabled != nil
            return (state.unreadable.contains(endpointID), isDisabled ? [] : first.prefix(limit).map(\.due))
        }
        guard !isUnreadable else { throw .unexpected("the secret cannot be unsealed") }
        return found
    }

    func nextDueAt(after now: Timestamp) throws(Failure) -> Timestamp? {
        try read { state in
            state.deliveries.values.compactMap { delivery -> Timestamp? in
                guard delivery.status == .pending, let endpoint = state.endpoints[delivery.due.endpointID], endpoint.disabled == nil else {
                    return nil
                }
                let at = max(delivery.nextAt, endpoint.health.slowedUntil ?? delivery.nextAt)
                return at > now ? at : nil
            }.min()
        }
    }

    func oldestDueAt(_ now: Timestamp) throws(Failure) -> Timestamp? {
        try read { state in state.deliveries.values.filter { $0.status == .pending && $0.nextAt <= now }.map(\.nextAt).min() }
    }

    func record(
        _ attempt: DeliveryAttempt, of deliveryID: Identifier, timesQueued: Int = 1, waitFactor: Double
    ) throws(Failure) -> RecordedAttempt {
        try read { state in
            state.attempts.append((deliveryID, attempt))
            guard var delivery = state.deliveries[deliveryID], delivery.status == .pending,
                var endpoint = state.endpoints[delivery.due.endpointID]
            else { return RecordedAttempt(outcome: nil) }
            delivery.attempts += 1
            let verdict = DeliveryRules.verdict(
                on: attempt, attempts: delivery.attempts, health: endpoint.health, waitFactor: waitFactor)
            switch verdict.outcome {
            case .succeeded: delivery.status = .succeeded
            case .failed: delivery.status = .failed
            case .cancelled: delivery.status = .cancelled
            case .retry(let at): delivery.nextAt = at
            }
            state.deliveries[deliveryID] = delivery
            endpoint.health = verdict.health
            endpoint.disabled = verdict.disabling
            state.endpoints[delivery.due.endpointID] = endpoint
            if verdict.disabling != nil {
                for (id, other) in state.deliveries where other.due.endpointID == delivery.due.endpointID && other.status == .pending {
                    state.deliveries[id]?.status = .cancelled
                }
            }
            return RecordedAttempt(outcome: verdict.outcome, disabled: verdict.disabling)
        }
    }

    private func read<Value>(_ body: (inout State) -> Value) throws(Failure) -> Value {
        let result = state.withLock { state -> Result<Value, Failure> in
            if let failure = state.failure { return .failure(failure) }
            return .success(body(&state))
        }
        return try result.get()
    }
}
