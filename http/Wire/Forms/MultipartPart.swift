import Personas

/// What the header of a part of a form says, as far as anything is made of it (RFC 7578, section 4.2).
package struct MultipartPart: Sendable, Equatable {
    /// Bytes of a part's header at most. Browsers and curl send some 150, and the file name.
    package static let headerBytesMax = 4_096
    /// Bytes of a part's name at most.
    package static let nameBytesMax = 256

    /// The part's name, which several parts may share. File names and types mean nothing here: images are told by their bytes.
    package let name: [UInt8]

    package init(name: [UInt8]) {
        self.name = name
    }

    /// Reads a header, whose lines end with CRLF, the last one too.
    init(header: ArraySlice<UInt8>) throws(MultipartProblem) {
        var disposition: ArraySlice<UInt8>?
        var rest = header
        while let end = rest.firstIndex(of: UInt8(ascii: "\r")) {
            let line = try HeaderLine(rest[..<end])
            if line.isNamed("content-disposition") {
                guard disposition == nil else { throw .malformedHeader }
                disposition = line.value
            } else if line.isNamed("content-transfer-encoding") {
                try Self.requirePlain(line.value)
            }
            guard rest[end...].dropFirst().first == UInt8(ascii: "\n") else { throw .malformedHeader }
            rest = rest[end...].dropFirst(2)
        }
        guard rest.isEmpty else { throw .malformedHeader }
        guard let disposition else { throw .nameless }
        name = try Self.name(in: disposition)
    }

    private static func name(in disposition: ArraySlice<UInt8>) throws(MultipartProblem) -> [UInt8] {
        guard let parameters = HeaderParameters(disposition) else { throw .malformedHeader }
        let names = parameters.values(of: "name")
        guard names.count <= 1 else { throw .malformedHeader }
        guard parameters.value.map(\.lowercasedASCII) == Array("form-data".utf8), let sent = names.first else { throw .nameless }
        let name = unescaped(sent)
        guard name.count <= nameBytesMax else { throw .nameTooLong }
        return name
    }

    /// The three characters that browsers write as escapes, and nothing else: a percent sign they leave alone (WHATWG HTML, "Multipart form data").
    private static func unescaped(_ name: [UInt8]) -> [UInt8] {
        var unescaped: [UInt8] = []
        var rest = name[...]
        while let byte = rest.first {
            let escape = byte == UInt8(ascii: "%") ? escapes.first { rest.starts(with: $0.text.utf8) } : nil
            unescaped.append(escape?.byte ?? byte)
            rest = rest.dropFirst(escape?.text.utf8.count ?? 1)
        }
        return unescaped
    }

    private static let escapes: [(text: String, byte: UInt8)] = [("%22", 0x22), ("%0D", 0x0D), ("%0A", 0x0A)]

    /// Refuses what would have to be decoded. RFC 7578 (section 4.7) tells senders not to, and taken as it is it would be no image.
    private static func requirePlain(_ encoding: ArraySlice<UInt8>) throws(MultipartProblem) {
        let word = encoding.filter { $0 != 0x20 && $0 != 0x09 }.map(\.lowercasedASCII)
        guard ["7bit", "8bit", "binary"].contains(where: { word == Array($0.utf8) }) else { throw .encoded }
    }
}

/// One line of a part's header. A line that goes on with the next is none (RFC 9112, section 5.2): it would begin with a blank.
private struct HeaderLine {
    private let name: ArraySlice<UInt8>
    let value: ArraySlice<UInt8>

    init(_ line: ArraySlice<UInt8>) throws(MultipartProblem) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else { throw .malformedHeader }
        name = line[..<colon]
        value = line[colon...].dropFirst()
        guard name.allSatisfy({ $0.isPlainAlphanumeric || "!#$%&'*+-.^_`|~".utf8.contains($0) }),
            value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
        else { throw .malformedHeader }
    }

    func isNamed(_ other: String) -> Bool { name.map(\.lowercasedASCII) == Array(other.utf8) }
}

/// Why bytes are no acceptable form.
struct MultipartProblem: Error, Equatable {
    let reason: String

    static let withoutBoundary = MultipartProblem(reason: "does not begin with the boundary that Content-Type names")
    static let cut = MultipartProblem(reason: "ends before its closing boundary")
    static let malformedBoundary = MultipartProblem(reason: "has a boundary that does not end its line")
    static let malformedHeader = MultipartProblem(reason: "has a part with a malformed header")
    static let headerTooLong = MultipartProblem(reason: "has a part whose header is longer than \(MultipartPart.headerBytesMax) bytes")
    static let nameless = MultipartProblem(reason: "has a part that is no field with a name")
    static let nameTooLong = MultipartProblem(reason: "has a part whose name is longer than \(MultipartPart.nameBytesMax) bytes")
    static let encoded = MultipartProblem(reason: "has a part with a Content-Transfer-Encoding; parts must be sent as they are")
    static let tooManyParts = MultipartProblem(reason: "has more than \(MultipartParser.partsMax) parts")
}
