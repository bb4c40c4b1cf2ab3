import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// Creates with files, sent to the built service as browsers and curl send them.
@Suite("Forms with files", .timeLimit(.minutes(10)))
struct FormEndToEndTests {
    private static func send(_ form: MultipartForm, to target: String, by client: Client) async throws -> ClientAnswer {
        try await client.send(.POST, target, headers: [("Content-Type", form.contentType)], body: form.bytes)
    }

    @Test("Three of the largest images are taken, trained, and served as they were sent")
    func largest() async throws {
        try await Stage.run { stage in
            let client = try await stage.serve().client(try await stage.key())
            let created = try await Self.send(
                MultipartForm([("name", "Largest"), ("special_instructions", "é")], images: Picture.largest), to: "/v2/personas", by: client
            )
            try #require(created.status == 201, "\(created.text)")
            let item = try await client.trained(try created.id)
            #expect(item["status"] == "completed" && item["special_instructions"] == "é")
            for (url, image) in zip(try #require(item["reference"]?.array), Picture.largest) {
                #expect(try await client.get(try #require(url.string)).body == image)
            }
        }
    }

    @Test("Everything that is wrong is told at once, and nothing of it is kept")
    func refused() async throws {
        try await Stage.run { stage in
            let client = try await stage.serve().client(try await stage.key())
            let images = [Array(Picture.jpeg.dropLast(2)), Picture.png(), Picture.png(byteCount: 10_485_761)]
            let form = MultipartForm([("name", "Nova")], images: images)
            for target in ["/v2/styles", "/v2/styles?validate_only=true"] {
                let answer = try await Self.send(form, to: target, by: client)
                #expect(answer.status == 400 && answer.code == "INVALID_IMAGE")
                let details = try #require(answer.json["error"]?["details"]?.array)
                #expect(details.map { $0["index"] } == [0, 2])
                #expect(details.compactMap { $0["code"]?.string } == ["INVALID_IMAGE", "IMAGE_TOO_LARGE"])
            }
            let checked = try await Self.send(
                MultipartForm([("name", "Nova")], images: Picture.three()), to: "/v2/styles?validate_only=true", by: client)
            #expect(checked.status == 200 && checked.json["valid"] == true)
            #expect(try await client.all("/v2/styles").isEmpty)
            let media = try FileManager.default.subpathsOfDirectory(atPath: "\(stage.data)/media")
            #expect(!media.contains { FileManager.default.contents(atPath: "\(stage.data)/media/\($0)") != nil })
        }
    }
}
