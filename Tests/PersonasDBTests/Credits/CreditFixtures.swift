import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

extension CreditPrices {
    static let fixture = CreditPrices(persona: 3, style: 5)
}

extension OpenStorage {
    var credits: any CreditStore { storage.credits }

    /// Has an operator give credits.
    @discardableResult
    func grant(_ amount: Int, to accountID: Identifier, note: String? = nil, at now: Timestamp = .second(0)) async throws(Failure)
        -> CreditEntry
    {
        let note = try note.map { text throws(Failure) in try CreditNote(text, of: .own("note")) }
        return try await credits.adjust(
            .grant(try CreditAmount(amount, of: .own("amount")), note: note), accountID: accountID, in: WriteContext(at: now))
    }

    /// Has an operator take credits away.
    @discardableResult
    func revoke(_ amount: Int, from accountID: Identifier, at now: Timestamp = .second(0)) async throws(Failure) -> CreditEntry {
        try await credits.adjust(
            .revoke(try CreditAmount(amount, of: .own("amount")), note: nil), accountID: accountID, in: WriteContext(at: now))
    }

    /// Stores an item whose training costs something.
    func start(
        _ name: String, mode: Mode = .persona, of accountID: Identifier, costing prices: CreditPrices? = .fixture,
        images: [StoredImage] = StoredImage.three, at now: Timestamp = .second(0)
    ) async throws(Failure) -> StartedItem {
        try await items.insert(
            .credited(name, mode, of: accountID, images: try pinnedImages(images)), costing: prices,
            in: WriteContext(at: now, requestID: "create"))
    }

    /// Has the only job that waits fail for good.
    func failNext(at now: Timestamp) async throws {
        let job = try #require(try await jobs.lease(limit: 1, policy: LeasePolicy(), at: now).first)
        try await jobs.fail(job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: LeasePolicy(), at: now)
    }

    /// Has the only job that waits end well.
    func completeNext(at now: Timestamp) async throws {
        let job = try #require(try await jobs.lease(limit: 1, policy: LeasePolicy(), at: now).first)
        try await jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: now)
    }

    /// A ledger, the oldest entry first.
    func ledger(of accountID: Identifier) async throws(Failure) -> [CreditEntry] {
        try await credits.entries(before: nil, limit: .max, accountID: accountID).reversed()
    }

    /// What an account has.
    func balance(of accountID: Identifier) async throws(Failure) -> Int { try await credits.standing(accountID: accountID).balance }

    /// What a check finds of ledgers alone.
    func creditFindings(isRepairing: Bool = false) async throws -> [Finding] {
        try await findings(isRepairing: isRepairing).filter { $0.kind == .creditsDisagree || $0.kind == .countsDisagree }
    }

    /// The same, of this moment, without a look at anything else.
    func creditFindingsNow() async throws -> [Finding] {
        try await reader.read { connection in
            let questions = [
                CreditCheck.entries, CreditCheck.refunds, CreditCheck.openCharges, CreditCheck.trainings, CreditCheck.earlyRefunds,
                CreditCheck.credited, CreditCheck.paid,
            ]
            return try CreditCheck.differences(connection).map { $0.finding(repaired: false) } + questions.flatMap { try $0(connection) }
        }
    }
}

extension NewPikzonality {
    static func credited(
        _ name: String, _ mode: Mode = .persona, of accountID: Identifier, images: [StoredImage] = StoredImage.three,
        outcome: TrainingOutcome? = nil
    ) -> NewPikzonality {
        NewPikzonality(
            id: .random(), accountID: accountID, mode: mode, details: PikzonalityDetails(name: Name(stored: name)), references: images,
            outcome: outcome)
    }
}
