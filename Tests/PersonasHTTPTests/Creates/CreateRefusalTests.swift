import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasDB
import TestImages
import Testing

/// What a create refuses, what it says of it, and that nothing is left behind.
@Suite("A refused create", .serialized)
struct CreateRefusalTests {
    private typealias Violations = [(field: String, message: String)]

    private static let images = #""image_base64s":\#(Picture.base64List)"#
    private static let noImages = ("image_urls", "Provide image_urls or image_base64s with exactly 3 images")
    private static let both = ("image_urls", "Provide either image_urls or image_base64s, not both")
    private static let https = "must be an https URL without white space"
    private static let letters = ("name", "name may hold only the letters A-Z and a-z, digits, spaces, hyphens and underscores")

    private static let names: [(String, Violations)] = [
        ("null", [("name", "name is required")]), ("5", [("name", "name must be a string")]), ("true", [("name", "name must be a string")]),
        ("[]", [("name", "name must be a string")]), (#"["Nova"]"#, [("name", "name must be a string")]),
        ("{}", [("name", "name must be a string")]), (#""""#, [("name", "name must not be empty")]),
        (#"" \t\n ""#, [("name", "name must not be empty")]),
        (#""ABCDEFGHIJKLMNOPQRSTUVWXYZ""#, [("name", "name must be at most 25 characters long")]),
        ("\"\(String(repeating: "a ", count: 100_000))\"", [("name", "name must be at most 25 characters long")]),
        (#""Nova!""#, [letters]), (#""Zoë""#, [letters]), (#""a\u0000b""#, [letters]), (#""a\u001bb""#, [letters]),
        (#""a\u007f""#, [letters]),
        (#""a\u200bb""#, [letters]), (#""../a""#, [letters]), (#""🙂""#, [letters]), (#""a\u0301""#, [letters]), (#""Ｎova""#, [letters]),
    ]

    private static let instructions: [(String, Violations)] = [
        ("5", [("special_instructions", "special_instructions must be a string")]),
        ("[]", [("special_instructions", "special_instructions must be a string")]),
        ("false", [("special_instructions", "special_instructions must be a string")]),
        (
            "\"\(String(repeating: "x", count: 301))\"",
            [("special_instructions", "special_instructions must be at most 300 characters long")]
        ),
        (
            "\"\(String(repeating: "🙂", count: 301))\"",
            [("special_instructions", "special_instructions must be at most 300 characters long")]
        ),
        (#""a\u0000""#, [("special_instructions", "special_instructions must not hold control characters")]),
        (#""\u001b[31mred""#, [("special_instructions", "special_instructions must not hold control characters")]),
    ]

    private static let imageMembers: [(String, Violations)] = [
        (#""x":1"#, [noImages]), (#""image_urls":null"#, [noImages]), (#""image_base64s":null"#, [noImages]),
        (#""image_urls":null,"image_base64s":null"#, [noImages]),
        (#""image_urls":"https://a.test/1""#, [("image_urls", "image_urls must be an array of strings")]),
        (#""image_urls":{"0":"https://a.test/1"}"#, [("image_urls", "image_urls must be an array of strings")]),
        (#""image_urls":["https://a.test/1",null,"https://a.test/3"]"#, [("image_urls", "image_urls must be an array of strings")]),
        (
            #""image_urls":[["https://a.test/1"],"https://a.test/2","https://a.test/3"]"#,
            [("image_urls", "image_urls must be an array of strings")]
        ),
        (#""image_urls":[]"#, [("image_urls", "image_urls must hold exactly 3 images")]),
        (#""image_urls":["https://a.test/1","https://a.test/2"]"#, [("image_urls", "image_urls must hold exactly 3 images")]),
        (
            #""image_urls":["https://a.test/1","https://a.test/2","https://a.test/3","https://a.test/4"]"#,
            [("image_urls", "image_urls must hold exactly 3 images")]
        ),
        (
            #""image_urls":["ftp://a.test/1","https://","https://a.test/3 "]"#,
            [("image_urls", "image_urls[0] \(https)"), ("image_urls", "image_urls[1] \(https)"), ("image_urls", "image_urls[2] \(https)")]
        ),
        (
            #""image_urls":["","HTTPS://a.test/2","https://a.test/\u20283","x"]"#,
            [
                ("image_urls", "image_urls must hold exactly 3 images"), ("image_urls", "image_urls[0] \(https)"),
                ("image_urls", "image_urls[1] \(https)"), ("image_urls", "image_urls[2] \(https)"),
            ]
        ),
        (
            "\"image_urls\":[\"https://a.test/1\",\"https://a.test/\(String(repeating: "x", count: 8_178))\",\"https://a.test/3\"]",
            [("image_urls", "image_urls[1] must be at most 8192 characters long")]
        ),
        (#""image_base64s":"AAAA""#, [("image_base64s", "image_base64s must be an array of strings")]),
        (#""image_base64s":["AAAA",5,"AAAA"]"#, [("image_base64s", "image_base64s must be an array of strings")]),
        (#""image_base64s":[]"#, [("image_base64s", "image_base64s must hold exactly 3 images")]),
        (#""image_base64s":["AAAA","AAAA"]"#, [("image_base64s", "image_base64s must hold exactly 3 images")]),
        (#""image_base64s":["AAAA","AAAA","AAAA","AAAA"]"#, [("image_base64s", "image_base64s must hold exactly 3 images")]),
        (#"\#(images),"image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]"#, [both]),
        (#"\#(images),"image_urls":[]"#, [both]),
        (#""image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"],"image_base64s":[]"#, [both]),
        (#""image_urls":[],"image_base64s":[]"#, [both]), (#""image_urls":5,"image_base64s":[]"#, [both]),
        (#"\#(images),"image_urls":{}"#, [both]),
        (#""image_urls":"x","image_base64s":"x""#, [both]),
    ]

    @Test("names what is wrong with a member", arguments: Mount.all)
    func members(mount: Mount) async throws {
        var rows = Self.names.map { (#"{"name":\#($0.0),\#(Self.images)}"#, $0.1) }
        rows += Self.instructions.map { (#"{"name":"Nova","special_instructions":\#($0.0),\#(Self.images)}"#, $0.1) }
        rows += Self.imageMembers.map { (#"{"name":"Nova",\#($0.0)}"#, $0.1) }
        rows.append(("{}", [("name", "name is required"), Self.noImages]))
        try await TestService.run { [rows] service in
            try await service.withoutTrace {
                for (body, violations) in rows {
                    try await service.send(.post, mount.creation, TestBody(body)).expectViolations(violations)
                }
            }
        }
    }

    @Test("names everything that is wrong at once", arguments: Mount.all)
    func everythingAtOnce(mount: Mount) async throws {
        try await TestService.run { service in
            try await service.withoutTrace {
                let body: TestBody = #"{"image_urls":["https://a.test/1","x"],"special_instructions":7,"name":"Nova?"}"#
                try await service.send(.post, mount.creation, body).expectViolations([
                    Self.letters, ("special_instructions", "special_instructions must be a string"),
                    ("image_urls", "image_urls must hold exactly 3 images"), ("image_urls", "image_urls[1] \(Self.https)"),
                ])
            }
        }
    }

    @Test("checks form, then blocked terms, then reserved names, then names that exist, then images", arguments: Mount.all)
    func order(mount: Mount) async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(BlockTerms(["forbidden"]))
            let existing = try await service.create(mount.mode, "Taken Later")
            _ = try await service.administration.perform(ReserveNames(["Forbidden", "Reserved", "Taken Later"]))
            try await service.create(mount.mode, "Taken")
            let urls = #""image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]"#
            let taken = "A \(mount.mode) with this name already exists"
            func create(_ members: String) async throws -> Answer {
                try await service.send(.post, mount.creation, TestBody("{\(members),\(urls)}"))
            }
            try await service.withoutTrace {
                try await create(#""name":"Forbidden","special_instructions":5"#)
                    .expectViolations([("special_instructions", "special_instructions must be a string")])
                for members in [#""name":"Forbidden""#, #""name":"un-FORBIDDEN ly""#] {
                    let reason = "name holds a blocked term"
                    try await create(members)
                        .expect(
                            400, .contentPolicy, "The request breaks the content policy: \(reason)", details: Self.detail("name", reason))
                }
                let reason = "special_instructions holds a blocked term"
                try await create(#""name":"Reserved","special_instructions":"It is forbidden!""#)
                    .expect(
                        400, .contentPolicy, "The request breaks the content policy: \(reason)",
                        details: Self.detail("special_instructions", reason))
                for name in ["Reserved", "RESERVED", " reserved ", "Taken Later"] {
                    try await create(#""name":"\#(name)""#)
                        .expect(409, .nameReserved, "This name is reserved", details: Self.detail("name", "This name is reserved"))
                }
                try await create(#""name":"TAKEN""#)
                    .expect(409, .nameAlreadyExists, taken, details: #"{"field":"name","message":"\#(taken)","id":"<id 1>"}"#)
            }
            let before = try await service.footprint()
            try await create(#""name":"Free""#).expect(
                400, .invalidImage, Self.message("image_urls", 0...2, "could not be fetched"),
                details: Self.details("image_urls", 0...2, .invalidImage, "could not be fetched"))
            let after = try await service.footprint()
            #expect(after.items == before.items && after.files == before.files)
            #expect(after.fetched == (1...3).map { "https://a.test/\($0)" })
            // An item that had the name before it was reserved keeps it.
            #expect(try await service.send(.get, mount.item(existing)).string("name") == "Taken Later")
        }
    }

    @Test("names every bad image, and stores none of the good ones")
    func badBase64() async throws {
        let good = Picture.base64(Picture.png(seed: 1))
        let png = Picture.png(seed: 2)
        let rows: [(String, String)] = [
            ("", "is not a JPEG, PNG, WebP or GIF image"), ("AAAA", "is not a JPEG, PNG, WebP or GIF image"),
            ("AAA", "is not valid base64"),
            ("====", "is not a JPEG, PNG, WebP or GIF image"), ("%%%%", "is not valid base64"), (#"\u0000AAA"#, "is not valid base64"),
            ("zażółć", "is not valid base64"),
            ("data:image/png;base64", "is not a base64 data URL"), ("data:image/png,\(good)", "is not a base64 data URL"),
            ("data:image/svg+xml;base64,PHN2Zy8+", "is not a JPEG, PNG, WebP or GIF image"),
            (String(good.dropLast()), "is not valid base64"),
            (Picture.base64(Array(png.dropLast())), "is truncated"), (Picture.base64(Array(png.prefix(40))), "is truncated"),
            (Picture.base64(Array(Picture.jpeg.dropLast(2))), "is truncated"),
        ]
        try await TestService.run { service in
            try await service.withoutTrace {
                for (index, row) in rows.enumerated() {
                    let position = index % 3
                    var images = [good, good, good]
                    for later in position...2 { images[later] = row.0 }
                    let answer = try await service.send(
                        .post, "/v2/personas", TestBody(#"{"name":"Nova","image_base64s":\#(Picture.list(images))}"#))
                    let message = Self.message("image_base64s", position...2, row.1)
                    answer.expect(
                        400, .invalidImage, message, details: Self.details("image_base64s", position...2, .invalidImage, row.1))
                }
            }
        }
    }

    @Test("names every image that a URL does not give", arguments: Mount.all)
    func badURLs(mount: Mount) async throws {
        try await TestService.run { service in
            let good = "https://a.test/good"
            service.fetcher.serve(good, Picture.png(seed: 1))
            service.fetcher.serve("https://a.test/html", Array("<html>".utf8))
            service.fetcher.serve("https://a.test/cut", Array(Picture.jpeg.dropLast(5)))
            service.fetcher.serve("https://a.test/huge", [UInt8](repeating: 0xff, count: Limits.imageBytesMax + 1))
            service.fetcher.refuse("https://a.test/larger", .tooLarge)
            service.fetcher.refuse("https://a.test/inside", .unavailable(reason: "cannot be fetched from this address"))
            let rows: [(String, ErrorCode, String)] = [
                ("html", .invalidImage, "is not a JPEG, PNG, WebP or GIF image"), ("cut", .invalidImage, "is truncated"),
                ("inside", .invalidImage, "cannot be fetched from this address"), ("larger", .imageTooLarge, "is larger than 10 MB"),
                ("huge", .imageTooLarge, "is larger than 10 MB"), ("missing", .invalidImage, "could not be fetched"),
            ]
            let before = try await service.footprint()
            for (index, row) in rows.enumerated() {
                let position = index % 3
                var urls = [good, good, good]
                for later in position...2 { urls[later] = "https://a.test/\(row.0)" }
                let body = TestBody(#"{"name":"Nova","image_urls":\#(Picture.list(urls))}"#)
                let message = Self.message("image_urls", position...2, row.2)
                try await service.send(.post, mount.creation, body)
                    .expect(row.1.status, row.1, message, details: Self.details("image_urls", position...2, row.1, row.2))
            }
            let after = try await service.footprint()
            #expect(after.items == before.items && after.files == before.files)
            // The name is still free.
            #expect(try await service.send(.post, mount.creation, .create("Nova")).status == (mount.isTyped ? 201 : 200))
        }
    }

    @Test("an image of 10 MiB is taken, one byte more is 413 with its position")
    func largestImage() async throws {
        try await TestService.run { service in
            let small = Picture.base64(Picture.png(seed: 1))
            let larger = Picture.base64(Picture.png(byteCount: Limits.imageBytesMax + 1))
            let message = "image_base64s[1] is larger than 10 MB"
            try await service.withoutTrace {
                let list = Picture.list([small, larger, small])
                try await service.send(.post, "/v2/pikzonality/persona", TestBody(#"{"name":"Nova","image_base64s":\#(list)}"#))
                    .expect(
                        413, .imageTooLarge, message, details: Self.details("image_base64s", 1...1, .imageTooLarge, "is larger than 10 MB"))
            }
            let list = Picture.list([small, Picture.base64(Picture.png(byteCount: Limits.imageBytesMax)), small])
            #expect(try await service.send(.post, "/v2/personas", TestBody(#"{"name":"Nova","image_base64s":\#(list)}"#)).status == 201)
        }
    }

    @Test("takes the status from the first bad image, whatever is wrong with the others", arguments: Mount.all)
    func differentFaults(mount: Mount) async throws {
        try await TestService.run { service in
            service.fetcher.serve("https://a.test/cut", Array(Picture.jpeg.dropLast(5)))
            service.fetcher.refuse("https://a.test/larger", .tooLarge)
            service.fetcher.serve("https://a.test/good", Picture.png(seed: 1))
            let cut = (ErrorCode.invalidImage, "is truncated")
            let larger = (ErrorCode.imageTooLarge, "is larger than 10 MB")
            func create(_ names: [String]) async throws -> Answer {
                let urls = Picture.list(names.map { "https://a.test/\($0)" })
                return try await service.send(.post, mount.creation, TestBody(#"{"name":"Nova","image_urls":\#(urls)}"#))
            }
            func details(_ faults: [(Int, (ErrorCode, String))]) -> String {
                faults.map { Self.details("image_urls", $0.0...$0.0, $0.1.0, $0.1.1) }.joined(separator: ",")
            }
            try await create(["cut", "good", "larger"]).expect(
                400, .invalidImage, "image_urls[0] is truncated; image_urls[2] is larger than 10 MB",
                details: details([(0, cut), (2, larger)]))
            try await create(["good", "larger", "cut"]).expect(
                413, .imageTooLarge, "image_urls[1] is larger than 10 MB; image_urls[2] is truncated",
                details: details([(1, larger), (2, cut)]))
            // One that was not looked at says nothing of itself, and hides nothing.
            service.fetcher.refuse("https://a.test/waiting", .refused(.tooManyRequests(.downloads, retryAfterSeconds: 1)))
            try await create(["waiting", "good", "cut"]).expect(
                400, .invalidImage, "image_urls[2] is truncated", details: details([(2, cut)]))
            #expect(try await create(["waiting", "good", "good"]).status == 429)
            #expect(try await service.footprint().items.isEmpty)
        }
    }

    /// The same of each of several images.
    private static func message(_ field: String, _ positions: ClosedRange<Int>, _ reason: String) -> String {
        positions.map { "\(field)[\($0)] \(reason)" }.joined(separator: "; ")
    }

    /// What is said of each of several images.
    private static func details(_ field: String, _ positions: ClosedRange<Int>, _ code: ErrorCode, _ reason: String) -> String {
        positions.map { #"{"field":"\#(field)","message":"\#(field)[\#($0)] \#(reason)","index":\#($0),"code":"\#(code.rawValue)"}"# }
            .joined(separator: ",")
    }

    private static func detail(_ field: String, _ message: String) -> String { #"{"field":"\#(field)","message":"\#(message)"}"# }
}
