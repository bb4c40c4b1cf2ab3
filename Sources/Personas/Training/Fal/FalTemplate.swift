import Foundation

/// What a model at fal is given, as the operator wrote it: JSON with places for what is different from item to item.
///
/// Places stand in strings: `{{name}}`, `{{special_instructions}}`, `{{reference_url_0}}` and so on within any text, and `{{reference_urls}}` as the
/// whole of a string, which becomes an array. All else stays as it was written, to the byte. What is put in is always a string of JSON, so that no
/// name and no instruction can change anything beside itself.
package struct FalTemplate: Sendable {
    /// Why a text is no template: a predicate, such as "must be a JSON object".
    package struct Problem: Error, Sendable, Equatable {
        /// The predicate.
        package let reason: String
    }

    /// What a place is for.
    private enum Place: Sendable, Equatable {
        case name
        case specialInstructions
        case reference(Int)
        case references
    }

    private enum Piece: Sendable, Equatable {
        case bytes([UInt8])
        /// Within the quotes of a string.
        case text(Place)
        /// In the place of a string, quotes and all.
        case list
    }

    /// Bytes of the largest template.
    package static let bytesMax = 1_048_576

    private static let quote = UInt8(ascii: "\"")
    private static let (opening, closing) = (Array("{{".utf8), Array("}}".utf8))
    private static let places: [(word: String, place: Place)] =
        [("name", .name), ("special_instructions", .specialInstructions), ("reference_urls", .references)]
        + (0..<Limits.referenceImages).map { ("reference_url_\($0)", .reference($0)) }

    private let pieces: [Piece]

    /// Reads a template.
    package init(_ bytes: [UInt8]) throws(Problem) {
        guard bytes.count <= Self.bytesMax else { throw Problem(reason: "must have at most \(Self.bytesMax) bytes") }
        // By the parser first, so that what follows may rely on strings that end.
        guard String(validating: bytes, as: UTF8.self) != nil, bytes.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "{"),
            (try? JSONSerialization.jsonObject(with: Data(bytes))) is [String: Any]
        else { throw Problem(reason: "must be a JSON object") }
        var pieces: [Piece] = []
        var rest = bytes[...]
        while let start = rest.firstIndex(of: Self.quote) {
            let end = Self.end(ofStringAt: start, in: rest)
            let found = try Self.pieces(ofString: rest[start..<end], isName: Self.isName(before: rest[end...]))
            Self.append([.bytes(Array(rest[..<start]))] + found, to: &pieces)
            rest = rest[end...]
        }
        Self.append([.bytes(Array(rest))], to: &pieces)
        let hasReferences = pieces.contains { piece in
            if case .text(.reference) = piece { return true }
            return piece == .list
        }
        guard hasReferences else { throw Problem(reason: "must have a place for images: {{reference_urls}} or {{reference_url_0}}") }
        self.pieces = pieces
    }

    /// What the model is given for an item.
    /// - Parameter references: the addresses of its reference images.
    package func input(for item: Pikzonality, references: [String]) -> [UInt8] {
        var input: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .bytes(let bytes): input += bytes
            case .text(.name): input += Self.escaped(item.name.text)
            case .text(.specialInstructions): input += Self.escaped(item.details.specialInstructions ?? "")
            case .text(.reference(let index)): input += references.indices.contains(index) ? Self.escaped(references[index]) : []
            case .list, .text(.references):
                let strings = references.map { [Self.quote] + Self.escaped($0) + [Self.quote] }
                input += [UInt8(ascii: "[")] + strings.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "]")]
            }
        }
        return input
    }

    /// Appends pieces, bytes to bytes.
    private static func append(_ added: [Piece], to pieces: inout [Piece]) {
        for piece in added {
            if case .bytes(let more) = piece, case .bytes(let bytes)? = pieces.last {
                pieces[pieces.count - 1] = .bytes(bytes + more)
            } else {
                pieces.append(piece)
            }
        }
    }

    /// The index behind the string that begins at a quotation mark.
    private static func end(ofStringAt start: Int, in bytes: ArraySlice<UInt8>) -> Int {
        var index = start + 1
        while index < bytes.endIndex, bytes[index] != quote { index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1 }
        return min(index + 1, bytes.endIndex)
    }

    /// Whether a string that is followed by these bytes is the name of a member.
    private static func isName(before rest: ArraySlice<UInt8>) -> Bool {
        rest.first { !" \t\r\n".utf8.contains($0) } == UInt8(ascii: ":")
    }

    /// What a string is made of, its quotation marks included.
    private static func pieces(ofString string: ArraySlice<UInt8>, isName: Bool) throws(Problem) -> [Piece] {
        let parsed = try? JSONSerialization.jsonObject(with: Data(string), options: .fragmentsAllowed)
        guard let text = (parsed as? String).map({ Array($0.utf8) }) else { throw Problem(reason: "must be a JSON object") }
        guard Self.index(of: opening, in: text[...]) != nil || Self.index(of: closing, in: text[...]) != nil else {
            return [.bytes(Array(string))]
        }
        guard !isName else { throw Problem(reason: "must not have a place in the name of a member") }
        var pieces: [Piece] = [.bytes([quote])]
        var rest = text[...]
        while let start = Self.index(of: opening, in: rest) {
            guard let end = Self.index(of: closing, in: rest[(start + 2)...]) else {
                throw Problem(reason: "must not have {{ without }} behind it in the same string")
            }
            let place = try Self.place(rest[(start + 2)..<end])
            if place == .references {
                guard start == text.startIndex, end + 2 == text.endIndex else {
                    throw Problem(reason: "must have {{reference_urls}} as the whole of a string, which becomes an array")
                }
                return [.list]
            }
            append([.bytes(try plain(rest[..<start])), .text(place)], to: &pieces)
            rest = rest[(end + 2)...]
        }
        append([.bytes(try plain(rest)), .bytes([quote])], to: &pieces)
        return pieces
    }

    /// Text between places.
    private static func plain(_ text: ArraySlice<UInt8>) throws(Problem) -> [UInt8] {
        guard index(of: closing, in: text) == nil else { throw Problem(reason: "must not have }} without {{ before it in the same string") }
        return escaped(String(decoding: text, as: UTF8.self))
    }

    private static func place(_ word: ArraySlice<UInt8>) throws(Problem) -> Place {
        guard let found = places.first(where: { $0.word.utf8.elementsEqual(word) }) else {
            let known = places.map { "{{\($0.word)}}" }.joined(separator: ", ")
            throw Problem(reason: "must have no other places than \(known), which {{\(String(decoding: word, as: UTF8.self))}} is not")
        }
        return found.place
    }

    private static func index(of mark: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
        text.indices.first { text[$0...].starts(with: mark) }
    }

    /// A text as what stands between the quotes of a JSON string.
    private static func escaped(_ text: String) -> [UInt8] {
        text.utf8.flatMap { byte -> [UInt8] in
            switch byte {
            case quote, UInt8(ascii: "\\"): [UInt8(ascii: "\\"), byte]
            case ..<0x20, 0x7F: Array("\\u00\(hexadecimal([byte]))".utf8)
            default: [byte]
            }
        }
    }
}
