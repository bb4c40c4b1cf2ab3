import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@Suite("Reading request bodies")
struct RequestBodyTests {
    private func request(chunks: [String], headers: HTTPFields = [:]) -> Request {
        let body = RequestBody(
            asyncSequence: AsyncStream { continuation in
                for chunk in chunks { continuation.yield(ByteBuffer(string: chunk)) }
                continuation.finish()
            }
        )
        return Request(head: HTTPRequest(method: .post, scheme: "http", authority: "a", path: "/", headerFields: headers), body: body)
    }

    @Test("joins the parts")
    func joins() async throws {
        #expect(try await self.request(chunks: ["ab", "", "c"]).bodyBytes(upTo: 3) == [0x61, 0x62, 0x63])
        #expect(try await self.request(chunks: ["abc"], headers: [.contentLength: "3"]).bodyBytes(upTo: 3).count == 3)
        #expect(try await self.request(chunks: []).bodyBytes(upTo: 0).isEmpty)
    }

    @Test("refuses what is too large, announced or not")
    func tooLarge() async throws {
        for request in [
            self.request(chunks: ["ab", "cd"]), self.request(chunks: [], headers: [.contentLength: "4"]),
            self.request(chunks: [], headers: [.contentLength: "9223372036854775807"]),
        ] {
            let error = await #expect(throws: EnvelopeError.self) { try await request.bodyBytes(upTo: 3) }
            #expect(error?.code == .payloadTooLarge)
            #expect(error?.message == "The request body is too large: at most 3 bytes are accepted")
        }
    }

    @Test("asks for memory as the body arrives, and for none that is only announced")
    func reserves() async throws {
        struct Refused: Error {}
        for headers in [[:], [.contentLength: "5"]] as [HTTPFields] {
            var reserved: [Int] = []
            _ = try await self.request(chunks: ["ab", "cde"], headers: headers).bodyBytes(upTo: 10) { reserved.append($0) }
            #expect(reserved == [2, 3])
            reserved = []
            await #expect(throws: Refused.self) {
                try await self.request(chunks: ["ab", "cde"], headers: headers).bodyBytes(upTo: 10) { count in
                    guard reserved.isEmpty else { throw Refused() }
                    reserved.append(count)
                }
            }
        }
        var reserved: [Int] = []
        _ = try? await self.request(chunks: ["ab"], headers: [.contentLength: "1000000"]).bodyBytes(upTo: 1_000_000) { reserved.append($0) }
        #expect(reserved == [2])
    }

    @Test("refuses half a body")
    func incomplete() async throws {
        let request = self.request(chunks: ["abc"], headers: [.contentLength: "4"])
        let error = await #expect(throws: EnvelopeError.self) { try await request.bodyBytes(upTo: 10) }
        #expect(error?.code == .validationError)
        #expect(error?.details.map(\.field) == ["body"])
    }

    @Test(
        "takes JSON in every spelling",
        arguments: [
            "application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json;charset=\"x;y\"",
            " application/json ;",
            "application/vnd.api+json", "application/problem+JSON; q=1", "application/json\t",
        ]
    )
    func json(contentType: String) {
        #expect(throws: Never.self) { try self.request(chunks: [], headers: [.contentType: contentType]).requireJSON() }
    }

    @Test(
        "takes nothing else for JSON",
        arguments: [
            nil, "", "text/json", "application/jsonp", "application/xml", "json", "application/", "application/+json", "xapplication/json",
            "application/js on", "application/x y+json", "application/json, text/plain", "text/plain; application/json",
            "application/x,application/y+json", "application/json/x", ";application/json",
        ]
    )
    func notJSON(contentType: String?) {
        var headers = HTTPFields()
        headers[.contentType] = contentType
        let error = #expect(throws: EnvelopeError.self) { try self.request(chunks: [], headers: headers).requireJSON() }
        #expect(error?.code == .unsupportedMediaType)
    }
}
