import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import HummingbirdTesting
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// The bytes of images behind their links.
@Suite("Media", .serialized)
struct MediaTests {
    /// An item of one image of that many bytes, completed.
    /// - Returns: the item's id and the path of its portrait.
    private func publish(_ service: TestService, _ image: [UInt8], name: String = "Nova") async throws -> (id: String, path: String) {
        let text = Picture.base64(image)
        let body = TestBody(#"{"name":"\#(name)","image_base64s":\#(Picture.list([text, text, text]))}"#)
        let id = try #require(try await service.send(.post, "/v2/personas", body).string("id"))
        try await service.train()
        let url = try #require(try await service.send(.get, "/v2/personas/\(id)").string("portrait_url"))
        return (id, String(url.dropFirst(TestService.baseURL.count)))
    }

    private static let formats: [(bytes: [UInt8], type: String, file: String)] = [
        (Picture.png(seed: 1), "image/png", "png"), (Picture.jpeg, "image/jpeg", "jpg"), (Picture.webp, "image/webp", "webp"),
        (Picture.gif, "image/gif", "gif"),
    ]

    @Test("are served as what they are, with nothing that a browser could run")
    func headers() async throws {
        try await TestService.run { service in
            for format in Self.formats {
                let (_, path) = try await publish(service, format.bytes, name: format.file)
                for key in [TestService.Key.none, .own, .text("nonsense")] {
                    let answer = try await service.send(.get, path, key: key)
                    #expect(answer.status == 200)
                    #expect(answer.bytes == format.bytes)
                    #expect(answer.headers[.contentType] == format.type)
                    #expect(answer.headers[.contentLength] == String(format.bytes.count))
                    #expect(answer.headers[.xContentTypeOptions] == "nosniff")
                    #expect(answer.headers[.contentSecurityPolicy] == "sandbox; default-src 'none'")
                    #expect(answer.headers[.cacheControl] == "private, max-age=31536000, immutable")
                    #expect(answer.headers[.acceptRanges] == "bytes")
                    #expect(answer.headers[.contentDisposition] == "inline; filename=\"image.\(format.file)\"")
                    #expect(answer.header("Cross-Origin-Resource-Policy") == "cross-origin")
                    #expect(answer.headers[.eTag]?.wholeMatch(of: /"[0-9a-f]+"/) != nil)
                }
            }
        }
    }

    @Test("have half of their digest for a tag, two digits a byte, whatever the bytes are")
    func tags() async throws {
        try await TestService.run { service in
            var tags: Set<String> = []
            for shade in UInt8(1)...8 {
                let (_, path) = try await publish(service, Picture.png(seed: Int(shade)), name: "Shade \(shade)")
                tags.insert(try #require(try await service.send(.get, path, key: .none).headers[.eTag]))
            }
            // Files are named by their digests, the first byte of which is the folder.
            let digests = try await service.mediaFiles().map { Array($0.utf8.filter { $0 != UInt8(ascii: "/") }.prefix(32)) }
            #expect(tags == Set(digests.map { "\"\(String(decoding: $0, as: UTF8.self))\"" }))
            let lowBytes = digests.filter { digits in stride(from: 0, to: 32, by: 2).contains { digits[$0] == UInt8(ascii: "0") } }
            try #require(!lowBytes.isEmpty, "a digest with a byte below 0x10 is among them")
        }
    }

    /// What a `Range` asks for that 1,000 bytes do not have.
    private static let unsatisfiable = ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999-"]

    /// What a `Range` asks for and what is served of 1,000 bytes; nil is the whole.
    private static let ranges: [(header: String, served: Range<Int>?)] = [
        ("bytes=0-0", 0..<1), ("bytes=0-499", 0..<500), ("bytes=500-999", 500..<1_000), ("bytes=999-999", 999..<1_000),
        ("bytes=0-", 0..<1_000),
        ("bytes=990-", 990..<1_000), ("bytes=-1", 999..<1_000), ("bytes=-1000", 0..<1_000), ("bytes=-5000", 0..<1_000),
        ("bytes=0-5000", 0..<1_000),
        ("bytes=0-99999999999999999999", 0..<1_000), ("bytes=-99999999999999999999", 0..<1_000),
        ("bytes=5-4", nil), ("bytes=2000-1999", nil), ("bytes=-", nil), ("bytes=", nil), ("bytes=a-b", nil),
        ("bytes=0-1,5-6", nil), ("bytes=+1-2", nil), ("bytes=1-2-3", nil), ("items=0-1", nil), ("bytes 0-1", nil), ("bytes= 0-1", nil),
        ("bytes=0x1-2", nil), ("", nil),
    ]

    @Test("can be had in parts")
    func ranges() async throws {
        try await TestService.run { service in
            let image = Picture.png(byteCount: 1_000)
            let (_, path) = try await publish(service, image)
            for (header, served) in Self.ranges {
                let answer = try await service.send(.get, path, key: .none, headers: [.range: header])
                #expect(answer.headers[.contentType] == "image/png")
                #expect(answer.headers[.contentSecurityPolicy] == "sandbox; default-src 'none'")
                if let served {
                    #expect(answer.status == 206, "\(header)")
                    #expect(answer.headers[.contentRange] == "bytes \(served.lowerBound)-\(served.upperBound - 1)/1000")
                    #expect(answer.bytes == Array(image[served]), "\(header)")
                } else {
                    #expect(answer.status == 200, "\(header)")
                    #expect(answer.headers[.contentRange] == nil)
                    #expect(answer.bytes == image, "\(header)")
                }
                // Ranges are defined for GET alone.
                let head = try await service.send(.head, path, key: .none, headers: [.range: header])
                #expect(head.status == 200)
                #expect(head.headers[.contentLength] == "1000")
            }
        }
    }

    @Test("that end before the range asked for say so, and how long they are")
    func unsatisfiableRanges() async throws {
        try await TestService.run { service in
            let (_, path) = try await publish(service, Picture.png(byteCount: 1_000))
            for header in Self.unsatisfiable {
                let answer = try await service.send(.get, path, key: .none, headers: [.range: header], isFailureExpected: true)
                answer.expect(416, .rangeNotSatisfiable, "The image ends before the range asked for")
                #expect(answer.headers[.contentRange] == "bytes */1000", "\(header)")
                #expect(try await service.send(.head, path, key: .none, headers: [.range: header]).status == 200)
            }
        }
    }

    @Test("are sent to so many at once and no more; a place is free again when its answer is, however that ended")
    func places() async throws {
        var configuration = HTTPConfiguration()
        configuration.connections.connectionsMax = 4
        try await TestService.run(.live, configuration: configuration) { service in
            let (_, path) = try await publish(service, Picture.png(byteCount: 9_000_000))
            let port = try #require(service.client.port)
            for _ in 0..<3 {
                var readers = try await withThrowingTaskGroup(of: StalledReader.self) { group in
                    for _ in 0..<2 { group.addTask { try await StalledReader(port: port, path: path) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                let refused = try await service.send(.get, path, key: .none, isFailureExpected: true)
                refused.expect(503, .serviceUnavailable, "Too many images are being sent; try again later")
                #expect(refused.header("Retry-After") == "2")
                // A client that needs no bytes needs no place, and calls go on.
                #expect(try await service.send(.head, path, key: .none).status == 200)
                #expect(try await service.send(.get, "/v2/personas").status == 200)
                readers.removeAll()
                try await eventually("a place for another image") {
                    try await service.send(.get, path, key: .none, isFailureExpected: true).status == 200
                }
            }
        }
    }

    @Test("come whole and in parts when they are larger than what is read at a time")
    func large() async throws {
        try await TestService.run(.live) { service in
            let image = Picture.png(byteCount: 700_001)
            let (_, path) = try await publish(service, image)
            #expect(try await service.send(.get, path, key: .none).bytes == image)
            let part = try await service.send(.get, path, key: .none, headers: [.range: "bytes=262100-600000"])
            #expect(part.status == 206)
            #expect(part.bytes == Array(image[262_100...600_000]))
            let head = try await service.send(.head, path, key: .none)
            #expect(head.status == 200)
            #expect(head.headers[.contentLength] == "700001")
        }
    }

    @Test("are not sent again to a client that has them")
    func entityTags() async throws {
        try await TestService.run { service in
            let image = Picture.png(byteCount: 1_000)
            let (_, path) = try await publish(service, image)
            let tag = try #require(try await service.send(.get, path, key: .none).headers[.eTag])
            for known in [tag, "*", "W/\(tag)", "\"x\", \(tag)", "\"x\",\(tag),\"y\""] {
                for method in [HTTPRequest.Method.get, .head] {
                    let answer = try await service.send(method, path, key: .none, headers: [.ifNoneMatch: known, .range: "bytes=0-1"])
                    #expect(answer.status == 304, "\(known)")
                    #expect(answer.headers[.eTag] == tag)
                    #expect(answer.headers[.cacheControl] == "private, max-age=31536000, immutable")
                }
            }
            for unknown in ["\"x\"", "\"\"", String(tag.dropLast()), ""] {
                #expect(try await service.send(.get, path, key: .none, headers: [.ifNoneMatch: unknown]).bytes == image, "\(unknown)")
            }
            #expect(try await service.send(.get, path, key: .none, headers: [.ifRange: tag, .range: "bytes=0-1"]).status == 206)
            let stale = try await service.send(.get, path, key: .none, headers: [.ifRange: "\"x\"", .range: "bytes=0-1"])
            #expect(stale.status == 200 && stale.bytes == image)
        }
    }

    @Test("have links that no client guesses, and each of which is another one")
    func tokens() async throws {
        try await TestService.run { service in
            let (id, path) = try await publish(service, Picture.png(seed: 1))
            let item = try await service.send(.get, "/v2/personas/\(id)")
            let links = try [#require(item.string("portrait_url"))] + #require(item.object?["reference"] as? [String])
            #expect(Set(links).count == 4)
            let token = String(path.dropFirst("/media/".count))
            #expect(token.wholeMatch(of: /[0-9a-f]{32}/) != nil)
            for wrong in [
                String(token.dropLast()), token + "0", token.uppercased() + "A", String(token.reversed()), "\(token)/", "\(token).png",
                "\(token)%00.html", "..%2Fpersonas.sqlite", "..", ".", "%2e%2e%2f", String(repeating: "0", count: 32), id,
                "+\(token.dropFirst())",
            ] where wrong != "\(token)/" {
                try await service.send(.get, "/media/\(wrong)", key: .none).expect(404, .notFound, "Not found")
            }
            try await service.send(.get, "/media", key: .none).expect(404, .notFound, "Not found")
            try await service.send(.get, "/media/incoming/\(token)", key: .none).expect(404, .notFound, "Not found")
        }
    }

    @Test("are not shown by an item before it is completed, while its worker has their links")
    func beforeCompletion() async throws {
        try await TestService.run { service in
            let worker = try await service.newKey(account: "worker", scopes: [.trainer])
            let id = try await service.create(.persona, "Nova")
            let job = try await service.send(.post, "/v2/training/lease", key: worker)
            let links = try #require(job.object?["reference"] as? [String])
            for path in ["/v2/personas/\(id)", "/v2/pikzonality/\(id)", "/v2/personas", "/v2/pikzonality"] {
                let shown = try await service.send(.get, path).text
                #expect(!shown.contains("/media/"))
                for link in links { #expect(!shown.contains(link.suffix(32))) }
            }
            for (index, link) in links.enumerated() {
                let image = try await service.send(.get, String(link.dropFirst(TestService.baseURL.count)), key: .none)
                #expect(image.bytes == Picture.png(seed: index + 1))
            }
        }
    }

    @Test("stop working for all of an account when it goes")
    func accountDeleted() async throws {
        try await TestService.run { service in
            let (_, path) = try await publish(service, Picture.png(seed: 1))
            _ = try await service.administration.perform(DeleteAccount(name: "studio"))
            try await service.send(.get, path, key: .none).expect(404, .notFound, "Not found")
        }
    }

    @Test("whose file is lost are 404, and nothing of the folder is told")
    func lostFile() async throws {
        try await TestService.run { service in
            let (_, path) = try await publish(service, Picture.png(seed: 1))
            for file in try await service.mediaFiles() { try await service.data.removeMediaFile(file) }
            try await service.send(.get, path, key: .none).expect(404, .notFound, "Not found")
        }
    }
}
