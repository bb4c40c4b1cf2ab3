import Personas

/// What stands behind the question mark of a location: each word once, and none that is unknown, so that no misspelt one is passed over.
struct S3LocationQuery {
    private enum Word: String, CaseIterable {
        case endpoint
        case region
        case pathStyle = "path-style"
        case encryption = "sse"
    }

    private var values: [Word: String] = [:]

    init(_ text: [UInt8]) throws(Failure) {
        for part in text.split(separator: UInt8(ascii: "&")) {
            let name = part.prefix { $0 != UInt8(ascii: "=") }
            guard let word = Word(rawValue: String(decoding: name, as: UTF8.self)) else {
                let known = Word.allCases.map(\.rawValue).joined(separator: ", ")
                throw S3Location.refusal("has \(String(decoding: name, as: UTF8.self)) in its query, where \(known) are known")
            }
            guard values[word] == nil else { throw S3Location.refusal("has \(word.rawValue) twice") }
            values[word] = try Self.decoded(part.dropFirst(name.count + 1), of: word)
        }
    }

    var endpoint: String? { values[.endpoint] }

    var region: String? { values[.region] }

    var isPathStyle: Bool? {
        get throws(Failure) {
            switch values[.pathStyle] {
            case nil: return nil
            case "true"?: return true
            case "false"?: return false
            default: throw S3Location.refusal("has a path-style that is neither true nor false")
            }
        }
    }

    var encryption: S3Location.Encryption? {
        get throws(Failure) {
            guard let name = values[.encryption] else { return nil }
            guard let encryption = S3Location.Encryption(rawValue: name) else {
                throw S3Location.refusal("has an sse that is neither AES256 nor aws:kms")
            }
            return encryption
        }
    }

    /// Puts bytes in the place of their percent-encoded form.
    private static func decoded(_ text: ArraySlice<UInt8>, of word: Word) throws(Failure) -> String {
        var result: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            guard text[index] == UInt8(ascii: "%") else {
                result.append(text[index])
                index += 1
                continue
            }
            let digits = String(decoding: text[(index + 1)...].prefix(2), as: UTF8.self)
            // What is decoded stands in headers, so that no control character may come of it.
            guard digits.utf8.count == 2, digits.utf8.first != UInt8(ascii: "+"), let byte = UInt8(digits, radix: 16), 0x21...0x7E ~= byte
            else { throw S3Location.refusal("has a percent sign in \(word.rawValue) that encodes no visible character of ASCII") }
            result.append(byte)
            index += 3
        }
        return String(decoding: result, as: UTF8.self)
    }
}
