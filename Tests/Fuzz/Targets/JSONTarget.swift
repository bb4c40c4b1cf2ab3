import Foundation
import Personas
import PersonasWire

extension FuzzTarget {
    /// The reader of JSON, with what becomes of its members in a create, and the writer.
    static let json = FuzzTarget(
        name: "json",
        pieces: utf8(
            "[", "]", "{", "}", ",", ":", "\"", "\\", "\\u", "\\ud800", "\\udc00", "\\u0000", "null", "true", "false", "0", "-", ".")
            + utf8("e", "E+", "1e400", "-0", "01", " ", "\n", "\u{feff}", "é", "e\u{301}", "\u{212a}", "🙂", "//", "NaN", "\"name\":")
            + utf8("\"external_id\":\"", "\"metadata\":{\"k\":\"v\"", "\"k\":null,")
            + utf8("\"image_urls\":[", "\"image_base64s\":[", "data:image/png;base64,", "https://a.test/", "\"special_instructions\":\"")
            + [[0xFF], [0xED, 0xA0, 0x80], [0], [0xF0, 0x9F], [0xC0, 0x80], [0xFE, 0xFF], Array(repeating: 0x5B, count: 40)],
        check: { (bytes) throws(BrokenProperty) in
            try checkWriter(bytes)
            guard let object = try? JSONObject(bytes) else { return }
            try checkForm(bytes)
            try checkAgainstFoundation(object, bytes)
            try checkDraft(object)
        })

    /// Any text that is written is read as the same.
    private static func checkWriter(_ bytes: [UInt8]) throws(BrokenProperty) {
        let text = String(decoding: bytes.prefix(4_096), as: UTF8.self)
        // No character takes more than the six bytes of an escape; around the text stand eleven.
        let room = 6 * text.utf8.count + 11
        var written = 0
        let json = [UInt8](unsafeUninitializedCapacity: room) { bytes, count in
            written = JSONWriter.write(into: UnsafeMutableRawBufferPointer(bytes)) { writer in writer.object { $0.member("text", text) } }
            count = min(written, room)
        }
        try require(written <= room, "what is written is no longer than what each character may take")
        guard let object = try? JSONObject(json), case .value(let read) = object.string("text") else {
            throw BrokenProperty(description: "what is written can be read")
        }
        try require(read.utf8.elementsEqual(text.utf8), "a text that is written is read as the same")
    }

    /// What is accepted can be nested no deeper and hold no more than is promised.
    private static func checkForm(_ bytes: [UInt8]) throws(BrokenProperty) {
        try require(String(validating: bytes, as: UTF8.self) != nil, "accepted JSON is UTF-8")
        try require(!bytes.contains(0), "accepted JSON holds no NUL")
        try require((try? JSONObject(bytes.dropLast())) == nil || isWhiteSpace(bytes.last), "a text that lost its end is refused")
        try require((try? JSONObject(bytes + [UInt8(ascii: "}")])) == nil, "a text with something behind its end is refused")
    }

    private static func isWhiteSpace(_ byte: UInt8?) -> Bool { byte.map { [0x20, 0x09, 0x0A, 0x0D].contains($0) } ?? false }

    private static func checkAgainstFoundation(_ object: JSONObject, _ bytes: [UInt8]) throws(BrokenProperty) {
        // Foundation refuses numbers that it cannot hold; here a number is only text until it is asked for.
        let numbers = JSONNumbers(in: bytes)
        try require(numbers.areWellFormed, "an accepted number has the form that RFC 8259 gives it")
        guard let reference = try? JSONSerialization.jsonObject(with: Data(numbers.shortened)) as? [String: Any] else {
            throw BrokenProperty(description: "what is accepted here is JSON to Foundation as well")
        }
        guard !mayConfuseFoundation(reference, bytes) else { return }
        for (name, value) in reference {
            try require(matches(object, name, value), "the member \(name.debugDescription) has the same value")
        }
    }

    /// `JSONSerialization` loses byte order marks at the beginning of texts, and takes names for one that Unicode calls equivalent.
    private static func mayConfuseFoundation(_ reference: [String: Any], _ bytes: [UInt8]) -> Bool {
        guard reference.keys.allSatisfy({ $0.utf8.allSatisfy { $0 < 0x80 } }) else { return true }
        // The byte order mark, and the three characters whose equivalent is an ASCII one, as they are and as they are escaped.
        let text = Data(bytes.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 })
        return confusing.contains { text.range(of: $0) != nil }
    }

    private static let confusing = ["\u{feff}", "\u{212a}", "\u{37e}", "\u{1fef}", "\\ufeff", "\\u212a", "\\u037e", "\\u1fef"].map {
        Data($0.utf8)
    }

    private static func matches(_ object: JSONObject, _ name: String, _ value: Any) -> Bool {
        switch value {
        case is NSNull:
            if case .null = object.string(name), case .null = object.texts(name), case .null = object.integer(name) { return true }
        case let expected as String:
            if case .value(let found) = object.string(name), case .value(let text) = object.text(name) {
                return found.utf8.elementsEqual(expected.utf8) && found.utf8.elementsEqual(text)
            }
        case let expected as [Any]:
            guard let texts = expected as? [String] else {
                if case .malformed = object.texts(name) { return true }
                return false
            }
            if case .value(let found) = object.texts(name) {
                return found.count == texts.count && zip(found, texts).allSatisfy { $0.elementsEqual($1.utf8) }
            }
        case let expected as NSNumber:
            if case .value(let found) = object.boolean(name) { return found == expected.boolValue }
            if case .malformed = object.string(name) {
                // A long number was replaced by 0 before Foundation saw it.
                if case .value(let found) = object.integer(name) { return found == expected.intValue || expected.intValue == 0 }
                return true
            }
        default:
            if case .malformed = object.string(name), case .malformed = object.texts(name), case .malformed = object.boolean(name) {
                return true
            }
        }
        return false
    }

    /// Follows the members of a create as far as the rules of form go.
    private static func checkDraft(_ object: JSONObject) throws(BrokenProperty) {
        let draft = CreateDraft(
            details: DetailsDraft(object), imageURLs: object.strings("image_urls"), imageBase64s: object.texts("image_base64s"))
        if let checked = try? draft.checked(acceptingPlainHTTP: false) {
            try require(
                (1...Limits.nameCharactersMax).contains(checked.details.name.text.utf8.count), "an accepted name is of the allowed length")
            try require(
                (try? Name(normalising: checked.details.name.text)) == checked.details.name, "a normalised name normalises to itself")
            let labels = checked.details.metadata.members
            try require(labels.count <= Limits.metadataMembersMax, "an accepted item has no more labels than it may")
            try require(
                labels.allSatisfy { MetadataMember.isKey($0.key) && MetadataMember.isValue($0.value) },
                "an accepted label is by the rules")
            try require(checked.images.sources.count == Limits.referenceImages, "an accepted create has its three images")
        }
        guard case .value(let texts) = object.texts("image_base64s") else { return }
        for text in texts {
            guard let image = try? ReferenceImage.decode(base64: text, at: ImagePosition(field: .imageBase64s, index: 0)) else {
                continue
            }
            try require(image.count <= text.count, "decoding base64 makes nothing longer")
            let again = ArraySlice(Data(image).base64EncodedString().utf8)
            try require(
                (try? ReferenceImage.decode(base64: again, at: ImagePosition(field: .imageBase64s, index: 0))) == image,
                "decoded base64 can be written and decoded again")
        }
    }
}

/// The numbers of a JSON text that has been accepted, and the text with short ones in the place of those that Foundation may not hold.
private struct JSONNumbers {
    private(set) var areWellFormed = true
    private(set) var shortened: [UInt8] = []

    init(in bytes: [UInt8]) {
        var isInString = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if isInString, byte == UInt8(ascii: "\\") {
                shortened += bytes[index..<min(index + 2, bytes.count)]
                index += 2
                continue
            }
            if byte == UInt8(ascii: "\"") { isInString.toggle() }
            guard !isInString, byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
                shortened.append(byte)
                index += 1
                continue
            }
            let number = bytes[index...].prefix { "+-.0123456789eE".utf8.contains($0) }
            if !Self.isWellFormed(number) { areWellFormed = false }
            let isLong = number.count > 15 || number.contains { $0 | 0x20 == UInt8(ascii: "e") }
            shortened += isLong ? [UInt8(ascii: "0")] : Array(number)
            index += number.count
        }
    }

    /// By the grammar of RFC 8259, section 6: an integer, perhaps a fraction, perhaps an exponent.
    private static func isWellFormed(_ number: ArraySlice<UInt8>) -> Bool {
        var rest = number
        func digits() -> Int {
            let count = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
            rest = rest.dropFirst(count)
            return count
        }
        func take(_ characters: String) -> Bool {
            guard let first = rest.first, characters.utf8.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = take("-")
        let startsWithZero = rest.first == UInt8(ascii: "0")
        let integerDigits = digits()
        guard integerDigits == 1 || integerDigits > 1 && !startsWithZero else { return false }
        if take("."), digits() == 0 { return false }
        if take("eE") {
            _ = take("+-")
            if digits() == 0 { return false }
        }
        return rest.isEmpty
    }
}
