import Foundation
import Personas
import Testing

@testable import PersonasDB

extension OpenStorage {
    /// Stores an endpoint that is told of some events.
    func webhook(
        of accountID: Identifier, events: [String] = ["*"], url: String = "https://hooks.example/a", at time: Timestamp = .second(0)
    ) async throws -> WebhookEndpoint {
        let filter = try #require(WebhookFilter(events))
        let endpoint = WebhookEndpoint(
            id: .timeOrdered(at: time), accountID: accountID, details: WebhookDetails(url: url, description: nil, filter: filter),
            createdAt: time, updatedAt: time)
        return try await storage.webhooks.insert(
            endpoint, secret: try storage.secrets.seal(.fixture, for: endpoint.id), in: WriteContext(at: time))
    }

    /// Stores an item and completes its training, which are two events.
    func completed(_ name: String, of accountID: Identifier, at time: Timestamp) async throws -> Pikzonality {
        let item = try await insert(name, of: accountID, at: time)
        let job = try #require(try await jobs.lease(limit: 1, policy: LeasePolicy(), at: time).first)
        try await jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: time)
        return item
    }

    /// An endpoint as it is at this moment.
    func present(_ endpoint: WebhookEndpoint) async throws -> WebhookEndpoint {
        try await storage.webhooks.endpoint(endpoint.reference)
    }

    /// The log of an endpoint, newest first.
    func log(_ endpoint: WebhookEndpoint, _ status: WebhookDelivery.Status? = nil) async throws -> [WebhookDelivery] {
        try await storage.deliveryLog.deliveries(of: endpoint.reference, DeliveryFilter(status: status), after: nil, limit: 100).deliveries
    }

    /// Enables or disables an endpoint.
    @discardableResult
    func set(_ status: WebhookEndpoint.Status, _ endpoint: WebhookEndpoint, at time: Timestamp) async throws -> WebhookEndpoint {
        try await storage.webhooks.update(
            endpoint.reference, WebhookChange(status: status), if: .none, in: WriteContext(at: time, requestID: "r"))
    }

    /// Makes an attempt at a delivery.
    /// - Parameter timesQueued: how often that was queued when the attempt began; nil for as often as it is now.
    @discardableResult
    func attempt(
        _ delivery: WebhookDelivery, url: String = "https://hooks.example/a", status: Int? = 200, error: DeliveryError? = nil,
        retryAfter: Int? = nil, timesQueued: Int? = nil, at time: Timestamp
    ) async throws -> RecordedAttempt {
        let present = try await reader.read { connection in
            try connection.first("SELECT times_queued FROM webhook_delivery WHERE id = ?", [delivery.id]) {
                Int($0.integer(0))
            }
        }
        return try await storage.deliveries.record(
            DeliveryAttempt(
                at: time, url: url, durationMilliseconds: 0, httpStatus: status, error: error, responseBody: "heard",
                retryAfterSeconds: retryAfter),
            of: delivery.id, timesQueued: timesQueued ?? present ?? 1, waitFactor: 1)
    }

    /// Brings in line and clears all that is left to be.
    func clearDeliveries(at time: Timestamp = .second(0)) async throws {
        while try await storage.deliveryLog.clear(at: time, limit: 2) == 2 {}
    }

    /// What is due to an endpoint.
    func due(
        _ endpoint: WebhookEndpoint, at time: Timestamp, excluding: Set<Identifier> = [], items: Set<Identifier> = [], limit: Int = 4
    ) async throws -> [DueDelivery] {
        try await storage.deliveries.dueDeliveries(of: endpoint.id, at: time, excluding: excluding, items: items, limit: limit)
    }
}

extension WebhookEndpoint {
    var reference: WebhookReference { WebhookReference(id, of: accountID) }
}

extension WebhookSecret {
    static let fixture = WebhookSecret(bytes: Array(0..<32))
}
