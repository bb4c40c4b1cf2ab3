import Personas
import PersonasDB
import PersonasHTTP
import Synchronization
import TestImages
import Testing

/// The time of day as use cases see it.
@Suite("The clock that use cases are given", .serialized)
struct ClockTests {
    @Test("is what items, leases and their changes are dated by")
    func clock() async throws {
        let now = Mutex(Timestamp(milliseconds: 1_700_000_000_000))
        try await TestService.run(policy: LeasePolicy(seconds: 60, attemptsMax: 2), clock: WallClock { now.withLock { $0 } }) { service in
            let (catalog, training) = (service.catalog, service.training)
            let accountID = try await service.administration.perform(ShowAccount(name: "studio")).id
            let images = (1...3).map { ArraySlice(Picture.base64(Picture.png(seed: $0)).utf8) }
            let draft = CreateDraft(
                details: DetailsDraft(name: .value("Nova"), specialInstructions: .absent), imageURLs: .absent,
                imageBase64s: .value(images))
            let item = try await catalog.create(draft, mode: .persona, accountID: accountID, holding: .unlimited(for: accountID)).item
            #expect(item.createdAt == now.withLock { $0 } && item.updatedAt == item.createdAt)
            let job = try #require(try await training.lease(limit: 1, waiting: .zero).first)
            #expect(job.leaseExpiresAt == item.createdAt.adding(seconds: 60))
            let later = item.createdAt.adding(seconds: 59)
            now.withLock { $0 = later }
            #expect(try await training.heartbeat(job.id, token: job.leaseToken, progress: 5).expiresAt == later.adding(seconds: 60))
            #expect(try await catalog.item(item.id, mode: nil, accountID: accountID).updatedAt == later)
            let last = later.adding(seconds: 60)
            now.withLock { $0 = last }
            try await training.expireLeases()
            let second = try #require(try await training.lease(limit: 1, waiting: .zero).first)
            try await training.complete(second.id, token: second.leaseToken, portraitBase64: nil)
            let change = DetailsDraft(name: .value("Vega"), specialInstructions: .absent)
            let changed = try await catalog.update(
                item.id, mode: nil, accountID: accountID, draft: change, holding: .unlimited(for: accountID))
            #expect(changed.updatedAt == last && changed.status == .completed)
        }
    }
}
