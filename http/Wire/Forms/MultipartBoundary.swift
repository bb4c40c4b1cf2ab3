package import Personas

/// What stands between the parts of a form (RFC 7578, section 4.1).
package struct MultipartBoundary: Sendable, Equatable {
    /// Characters of a boundary at most (RFC 2046, section 5.1.1).
    package static let charactersMax = 70

    /// The characters, as they stand in the body behind two hyphens.
    package let characters: [UInt8]

    /// Reads the header `Content-Type`; nil where it names another type than `multipart/form-data`.
    /// - Throws: `invalid` with the field `Content-Type` where it names no boundary, or one that RFC 2046 does not allow.
    package init?(contentType: String) throws(Failure) {
        let text = Array(contentType.utf8)[...]
        guard HeaderParameters.value(in: text).map(\.lowercasedASCII) == Array("multipart/form-data".utf8) else { return nil }
        guard let parameters = HeaderParameters(text), case let values = parameters.values(of: "boundary"),
            values.count == 1, let characters = values.first, Self.isWellFormed(characters)
        else {
            throw .invalid([
                Violation("Content-Type", "must name one boundary of 1 to \(Self.charactersMax) characters that RFC 2046 allows")
            ])
        }
        self.characters = characters
    }

    /// Takes the characters of a boundary; nil where RFC 2046 does not allow them.
    package init?(_ characters: [UInt8]) {
        guard Self.isWellFormed(characters) else { return nil }
        self.characters = characters
    }

    private static func isWellFormed(_ characters: [UInt8]) -> Bool {
        (1...charactersMax).contains(characters.count) && characters.last != UInt8(ascii: " ")
            && characters.allSatisfy { $0.isPlainAlphanumeric || "'()+_,-./:=? ".utf8.contains($0) }
    }
}

extension UInt8 {
    /// Whether it is a letter or a digit of ASCII.
    var isPlainAlphanumeric: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }
}
