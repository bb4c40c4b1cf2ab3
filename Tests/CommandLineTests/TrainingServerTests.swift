import ErrorEnvelope
import Testing

@testable import PersonasCLI

@Suite("What a server's refusals mean to a worker")
struct TrainingServerTests {
    /// What the worker does about a refusal.
    enum Meaning { case tryAgain, giveUp, dropJob }

    private func meaning(of status: Int, _ bytes: [UInt8]) -> Meaning {
        switch TrainingServer.problem(status, bytes, from: "http://server.test") {
        case .passing: .tryAgain
        case .refused: .giveUp
        case .leaseLost, .stopped: .dropJob
        }
    }

    @Test(
        "A code of the catalogue says itself whether to try again",
        arguments: [
            (ErrorCode.serviceUnderMaintenance, Meaning.tryAgain), (.serviceUnavailable, .tryAgain), (.tooManyRequests, .tryAgain),
            (.internalError, .tryAgain), (.uploadFailed, .tryAgain), (.invalidAPIKey, .giveUp), (.apiAccessNotEnabled, .giveUp),
            (.notFound, .giveUp), (.validationError, .giveUp), (.payloadTooLarge, .giveUp), (.conflict, .dropJob),
        ])
    func known(code: ErrorCode, expected: Meaning) {
        #expect(meaning(of: code.status, ErrorEnvelope(code: code, requestID: "r").encoded()) == expected)
    }

    @Test(
        "What is not of the catalogue is judged by its status",
        arguments: [
            (409, Meaning.dropJob), (429, .tryAgain), (500, .tryAgain), (502, .tryAgain), (503, .tryAgain), (504, .tryAgain),
            (400, .giveUp), (401, .giveUp), (403, .giveUp), (404, .giveUp), (302, .giveUp),
        ],
        ["", "<html>no</html>", #"{"error":{"code":"A_NEW_CODE","message":"m"}}"#])
    func unknown(row: (status: Int, expected: Meaning), body: String) {
        #expect(meaning(of: row.status, Array(body.utf8)) == row.expected)
    }
}
