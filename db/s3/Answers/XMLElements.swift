/// Reads the XML that S3 answers with: elements and their texts. There are no document types in it, and where one comes all the same nothing is
/// read, so that nothing is ever expanded or fetched.
struct XMLElements {
    private static let depthMax = 16
    private static let nameBytesMax = 128

    private let source: [UInt8]
    private var place = 0
    private var path: [String] = []
    private var text: [UInt8] = []

    private init(_ source: [UInt8]) {
        self.source = source
    }

    /// Walks through a document and tells of each element at its end.
    /// - Parameter visit: gets the names from the root down to the element, and the text in it that follows its last child.
    /// - Returns: false where the document is not whole or not in order; what was told until then is worth nothing.
    static func read(_ document: [UInt8], _ visit: (_ path: [String], _ text: String) -> Void) -> Bool {
        var reader = XMLElements(document)
        return reader.walk(visit)
    }

    private mutating func walk(_ visit: ([String], String) -> Void) -> Bool {
        var hasRoot = false
        while place < source.count {
            guard source[place] == UInt8(ascii: "<") else {
                guard takeText() else { return false }
                continue
            }
            if isNext("<?") {
                guard skip(past: "?>") else { return false }
            } else if isNext("<!--") {
                guard skip(past: "-->") else { return false }
            } else if isNext("<!") {
                return false
            } else if isNext("</") {
                guard close(visit) else { return false }
            } else {
                guard !path.isEmpty || !hasRoot, open(visit) else { return false }
                hasRoot = true
            }
        }
        return hasRoot && path.isEmpty
    }

    private func isNext(_ word: String) -> Bool { source[place...].starts(with: word.utf8) }

    private mutating func skip(past word: String) -> Bool {
        while place < source.count {
            if source[place] == word.utf8.first, isNext(word) {
                place += word.utf8.count
                return true
            }
            place += 1
        }
        return false
    }

    private mutating func takeName() -> String? {
        let name = source[place...].prefix { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        guard !name.isEmpty, name.count <= Self.nameBytesMax else { return nil }
        place += name.count
        return String(decoding: name, as: UTF8.self)
    }

    /// Takes a tag that opens an element, and passes over its attributes.
    private mutating func open(_ visit: ([String], String) -> Void) -> Bool {
        place += 1
        guard path.count < Self.depthMax, let name = takeName() else { return false }
        var quote: UInt8?
        while place < source.count {
            let byte = source[place]
            place += 1
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if byte == UInt8(ascii: "<") {
                return false
            } else if byte == UInt8(ascii: ">") {
                path.append(name)
                text = []
                if source[place - 2] == UInt8(ascii: "/") { end(visit) }
                return true
            }
        }
        return false
    }

    private mutating func close(_ visit: ([String], String) -> Void) -> Bool {
        place += 2
        guard let name = takeName(), name == path.last else { return false }
        place += source[place...].prefix { $0 == UInt8(ascii: " ") }.count
        guard place < source.count, source[place] == UInt8(ascii: ">") else { return false }
        place += 1
        end(visit)
        return true
    }

    private mutating func end(_ visit: ([String], String) -> Void) {
        visit(path, String(decoding: text, as: UTF8.self))
        path.removeLast()
        text = []
    }

    /// Takes what stands before the next tag. Outside the root there may be white space alone.
    private mutating func takeText() -> Bool {
        let part = source[place...].prefix { $0 != UInt8(ascii: "<") }
        place += part.count
        guard !path.isEmpty else { return part.allSatisfy { $0 <= UInt8(ascii: " ") } }
        var index = part.startIndex
        while index < part.endIndex {
            guard part[index] == UInt8(ascii: "&") else {
                text.append(part[index])
                index += 1
                continue
            }
            let name = part[(index + 1)...].prefix { $0 != UInt8(ascii: ";") }
            guard name.endIndex < part.endIndex, let scalar = Self.scalar(name) else { return false }
            text += Array(String(scalar).utf8)
            index = name.endIndex + 1
        }
        return true
    }

    /// What `&name;` stands for: one of five characters, or one by its number.
    private static func scalar(_ name: ArraySlice<UInt8>) -> Unicode.Scalar? {
        let text = String(decoding: name.prefix(10), as: UTF8.self)
        switch text {
        case "amp": return "&"
        case "lt": return "<"
        case "gt": return ">"
        case "quot": return "\""
        case "apos": return "'"
        default:
            guard name.first == UInt8(ascii: "#"), name.count < 10 else { return nil }
            let isHexadecimal = name.dropFirst().first == UInt8(ascii: "x")
            let digits = String(decoding: name.dropFirst(isHexadecimal ? 2 : 1), as: UTF8.self)
            return UInt32(digits, radix: isHexadecimal ? 16 : 10).flatMap(Unicode.Scalar.init)
        }
    }
}
