import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasWire

/// The scanner against Foundation's `JSONSerialization`, over documents made and broken at random.
@Suite("The JSON scanner beside Foundation's")
struct JSONDifferentialTests {
    @Test("takes every document that follows its rules, with the same values", arguments: UInt64(1)...8)
    func valid(seed: UInt64) throws {
        var documents = RandomDocuments(seed: seed)
        for _ in 0..<500 {
            let document = documents.object()
            let object = try JSONObject(document)
            try compare(object, document)
        }
    }

    @Test("of broken documents takes none that Foundation refuses, and what it takes has the same values", arguments: UInt64(1)...8)
    func mutated(seed: UInt64) throws {
        var documents = RandomDocuments(seed: seed &* 7_919)
        var accepted = 0
        for _ in 0..<2_000 {
            let document = documents.mutated(documents.object())
            guard let object = try? JSONObject(document) else { continue }
            accepted += 1
            try compare(object, document)
        }
        // Otherwise nothing was compared.
        #expect(accepted > 50)
    }

    @Test("takes no document that was cut off", arguments: UInt64(1)...4)
    func truncated(seed: UInt64) {
        var documents = RandomDocuments(seed: seed &* 104_729)
        for _ in 0..<40 {
            let document = documents.object(isSpaced: false)
            for length in 0..<document.count { #expect((try? JSONObject(Array(document.prefix(length)))) == nil) }
        }
    }

    @Test("survives bytes that are nothing at all", arguments: UInt64(1)...4)
    func garbage(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let alphabet = Array(#"{}[]",:\u0019aefnrtdslb-+.E 1"#.utf8) + [0, 9, 10, 13, 0x7f, 0x80, 0xc3, 0xed, 0xa0, 0xf0, 0xff]
        for _ in 0..<4_000 {
            let length = Int.random(in: 0...60, using: &generator)
            let bytes = (0..<length).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            _ = try? JSONObject(bytes)
            _ = try? JSONObject(Array("{".utf8) + bytes)
            _ = bytes.withUnsafeBufferPointer(JSONScanner.unescaped)
        }
    }

    private func compare(_ object: JSONObject, _ document: [UInt8]) throws {
        let text = Comment(rawValue: String(decoding: document, as: UTF8.self))
        guard let reference = try? JSONSerialization.jsonObject(with: Data(document)) as? [String: Any] else {
            // A number may be larger than Foundation can hold; here it is only text until it is asked for.
            #expect("\(text)".contains(/[eE][+-]?\d{3}|\d{30}/), text)
            return
        }
        for (name, value) in reference { #expect(matches(object, name, value), text) }
    }

    /// Foundation's `JSONSerialization` loses a byte order mark at the beginning of a text, where here it is a character as any other.
    private func comparable(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value).filter { $0 != 0xfeff } }

    private func matches(_ object: JSONObject, _ name: String, _ value: Any) -> Bool {
        switch value {
        case is NSNull:
            if case .null = object.string(name), case .null = object.texts(name), case .null = object.integer(name) { return true }
        case let expected as String:
            if case .value(let found) = object.string(name) { return comparable(found) == comparable(expected) }
        case let expected as [Any]:
            guard let texts = expected as? [String] else {
                if case .malformed = object.texts(name) { return true }
                return false
            }
            if case .value(let found) = object.strings(name) { return found.map(comparable) == texts.map(comparable) }
        case let expected as NSNumber:
            if case .value(let found) = object.boolean(name) { return found == expected.boolValue }
            if case .value(let found) = object.integer(name) { return found == expected.intValue }
            if case .malformed = object.integer(name) { return true }
        default:
            if case .malformed = object.string(name), case .malformed = object.texts(name), case .malformed = object.boolean(name) {
                return true
            }
        }
        return false
    }
}

/// Makes JSON documents, and breaks them.
private struct RandomDocuments {
    private var generator: SplitMix64

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    /// An object of a few members, each name once.
    mutating func object(isSpaced: Bool = true) -> [UInt8] {
        let space = isSpaced
        var names = ["name", "image_urls", "é", "", "a b", #"\u0041"#, "🙂", "x", "special_instructions", #"\n"#].shuffled(using: &generator)
        names.removeLast(Int.random(in: 0..<names.count, using: &generator))
        let members = names.map { "\(gap(space))\"\($0)\"\(gap(space)):\(gap(space))\(value(depth: 1, space))\(gap(space))" }
        return Array("\(gap(space)){\(members.joined(separator: ","))}\(gap(space))".utf8)
    }

    /// The document with a few bytes changed, taken out, put in or doubled.
    mutating func mutated(_ document: [UInt8]) -> [UInt8] {
        var bytes = document
        let pieces: [[UInt8]] =
            ["[", "]", "{", "}", ",", ":", "\"", "\\", "\\u", "\\ud800", "null", "1", "-", ".", "e", "0", " ", "\n", "\u{feff}", "é", "//"]
            .map { Array($0.utf8) } + [[0xff], [0xed, 0xa0, 0x80], [0], [0xf0, 0x9f]]
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: bytes.insert(contentsOf: pieces.randomElement(using: &generator) ?? [], at: place)
            case 1: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...4, using: &generator)))
            case 2 where place < bytes.count: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
            case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 5)], at: place)
            default: if place < bytes.count { bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &generator)) }
            }
        }
        return bytes
    }

    private mutating func value(depth: Int, _ space: Bool) -> String {
        switch Int.random(in: 0..<(depth < 4 ? 9 : 6), using: &generator) {
        case 0: return ["null", "true", "false"].randomElement(using: &generator) ?? "null"
        case 1: return String(Int.random(in: .min ... .max, using: &generator) >> Int.random(in: 0..<64, using: &generator))
        case 2: return ["0", "-0", "1.5", "-0.25", "1e2", "1E-2", "12.5e+1", "100", "7"].randomElement(using: &generator) ?? "0"
        case 3...5: return string()
        case 6: return list(of: Int.random(in: 0...4, using: &generator), space) { $0.string() }
        case 7: return list(of: Int.random(in: 0...4, using: &generator), space) { $0.value(depth: depth + 1, space) }
        default:
            let members = (0..<Int.random(in: 0...3, using: &generator)).map { "\"\($0)\":\(gap(space))\(value(depth: depth + 1, space))" }
            return "{\(gap(space))\(members.joined(separator: ","))}"
        }
    }

    private mutating func list(of count: Int, _ space: Bool, _ element: (inout RandomDocuments) -> String) -> String {
        var elements: [String] = []
        for _ in 0..<count { elements.append(gap(space) + element(&self) + gap(space)) }
        return "[\(elements.joined(separator: ","))]"
    }

    private mutating func string() -> String {
        let pieces = [
            "a", "Nova", " ", "é", "🙂", "\u{2028}", "\u{7f}", #"\""#, #"\\"#, #"\/"#, #"\b"#, #"\f"#, #"\n"#, #"\r"#, #"\t"#, #"\u0000"#,
            #"\u00e9"#, #"\ud83d\ude42"#,
            "https://a.test/1", "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQ=", "{", "[", ",", ":",
        ]
        let count = Int.random(in: 0...6, using: &generator)
        return "\"" + (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined() + "\""
    }

    private mutating func gap(_ isSpaced: Bool) -> String {
        isSpaced ? ["", "", "", " ", "\n", "\t\r\n  "].randomElement(using: &generator) ?? "" : ""
    }
}
