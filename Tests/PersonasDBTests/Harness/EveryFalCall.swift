import Personas
import Testing

@testable import PersonasDB

/// Calls every method of what remembers requests at fal.
func everyCallOfFal(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let (store, policy) = (open.storage.falRequests, FalRules.leasePolicy(timeoutSeconds: 30 + round))
    let handle = FalHandle(requestID: "r-\(round)", statusURL: "s\(round)", responseURL: "r\(round)", cancelURL: "c\(round)")
    for number in 0..<2 { _ = try await open.insert("Fal \(number) \(round)", of: account) }
    for last in [nil, account] {
        let job = try #require(
            try await open.jobs.leaseInTurn(after: last, passing: [.random()], policy: policy, in: WriteContext(at: .second(round))))
        let intent = try await store.intend(job, token: .random(), at: .second(round))
        _ = try await store.request(withToken: intent.request.token)
        _ = try await store.request(ofJob: job.id)
        _ = try await store.take(.accepted(handle), ofJob: job.id, at: .second(round))
        if last == nil { _ = try await store.take(.reported(.failed(words: "\(round)")), ofJob: job.id, at: .second(round)) }
        try await open.jobs.fail(
            job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: policy, at: .second(round + 1))
    }
    _ = try await store.dueClosings(at: .second(round + 2), silentSince: .second(round), limit: 3 + round)
    _ = try await store.forget(intendedBefore: .second(round + 100), limit: 10 + round)
}
