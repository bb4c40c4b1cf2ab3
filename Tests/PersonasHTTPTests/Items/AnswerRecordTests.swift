import HTTPTypes
import NIOCore
import Personas
import Testing

@testable import PersonasHTTP

/// The bytes in which answers are kept. They are read by later versions, and were written by a migration as well; see `v0003` and its test.
@Suite("The record of an answer")
struct AnswerRecordTests {
    private static let created = AnswerRecord(
        requestID: "r-1", status: 201, location: "https://a.test/v2/personas/1", entityTag: "\"v1\"", body: Array(#"{"name":"é"}"#.utf8))

    private static let rows: [(record: AnswerRecord, text: String)] = [
        (
            created,
            "status: 201\nrequest-id: r-1\nlocation: https://a.test/v2/personas/1\netag: \"v1\"\n\n{\"name\":\"é\"}"
        ),
        (AnswerRecord(requestID: "r-2", status: 204, body: []), "status: 204\nrequest-id: r-2\n\n"),
        (
            AnswerRecord(requestID: "r-3", status: 409, body: Array("{}\n\n: \n".utf8)),
            "status: 409\nrequest-id: r-3\n\n{}\n\n: \n"
        ),
        (
            AnswerRecord(requestID: "r-4", status: 200, creditsRemaining: "97", body: []),
            "status: 200\nrequest-id: r-4\nx-credits-remaining: 97\n\n"
        ),
        (AnswerRecord(requestID: "", status: 200, entityTag: "", body: [0, 255, 10]), "status: 200\nrequest-id: \netag: \n\n"),
    ]

    @Test("is lines with names, an empty line, and the body", arguments: rows.indices)
    func form(index: Int) throws {
        let (record, text) = Self.rows[index]
        if index < 4 { #expect(record.bytes == Array(text.utf8)) } else { #expect(record.bytes == Array(text.utf8) + [0, 255, 10]) }
        #expect(try AnswerRecord(record.bytes) == record)
    }

    @Test("is read whatever lines a later version adds")
    func laterNames() throws {
        let text = "status: 201\nvary: a: b\nrequest-id: r-1\nlocation: https://a.test/v2/personas/1\netag: \"v1\"\n\n{\"name\":\"é\"}"
        #expect(try AnswerRecord(Array(text.utf8)) == Self.created)
    }

    @Test(
        "is none without its lines",
        arguments: [
            "", "\n", "{}", "status: 201", "status: 201\n", "status: 201\nrequest-id: r", "status: 201\nrequest-id: r\n",
            "status: 201\n\n{}", "request-id: r\n\n{}", "status: x\nrequest-id: r\n\n{}", "status: 201\nrequest-id r\n\n{}",
            "status: 201\nrequest-id:r\n\n{}",
        ])
    func malformed(text: String) {
        #expect(throws: Failure.unexpected("A record under an idempotency key cannot be read")) { try AnswerRecord(Array(text.utf8)) }
    }

    @Test("comes from an answer and becomes the same again")
    func answers() throws {
        let answer = JSONAnswer(
            status: .created, after: [.location: "/there", .eTag: "\"v2\""], body: ByteBuffer(string: "{}"))
        let record = AnswerRecord(answer, requestID: "r")
        #expect(record == AnswerRecord(requestID: "r", status: 201, location: "/there", entityTag: "\"v2\"", body: Array("{}".utf8)))
        let again = try AnswerRecord(record.bytes).answer
        #expect(again.status == .created && again.headers == answer.headers)
        #expect(again.headers.map(\.name) == [.contentType, .location, .eTag])
        #expect(again.body == answer.body)
        #expect(try AnswerRecord(AnswerRecord(JSONAnswer(status: .noContent), requestID: "r").bytes).answer.body == nil)
    }

    @Test("of a refusal is kept where the same request would meet it again")
    func finalStatuses() {
        for status in [200, 201, 204, 404, 409, 413, 415, 422] { #expect(AnswerRecord.isFinal(status: status)) }
        for status in [400, 401, 402, 403, 412, 429, 500, 503, 504] { #expect(!AnswerRecord.isFinal(status: status)) }
    }
}
