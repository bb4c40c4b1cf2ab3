import Personas
import PersonasWire

extension FuzzTarget {
    /// Forms: the parser of their bytes, however these are cut into pieces, and what becomes of a create in them. The boundary is what stands behind
    /// the first two bytes of an input up to its first end of line, as in every form that begins with one.
    static let forms = FuzzTarget(
        name: "forms",
        pieces: utf8(
            "\r\n", "\r", "\n", "--", "--b", "\r\n--b\r\n", "\r\n--b--", "\r\n--", "Content-Disposition: form-data; name=\"", "filename=\"",
            "; ", "\"")
            + utf8(
                "\\", "%22", "%0D", "name", "image", "metadata", "special_instructions", "external_id", "{\"a\":\"b\"}", "null", "\r\n\r\n",
                ":")
            + utf8("Content-Transfer-Encoding: binary", "Content-Type: image/png", "Content-Disposition", "form-data", " ", "\t", "=", "é")
            + [[0], [0xFF], [0xED, 0xA0, 0x80], Array(repeating: 0x0D, count: 80), Array(repeating: 0x2D, count: 80)],
        check: { (bytes) throws(BrokenProperty) in
            let line = bytes.dropFirst(2).prefix { $0 != UInt8(ascii: "\r") }
            guard let boundary = MultipartBoundary(Array(line)) ?? MultipartBoundary([UInt8(ascii: "b")]) else { return }
            let whole = PartList.parsed(bytes, pieces: [bytes.count], boundary)
            for pieces in [[bytes.count <= 2_000 ? 1 : 89], [2, 1, 7, 3, 64], [bytes.count / 2 + 1]] {
                try require(PartList.parsed(bytes, pieces: pieces, boundary) == whole, "a form is the same in pieces of \(pieces)")
            }
            guard case .success(let parts) = whole else { return }
            try require(parts.count <= MultipartParser.partsMax, "no form has more parts than it may")
            try require(parts.allSatisfy { $0.name.count <= MultipartPart.nameBytesMax }, "no name is longer than it may be")
            try checkAgain(parts)
            try checkCreate(bytes, boundary)
        })

    /// Whatever is read, written again and read says the same.
    private static func checkAgain(_ parts: [PartList.Part]) throws(BrokenProperty) {
        let name = Array("----fuzz-boundary-0123456789".utf8)
        guard let boundary = MultipartBoundary(name),
            !parts.contains(where: { String(decoding: $0.content, as: UTF8.self).contains("--fuzz-") })
        else { return }
        let line = Array("--".utf8) + name
        var body: [UInt8] = []
        for part in parts {
            body += line + Array("\r\nContent-Disposition: form-data; name=\"".utf8)
            body += part.name.flatMap(escaped)
            body += Array("\"\r\n\r\n".utf8)
            body += part.content
            body += Array("\r\n".utf8)
        }
        try require(
            PartList.parsed(body + line + Array("--".utf8), pieces: [Swift.max(1, body.count)], boundary) == .success(parts),
            "a form that is read and written is read as the same")
        if !parts.isEmpty {
            try require((try? PartList.parsed(body, pieces: [body.count], boundary).get()) == nil, "a form without its end is refused")
        }
    }

    private static func escaped(_ byte: UInt8) -> [UInt8] {
        switch byte {
        case 0x22: Array("%22".utf8)
        case 0x0D: Array("%0D".utf8)
        case 0x0A: Array("%0A".utf8)
        case 0x5C: [0x5C, 0x5C]
        default: [byte]
        }
    }

    /// Follows a create as far as the rules of form go.
    private static func checkCreate(_ bytes: [UInt8], _ boundary: MultipartBoundary) throws(BrokenProperty) {
        let memory = MemoryReservation.unlimited()
        var parser = MultipartParser(boundary: boundary)
        var create = CreateForm(holding: memory, bodyBytesMax: bytes.count)
        do {
            try bytes.withUnsafeBytes { try parser.take($0, into: &create) }
        } catch {
            throw BrokenProperty(description: "a form that is read can be taken for a create")
        }
        try require(memory.heldBytes <= bytes.count, "no more is held of a form than it has")
        guard let draft = try? create.draft(), let checked = try? draft.checked(acceptingPlainHTTP: false) else { return }
        try require((try? Name(normalising: checked.details.name.text)) == checked.details.name, "a normalised name normalises to itself")
        try require(checked.images.sources.count == Limits.referenceImages, "an accepted create has its three images")
    }
}

/// The parts of a form, kept.
private struct PartList: MultipartReceiver {
    struct Part: Equatable {
        let name: [UInt8]
        var content: [UInt8] = []
    }

    private var parts: [Part] = []

    mutating func begin(_ part: MultipartPart) { parts.append(Part(name: part.name)) }

    mutating func take(_ content: UnsafeRawBufferPointer) { parts[parts.count - 1].content += content }

    mutating func end() {}

    /// Parses bytes in pieces of these lengths, over and over.
    static func parsed(_ bytes: [UInt8], pieces: [Int], _ boundary: MultipartBoundary) -> Result<[Part], Failure> {
        var list = PartList()
        var parser = MultipartParser(boundary: boundary)
        do throws(Failure) {
            var (rest, round) = (bytes[...], 0)
            while !rest.isEmpty {
                let piece = rest.prefix(pieces[round % pieces.count])
                try piece.withUnsafeBufferPointer { (buffer) throws(Failure) in try parser.take(UnsafeRawBufferPointer(buffer), into: &list)
                }
                rest = rest.dropFirst(piece.count)
                round += 1
            }
            try parser.finish()
            return .success(list.parts)
        } catch {
            return .failure(error)
        }
    }
}
