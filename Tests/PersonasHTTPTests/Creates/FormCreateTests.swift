import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasDB
import PersonasHTTP
import TestImages
import TestSupport
import Testing

extension TestService {
    /// Sends a form.
    @discardableResult
    func send(
        _ form: MultipartForm, to target: String, method: HTTPRequest.Method = .post, headers: HTTPFields = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        var headers = headers
        headers[.contentType] = form.contentType
        return try await send(method, target, TestBody(bytes: form.bytes), headers: headers, sourceLocation: sourceLocation)
    }
}

/// Creates that are sent as forms with files.
@Suite("Creating with files", .serialized)
struct FormCreateTests {
    private static func form(_ name: String, images: [[UInt8]] = Picture.three(), boundary: String? = nil) -> MultipartForm {
        MultipartForm([("name", name)], images: images, boundary: boundary)
    }

    private static func details(_ faults: [(index: Int, code: ErrorCode, reason: String)]) -> String {
        faults.map {
            #"{"field":"image","message":"image[\#($0.index)] \#($0.reason)","index":\#($0.index),"code":"\#($0.code.rawValue)"}"#
        }
        .joined(separator: ",")
    }

    private static let tooLarge = "is larger than 10 MB"
    private static let count = ("image", "image must be given exactly 3 times, each time with one image")

    @Test("answers as a create with JSON does, and keeps the images as they came", arguments: Mount.all)
    func create(mount: Mount) async throws {
        try await TestService.run { service in
            let images = [Picture.jpeg, Picture.png(seed: 3), Picture.webp]
            let form = MultipartForm([("name", " Nova "), ("special_instructions", "Warm \"smile\" é")], images: images)
            let answer = try await service.send(form, to: mount.creation)
            let id = try #require(answer.string("id"))
            let instructions = #""Warm \"smile\" é""#
            if mount.isTyped {
                answer.expect(201, mount.processing("Nova", instructions: instructions, suffix: #","request_id":"<request>""#))
                #expect(answer.headers[.location] == "\(TestService.baseURL)\(mount.items)/\(id)")
            } else {
                answer.expect(200, #"{"id":"<id 1>","request_id":"<request>"}"#)
            }
            try await service.train()
            let item = try await service.send(.get, mount.item(id))
            item.expect(200, mount.completed("Nova", instructions: instructions))
            for (url, image) in zip(try #require(item.object?["reference"] as? [String]), images) {
                #expect(try await service.send(.get, String(url.dropFirst(TestService.baseURL.count)), key: .none).bytes == image)
            }
        }
    }

    @Test("names everything that is wrong with it at once, and leaves no trace", arguments: Mount.all)
    func violations(mount: Mount) async throws {
        try await TestService.run { service in
            try await service.withoutTrace {
                try await service.send(MultipartForm(), to: mount.creation).expectViolations([("name", "name is required"), Self.count])
                let odd = MultipartForm([("special_instructions", "\u{1}"), ("name", "a"), ("name", "b")], images: [Picture.png()])
                try await service.send(odd, to: mount.creation).expectViolations([
                    ("name", "name must be given only once"),
                    ("special_instructions", "special_instructions must not hold control characters"), Self.count,
                ])
                try await service.send(Self.form("Nova", images: Picture.three() + Picture.three()), to: mount.creation)
                    .expectViolations([Self.count])
                // The form is looked at before its images, even where those are too large.
                let large = Array(repeating: [UInt8](repeating: 1, count: Limits.imageBytesMax + 1), count: 3)
                try await service.send(Self.form("", images: large), to: mount.creation)
                    .expectViolations([("name", "name must not be empty")])
            }
        }
    }

    @Test("names every bad image, and takes the status from the first", arguments: Mount.all)
    func badImages(mount: Mount) async throws {
        try await TestService.run { service in
            let good = Picture.png(seed: 1)
            let large = [UInt8](repeating: 0xFF, count: Limits.imageBytesMax + 1)
            let cut = Array(Picture.jpeg.dropLast(2))
            let text = "is not a JPEG, PNG, WebP or GIF image"
            try await service.withoutTrace {
                try await service.send(Self.form("Nova", images: [cut, good, large]), to: mount.creation).expect(
                    400, .invalidImage, "image[0] is truncated; image[2] \(Self.tooLarge)",
                    details: Self.details([(0, .invalidImage, "is truncated"), (2, .imageTooLarge, Self.tooLarge)]))
                try await service.send(Self.form("Nova", images: [good, large, []]), to: mount.creation).expect(
                    413, .imageTooLarge, "image[1] \(Self.tooLarge); image[2] \(text)",
                    details: Self.details([(1, .imageTooLarge, Self.tooLarge), (2, .invalidImage, text)]))
                try await service.send(Self.form("Nova", images: [large, large, large]), to: mount.creation).expect(
                    413, .imageTooLarge, (0...2).map { "image[\($0)] \(Self.tooLarge)" }.joined(separator: "; "),
                    details: Self.details((0...2).map { ($0, .imageTooLarge, Self.tooLarge) }))
            }
            let largest = Picture.png(byteCount: Limits.imageBytesMax)
            #expect(
                try await service.send(Self.form("Nova", images: [good, largest, good]), to: mount.creation).status
                    == (mount.isTyped ? 201 : 200))
        }
    }

    @Test("checks form, blocked terms, names and images in the order of JSON")
    func order() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(BlockTerms(["forbidden"]))
            _ = try await service.administration.perform(ReserveNames(["Reserved"]))
            try await service.create(.persona, "Taken")
            try await service.withoutTrace {
                let bad = Array(repeating: Array("no image".utf8), count: 3)
                for (name, status) in [("Forbidden", 400), ("Reserved", 409), ("taken", 409), ("Free", 400)] {
                    let answer = try await service.send(Self.form(name, images: bad), to: "/v2/personas")
                    #expect(answer.status == status, "\(answer.text)")
                    let code: ErrorCode =
                        ["Forbidden": .contentPolicy, "Reserved": .nameReserved, "taken": .nameAlreadyExists][name] ?? .invalidImage
                    #expect(try answer.envelope.error.code == code)
                }
            }
        }
    }

    @Test("that is no form by RFC 7578 is refused as a whole")
    func malformed() async throws {
        try await TestService.run { service in
            func send(_ body: String, type: String = "multipart/form-data; boundary=b") async throws -> Answer {
                try await service.send(.post, "/v2/personas", TestBody(body), headers: [.contentType: type])
            }
            try await service.withoutTrace {
                let whole = Self.form("Nova", boundary: "b").bytes
                let cut = TestBody(bytes: Array(whole.dropLast(6)))
                try await service.send(.post, "/v2/personas", cut, headers: [.contentType: "multipart/form-data; boundary=b"])
                    .expectViolations([("body", "the body ends before its closing boundary")])
                try await send(#"{"name":"Nova"}"#)
                    .expectViolations([("body", "the body does not begin with the boundary that Content-Type names")])
                try await send("").expectViolations([("body", "the body does not begin with the boundary that Content-Type names")])
                try await send("--b\r\nX: y\r\n\r\n\r\n--b--").expectViolations([
                    ("body", "the body has a part that is no field with a name")
                ])
                for type in ["multipart/form-data", "multipart/form-data; boundary=b; boundary=b", "multipart/form-data; boundary=é"] {
                    try await send("--b--", type: type).expectViolations([
                        ("Content-Type", "Content-Type must name one boundary of 1 to 70 characters that RFC 2046 allows")
                    ])
                }
                #expect(try await send("--b--", type: "multipart/mixed; boundary=b").status == 415)
            }
        }
    }

    @Test("is taken on creates alone")
    func otherCalls() async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            let message = "The request body must be JSON, with Content-Type: application/json"
            try await service.withoutTrace {
                for path in ["/v2/personas/\(id)", "/v2/pikzonality/\(id)"] {
                    try await service.send(Self.form("Other"), to: path, method: .patch).expect(415, .unsupportedMediaType, message)
                }
            }
        }
    }

    @Test("under an idempotency key is the same however it is written, and another when it says anything else")
    func idempotency() async throws {
        try await TestService.run { service in
            let key: HTTPFields = [HTTPField.Name("Idempotency-Key")!: "k"]
            let images = Picture.three()
            func send(_ form: MultipartForm) async throws -> Answer { try await service.send(form, to: "/v2/personas", headers: key) }
            let fields: [(name: String, value: String)] = [("name", "Nova"), ("special_instructions", "x"), ("other", "1")]
            let first = try await send(MultipartForm(fields, images: images))
            #expect(first.status == 201)
            var reordered = MultipartForm(boundary: "another")
            for (index, image) in images.enumerated() {
                reordered.add("name=image; filename=\(index)", header: "Content-Type: application/octet-stream\r\n", content: image)
                reordered.add(fields[2 - index].name, fields[2 - index].value)
            }
            let others: [MultipartForm] = [
                MultipartForm(fields, images: images.reversed()), MultipartForm(fields, images: [images[0], images[1], images[1]]),
                MultipartForm([fields[0], fields[1]], images: images),
                MultipartForm([("name", "nova"), fields[1], fields[2]], images: images),
                MultipartForm(fields + [("other", "1")], images: images), MultipartForm(fields, images: images + [images[0]]),
                MultipartForm([("name", "Nova"), ("special_instructions", "1"), ("other", "x")], images: images),
            ]
            let before = try await service.footprint()
            for same in [MultipartForm(fields, images: images, boundary: "b"), reordered] {
                let again = try await send(same)
                #expect(again.bytes == first.bytes)
            }
            for other in others {
                let answer = try await send(other)
                #expect(answer.status == 422)
            }
            let list = Picture.list(images.map(Picture.base64))
            let json = TestBody(#"{"name":"Nova","special_instructions":"x","other":"1","image_base64s":\#(list)}"#)
            #expect(try await service.send(.post, "/v2/personas", json, headers: key).status == 422)
            #expect(try await service.footprint() == before)
        }
    }

    @Test("tells images apart under an idempotency key even where they are too large to be kept")
    func largeImagesUnderKey() async throws {
        try await TestService.run { service in
            let key: HTTPFields = [HTTPField.Name("Idempotency-Key")!: "k"]
            func send(_ byte: UInt8) async throws -> Answer {
                let large = [UInt8](repeating: byte, count: Limits.imageBytesMax + 1)
                return try await service.send(Self.form("Nova", images: [large, large, large]), to: "/v2/personas", headers: key)
            }
            let first = try await send(1)
            #expect(first.status == 413)
            let again = try await send(1)
            #expect(again.status == 413 && again.header("Idempotent-Replayed") == "true")
            #expect(try again.envelope.error.details == first.envelope.error.details)
            #expect(try await send(2).status == 422)
        }
    }
}
