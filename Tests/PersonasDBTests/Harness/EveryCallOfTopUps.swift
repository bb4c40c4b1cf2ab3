import Personas

@testable import PersonasDB

/// Calls every method of the stores of Smart Balance.
func everyCallOfTopUps(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let (store, topUps) = (open.storage.smartBalances, open.storage.topUps)
    let amount = try CreditAmount(10 + round, of: .own("amount"))
    let smartBalance = SmartBalance(threshold: amount, amount: amount)
    for second in 0..<2 { _ = try await store.set(smartBalance, accountID: account, in: WriteContext(at: .second(round + second))) }
    let reference = CreditNote(excerptOf: "bill \(round)")
    for answer in [PaymentAnswer.unknown(.unreadable), .paid(reference: reference), .declined(reference: reference)] {
        let price = try await open.storage.credits.standing(accountID: account).balance + 1
        _ = try await store.ask(toCover: price, accountID: account, at: .second(round))
        for isRepeated in [false, true] { _ = try await topUps.due(at: .second(round), isRepeated: isRepeated, limit: 1 + round) }
        _ = try await topUps.nextDueAt(after: .second(round))
        if let topUp = try await open.storage.credits.standing(accountID: account).topUp {
            _ = try await topUps.record(answer, of: topUp.id, at: .second(round), waitFactor: 1)
        }
    }
    _ = try await store.resume(accountID: account, in: WriteContext(at: .second(round)))
    _ = try await store.remove(accountID: account, in: WriteContext(at: .second(round)))
    try await topUps.forget(try await topUps.abandoned(limit: 1 + round) + [AbandonedTopUp(id: .random(), accountID: account)])
}
