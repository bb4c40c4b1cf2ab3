import Personas
import PersonasWire
import TestImages
import TestSupport
import Testing

/// What becomes of a form's parts, and what is held of them while they arrive.
@Suite("A create as a form")
struct CreateFormTests {
    /// Takes a form in by pieces of 64 KB, and tells after each what is held.
    private static func read(
        _ form: MultipartForm, holding memory: MemoryReservation = .unlimited(), _ look: (Int) -> Void = { _ in }
    ) throws(Failure) -> CreateDraft {
        let bytes = form.bytes
        guard let boundary = MultipartBoundary(Array(form.boundary.utf8)) else { throw .unexpected("no boundary") }
        var parser = MultipartParser(boundary: boundary)
        var create = CreateForm(holding: memory, bodyBytesMax: bytes.count)
        for start in stride(from: 0, to: bytes.count, by: 65_536) {
            let piece = bytes[start..<min(start + 65_536, bytes.count)]
            try piece.withUnsafeBufferPointer { (buffer) throws(Failure) in try parser.take(UnsafeRawBufferPointer(buffer), into: &create) }
            look(memory.heldBytes)
        }
        try parser.finish()
        return try create.draft()
    }

    private static func checked(_ form: MultipartForm) throws -> CheckedDraft { try read(form).checked(acceptingPlainHTTP: false) }

    private static func violations(of form: MultipartForm) -> [String] {
        do throws(Failure) {
            _ = try read(form).checked(acceptingPlainHTTP: false)
            return []
        } catch .invalid(let violations) {
            return violations.map { $0.message(naming: \.plainName) }
        } catch {
            return ["\(error)"]
        }
    }

    @Test("says what the same members of a JSON object say")
    func fields() throws {
        let images = Picture.three()
        let form = MultipartForm(
            [("special_instructions", "a\"b\\c\té🙂"), ("ignored", "1"), ("name", "  Nova  Prime "), ("image_urls", "[]")], images: images)
        let checked = try Self.checked(form)
        #expect(checked.details.name.text == "Nova Prime")
        #expect(checked.details.specialInstructions == "a\"b\\c\té🙂")
        #expect(checked.images.field == .imageFiles)
        let taken = checked.images.sources.compactMap { source in
            if case .file(let file) = source { file.take() } else { nil }
        }
        #expect(taken == images)
        #expect(
            try Self.checked(MultipartForm([("name", "Nova"), ("special_instructions", "")], images: images)).details.specialInstructions
                == nil)
    }

    @Test("names everything that is wrong at once, by the rules of JSON")
    func violations() {
        let count = "image must be given exactly 3 times, each time with one image"
        #expect(Self.violations(of: MultipartForm()) == ["name is required", count])
        for number in [1, 2, 4, 9] {
            let form = MultipartForm([("name", "Nova")], images: Array(repeating: Picture.png(), count: number))
            #expect(Self.violations(of: form) == [count])
        }
        var form = MultipartForm(
            [("name", "Nova"), ("special_instructions", String(repeating: "x", count: 301)), ("name", "Nova")], images: [])
        #expect(
            Self.violations(of: form) == [
                "name must be given only once", "special_instructions must be at most 300 characters long", count,
            ])
        form = MultipartForm([("special_instructions", String(repeating: "x", count: 131_073))], images: Picture.three())
        form.add("name=\"name\"", content: [0x4E, 0xFF])
        #expect(Self.violations(of: form) == ["name must be UTF-8", "special_instructions must be at most 131072 bytes long"])
    }

    @Test("takes metadata for the JSON of one object, which reaches no other member")
    func metadata() throws {
        for (json, isObject) in [
            (#"{"a":"b"}"#, true), (" {} ", true), ("", false), ("7", false), ("null", false), ("[]", false), (#"{"a":"b""#, false),
            ("{}{}", false),
            (#"{},"name":"Other""#, false), (#"{}},"x":{"y":{}"#, false), (#""a":{}"#, false), (#"{},"":{}"#, false),
            (String(repeating: "{\"a\":", count: 40) + "1" + String(repeating: "}", count: 40), false),
        ] {
            let form = MultipartForm([("metadata", json), ("name", "Nova")], images: Picture.three())
            let draft = try Self.read(form)
            guard case .value(let name) = draft.details.name else {
                Issue.record("the name is lost with \(json)")
                continue
            }
            #expect(name == "Nova")
            let member = try Self.member("metadata", of: form)
            guard case .malformed(let rule) = member else {
                Issue.record("\(json) is taken for a text")
                continue
            }
            #expect(rule == (isObject ? "must be a string" : "must be a JSON object"), "\(json)")
        }
    }

    /// A member as whoever reads texts gets to see it.
    private static func member(_ name: String, of form: MultipartForm) throws -> JSONField<String> {
        let bytes = form.bytes
        var parser = MultipartParser(boundary: try #require(MultipartBoundary(Array(form.boundary.utf8))))
        var create = CreateForm(holding: .unlimited(), bodyBytesMax: bytes.count)
        try bytes.withUnsafeBytes { try parser.take($0, into: &create) }
        return try create.members().string(name)
    }

    @Test("holds the images as they come, and nothing of one that is too large")
    func memory() throws {
        let memory = MemoryReservation.unlimited()
        let images = [Picture.png(byteCount: 300_000), Picture.png(byteCount: Limits.imageBytesMax + 1), Picture.png(byteCount: 200_000)]
        var held: [Int] = []
        let form = MultipartForm([("ignored", String(repeating: "x", count: 500_000)), ("name", "Nova")], images: images)
        let draft = try Self.read(form, holding: memory) { held.append($0) }
        #expect(held.allSatisfy { $0 <= 300_004 + Limits.imageBytesMax })
        #expect(held.max() ?? 0 > Limits.imageBytesMax)
        #expect(memory.heldBytes == 500_004)
        let sources = try draft.checked(acceptingPlainHTTP: false).images.sources
        guard case .file = sources[0], case .oversizedFile = sources[1], case .file = sources[2] else {
            Issue.record("\(sources)")
            return
        }
        // Of exactly as many bytes as an image may have, it is held.
        let largest = MultipartForm([("name", "Nova")], images: [Picture.png(byteCount: Limits.imageBytesMax)])
        #expect(try Self.held(largest) == Limits.imageBytesMax + 4)
    }

    @Test("holds no image once there are too many, and no field that is too long")
    func tooMany() throws {
        let image = Picture.png(byteCount: 100_000)
        #expect(try Self.held(MultipartForm([], images: [image, image, image])) == 300_000)
        #expect(try Self.held(MultipartForm([], images: [image, image, image, image])) == 0)
        #expect(try Self.held(MultipartForm([], images: Array(repeating: image, count: 7))) == 0)
        #expect(try Self.held(MultipartForm([("name", String(repeating: "x", count: 131_072))], images: [])) == 131_072)
        #expect(try Self.held(MultipartForm([("name", String(repeating: "x", count: 131_073))], images: [])) == 0)
    }

    private static func held(_ form: MultipartForm) throws -> Int {
        let memory = MemoryReservation.unlimited()
        _ = try read(form, holding: memory)
        return memory.heldBytes
    }

    @Test("stops where the memory of its account does")
    func budget() throws {
        let budget = MemoryBudget(bytesMax: 1_000_000)
        let form = MultipartForm([("name", "Nova")], images: [Picture.png(byteCount: 900_000), Picture.png(byteCount: 900_000)])
        #expect(throws: Failure.tooManyRequests(.bodyBytes, retryAfterSeconds: 1)) {
            try Self.read(form, holding: budget.reservation(for: .random()))
        }
        #expect(budget.reservedBytes == 0)
    }
}
