import Foundation
import Personas

/// Seals what is stored with another key. No backup is made meanwhile, which could hold what its own copy of the key does not open.
struct SQLSecretsKeyRotation: SecretsKeyRotation {
    /// Endpoints of one transaction.
    private static let endpointsAtOnce = 200

    let writer: any SQLWriter
    let key: SecretsKeyFile
    let turn: AsyncMutex

    func rotate(in context: WriteContext<Int>, progress: @escaping ProgressHandler) async throws(Failure) -> Int {
        do {
            return try await turn.withLock {
                try key.beginRotation()
                let total = try await writer.write { db in try db.first("SELECT count(*) FROM webhook", []) { Int($0.integer(0)) } ?? 0 }
                var (resealed, done) = (0, 0)
                var last: Identifier?
                repeat {
                    try Task.checkCancellation()
                    progress(WorkProgress(step: "Sealing secrets", done: min(done, total), total: total))
                    let round = try await reseal(after: last)
                    last = round.last
                    resealed += round.resealed
                    done += Self.endpointsAtOnce
                } while last != nil
                let count = resealed
                // Before the last step, so that whatever ends the process nothing was done of which the audit does not tell.
                _ = try await writer.write(in: context) { _ in count }
                try key.endRotation()
                return count
            }
        } catch {
            throw error is CancellationError ? .cancelled : Failure(storage: error)
        }
    }

    private func reseal(after id: Identifier?) async throws(Failure) -> (last: Identifier?, resealed: Int) {
        try await writer.write { [key] db in
            var rows: [(id: Identifier, secrets: [SealedSecret])] = []
            try db.query(
                "SELECT id, secret, previous_secret FROM webhook WHERE id > ? ORDER BY id LIMIT ?",
                [id ?? .nilUUID, Self.endpointsAtOnce]
            ) { row in
                let sealed = [Array(row.bytes(1)), Array(row.bytes(2))].filter { !$0.isEmpty }
                rows.append((try row.identifier(0), sealed.map { SealedSecret(bytes: $0) }))
            }
            var resealed = 0
            for row in rows where !row.secrets.allSatisfy(key.isCurrent) {
                let again = try row.secrets.map { Data(try key.seal(try key.open($0, for: row.id), for: row.id).bytes) }
                try db.run(
                    "UPDATE webhook SET secret = ?, previous_secret = ? WHERE id = ?",
                    [again[0], again.count > 1 ? again[1] : nil, row.id])
                resealed += 1
            }
            return (rows.last?.id, resealed)
        }
    }
}
