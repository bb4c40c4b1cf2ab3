import Personas

@testable import PersonasDB

/// The part of `everyCall` that is about ledgers: everything that is written to them, and read.
func everyCallOfCredits(_ open: OpenStorage, _ round: Int, _ account: Identifier) async throws {
    let (credits, prices) = (open.storage.credits, CreditPrices(persona: 1 + round, style: 2 + round))
    let note = try CreditNote("Note \(round)", of: .own("note"))
    for adjustment in [
        CreditAdjustment.grant(try CreditAmount(100 + round, of: .own("amount")), note: nil),
        .revoke(try CreditAmount(1 + round, of: .own("amount")), note: note),
    ] {
        _ = try await credits.adjust(adjustment, accountID: account, in: WriteContext(at: .second(round)))
    }
    let new = NewPikzonality(
        id: .random(), accountID: account, mode: .persona, details: PikzonalityDetails(name: Name(stored: "Charged \(round)")),
        references: StoredImage.three)
    let id = try await open.items.insert(new, costing: prices, in: WriteContext(at: .second(round))).item.id
    // What it cost is given back, charged anew, and given back once more.
    _ = try await open.items.cancel(id, mode: nil, accountID: account, if: .none, in: WriteContext(at: .second(round)))
    _ = try await open.items.retry(
        id, mode: nil, accountID: account, with: nil, costing: prices, if: .none, in: WriteContext(at: .second(round)))
    _ = try await open.items.delete(
        id, mode: nil, accountID: account, if: .none, endingTraining: true, in: WriteContext(at: .second(round)))
    _ = try await credits.standing(accountID: account)
    _ = try credits.standingNow(accountID: account)
    for number in [nil, 3] {
        _ = try await credits.entries(before: number, limit: 2 + round, accountID: account)
        _ = try credits.entriesNow(before: number, limit: 2 + round, accountID: account)
    }
}
