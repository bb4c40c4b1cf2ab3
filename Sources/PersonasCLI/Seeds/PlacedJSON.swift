import Foundation

/// A JSON value as it stands in a file, with the line on which it begins, so that a person who wrote it can be told where a fault is.
///
/// Foundation's decoder knows no lines, stops at the first fault and says so in words for programmers. Numbers are not read: no seed has any.
struct PlacedJSON {
    /// What there is.
    indirect enum Value {
        case null
        case text(String)
        case list([PlacedJSON])
        case object([Member])
        /// A number or a truth value.
        case other
    }

    /// A member of an object.
    struct Member {
        let name: String
        /// The line of its name.
        let line: Int
        let value: PlacedJSON
    }

    /// Where the text stops being JSON, and how, as the rest of a sentence about it.
    struct Fault: Error, Equatable {
        let line: Int
        let words: String
    }

    /// From 1.
    let line: Int
    let value: Value
    /// Where it stands among the bytes.
    let range: Range<Int>

    /// Reads one value, which has to be all that there is.
    static func read(_ bytes: [UInt8]) throws(Fault) -> PlacedJSON {
        var parser = PlacedJSONParser(bytes)
        return try parser.document()
    }
}

/// One strict pass over the text of a file (RFC 8259).
private struct PlacedJSONParser {
    /// Brackets within brackets; a seed has four.
    private static let depthMax = 32

    private let bytes: [UInt8]
    private var index = 0
    private var line = 1
    private var depth = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func document() throws(PlacedJSON.Fault) -> PlacedJSON {
        let value = try value()
        skipWhiteSpace()
        guard index == bytes.count else { throw fault("there is something behind its end") }
        return value
    }

    private mutating func value() throws(PlacedJSON.Fault) -> PlacedJSON {
        skipWhiteSpace()
        let (start, startLine) = (index, line)
        let value: PlacedJSON.Value =
            switch peek() {
            case nil: throw fault("it ends too early")
            case UInt8(ascii: "\""): .text(try text())
            case UInt8(ascii: "{"): .object(try list(of: "}") { (parser) throws(PlacedJSON.Fault) in try parser.member() })
            case UInt8(ascii: "["): .list(try list(of: "]") { (parser) throws(PlacedJSON.Fault) in try parser.value() })
            default: try word()
            }
        return PlacedJSON(line: startLine, value: value, range: start..<index)
    }

    private mutating func member() throws(PlacedJSON.Fault) -> PlacedJSON.Member {
        skipWhiteSpace()
        let nameLine = line
        guard peek() == UInt8(ascii: "\"") else { throw fault("the name of a member in double quotes is expected") }
        let name = try text()
        skipWhiteSpace()
        guard take(":") else { throw fault("a colon is expected behind the name of a member") }
        return PlacedJSON.Member(name: name, line: nameLine, value: try value())
    }

    /// What stands between two brackets, parted by commas.
    private mutating func list<Element>(
        of end: Unicode.Scalar, _ element: (inout PlacedJSONParser) throws(PlacedJSON.Fault) -> Element
    ) throws(PlacedJSON.Fault) -> [Element] {
        index += 1
        depth += 1
        guard depth <= Self.depthMax else { throw fault("there are too many brackets within brackets") }
        defer { depth -= 1 }
        var elements: [Element] = []
        skipWhiteSpace()
        if take(end) { return elements }
        while true {
            elements.append(try element(&self))
            skipWhiteSpace()
            if take(",") {
                skipWhiteSpace()
                guard peek() != UInt8(ascii: end) else { throw fault("there is a comma in front of \(end)") }
                continue
            }
            guard take(end) else { throw fault(peek() == nil ? "it ends too early" : "a comma or \(end) is expected") }
            return elements
        }
    }

    private mutating func text() throws(PlacedJSON.Fault) -> String {
        let start = index
        var isEscaped = false
        index += 1
        while let byte = peek(), byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw fault("a text runs over the end of its line, or holds a control character") }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                index += 1
            }
            index += 1
        }
        guard take("\"") else { throw fault("it ends within a text") }
        let text =
            isEscaped
            // One text alone can do the decoder no harm.
            ? try? JSONDecoder().decode(String.self, from: Data(bytes[start..<index]))
            : String(validating: bytes[(start + 1)..<(index - 1)], as: UTF8.self)
        guard let text else { throw fault(isEscaped ? "a text has an escape that there is not" : "a text is not UTF-8") }
        return text
    }

    private mutating func word() throws(PlacedJSON.Fault) -> PlacedJSON.Value {
        let start = index
        while let byte = peek(), byte >= 0x2B, byte != UInt8(ascii: ","), !"[]{}:".utf8.contains(byte) { index += 1 }
        let word = Data(bytes[start..<index])
        if word.elementsEqual("null".utf8) { return .null }
        if ["true", "false"].contains(where: { word.elementsEqual($0.utf8) }) { return .other }
        guard (try? JSONDecoder().decode(Double.self, from: word)) != nil else { throw fault("a value is expected") }
        return .other
    }

    private mutating func skipWhiteSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            if byte == 0x0A { line += 1 }
            index += 1
        }
    }

    private func peek() -> UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: scalar) else { return false }
        index += 1
        return true
    }

    private func fault(_ words: String) -> PlacedJSON.Fault { PlacedJSON.Fault(line: line, words: words) }
}
