import Foundation
import Personas

/// The row of one request at fal.
enum FalRequestRow {
    /// Selects requests; conditions follow.
    static let select = """
        SELECT job_id, token, state, intended_at, due_at, attempts, request_id, status_url, response_url, cancel_url, outcome, outcome_text
        FROM fal_request
        """

    private static let states = StoredWords<FalRequest.State>()
    private static let outcomes = StoredWords<OutcomeWord>()

    private enum OutcomeWord: String, CaseIterable {
        case portrait, rejected, failed, overdue
    }

    /// Reads a row whose columns are those of `select`.
    static func decode(_ row: SQLRow) throws -> FalRequest {
        guard let token = RandomToken(bytes: row.bytes(1)) else { throw Failure.unexpected("Column 1 holds no token") }
        return FalRequest(
            jobID: try row.identifier(0), token: token, intendedAt: row.timestamp(3), state: try row.word(2, of: states),
            handle: try handle(row), outcome: try outcome(row), dueAt: row.timestampIfAny(4), attempts: Int(row.integer(5)))
    }

    private static func handle(_ row: SQLRow) throws -> FalHandle? {
        guard let requestID = row.text(6) else { return nil }
        return FalHandle(
            requestID: requestID, statusURL: try row.requiredText(7), responseURL: try row.requiredText(8),
            cancelURL: try row.requiredText(9))
    }

    private static func outcome(_ row: SQLRow) throws -> FalOutcome? {
        guard let text = row.text(11) else { return nil }
        return switch try row.word(10, of: outcomes) {
        case .portrait: .portrait(url: text)
        case .rejected: .rejected(words: text)
        case .failed: .failed(words: text)
        case .overdue: .overdue
        }
    }

    /// The request of a job.
    static func find(_ jobID: Identifier, _ connection: any SQLConnection) throws -> FalRequest? {
        try connection.first("\(select) WHERE job_id = ?", [jobID]) { try decode($0) }
    }

    /// Writes a request, which may be a new one.
    static func put(_ request: FalRequest, _ db: any SQLTransaction) throws {
        let (word, text) = words(of: request.outcome)
        try db.run(
            """
            INSERT INTO fal_request (job_id, token, state, intended_at, due_at, attempts, request_id, status_url, response_url, cancel_url,
                outcome, outcome_text)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (job_id) DO UPDATE SET state = excluded.state, due_at = excluded.due_at, attempts = excluded.attempts,
                request_id = excluded.request_id, status_url = excluded.status_url, response_url = excluded.response_url,
                cancel_url = excluded.cancel_url, outcome = excluded.outcome, outcome_text = excluded.outcome_text
            """,
            [
                request.jobID, request.token, request.state.rawValue, request.intendedAt.milliseconds,
                request.dueAt?.milliseconds, request.attempts, request.handle?.requestID, request.handle?.statusURL,
                request.handle?.responseURL, request.handle?.cancelURL, word?.rawValue, text,
            ])
    }

    private static func words(of outcome: FalOutcome?) -> (OutcomeWord?, String?) {
        switch outcome {
        case nil: (nil, nil)
        case .portrait(let url): (.portrait, url)
        case .rejected(let words): (.rejected, words)
        case .failed(let words): (.failed, words)
        case .overdue: (.overdue, "")
        }
    }
}
