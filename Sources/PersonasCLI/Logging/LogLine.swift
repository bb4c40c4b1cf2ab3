import Logging

/// How log lines look.
enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object a line, for programs.
    case json
    /// Plain text, for people.
    case text
}

/// One log event as one line of bytes, whatever it holds: texts that come from outside can neither begin a new line nor reach the
/// terminal as control characters, and API keys are cut short.
struct LogLine {
    private(set) var bytes: [UInt8] = []

    /// The name of a metadata entry in the line. Members that every line has keep theirs for themselves, and the id that Hummingbird knows by a
    /// name of its own stands under ours.
    private static func name(_ key: String) -> String {
        switch key {
        case "time", "level", "message", "error": key + "_"
        case "hb.request.id": "request_id"
        default: key
        }
    }

    /// The line of an event.
    init(_ format: LogFormat, time: String, level: Logger.Level, message: String, error: String?, metadata: Logger.Metadata) {
        bytes.reserveCapacity(256)
        let entries = metadata.sorted { $0.key < $1.key }
        switch format {
        case .json:
            put("{\"time\":\"")
            put(time)
            put("\",\"level\":\"")
            put(level.rawValue)
            put("\",\"message\":")
            putJSON(message)
            if let error { putMember("error", .string(error)) }
            for (key, value) in entries { putMember(Self.name(key), value) }
            put("}")
        case .text:
            put(time)
            put(" ")
            put(level.rawValue.uppercased())
            put(" ")
            putEscaped(message)
            if let error { putWord("error", .string(error)) }
            for (key, value) in entries { putWord(Self.name(key), value) }
        }
        bytes.append(0x0A)
    }

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func putMember(_ name: String, _ value: Logger.MetadataValue) {
        put(",")
        putJSON(name)
        put(":")
        putJSON(value)
    }

    private mutating func putJSON(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): putJSON(text)
        case .stringConvertible(let value):
            switch value {
            case let number as any BinaryInteger: put(String(describing: number))
            case let truth as Bool: put(truth ? "true" : "false")
            default: putJSON(value.description)
            }
        case .array(let values):
            put("[")
            for (index, value) in values.enumerated() {
                if index > 0 { put(",") }
                putJSON(value)
            }
            put("]")
        case .dictionary(let members):
            put("{")
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { put(",") }
                putJSON(member.key)
                put(":")
                putJSON(member.value)
            }
            put("}")
        }
    }

    private mutating func putJSON(_ text: String) {
        put("\"")
        putEscaped(text)
        put("\"")
    }

    private mutating func putWord(_ name: String, _ value: Logger.MetadataValue) {
        put(" ")
        putEscaped(name)
        put("=")
        let text = value.description
        let isPlain =
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
        if isPlain { putEscaped(text) } else { putJSON(text) }
    }

    /// Puts a text so that it is a part of a JSON string and safe on a terminal.
    private mutating func putEscaped(_ text: String) {
        var text = text
        text.withUTF8 { source in
            var index = 0
            while index < source.count {
                // Nearly all of nearly every text is plain, and goes over in one piece.
                let start = index
                while index < source.count, Self.isPlain(source[index]) { index += 1 }
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: source[start..<index]))
                guard index < source.count else { return }
                let byte = source[index]
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                    bytes.append(UInt8(ascii: "\\"))
                    bytes.append(byte)
                case 0x0A: put("\\n")
                case 0x0D: put("\\r")
                case 0x09: put("\\t")
                case 0..<0x20, 0x7F: putEscape(UInt32(byte))
                case 0xC2 where index + 1 < source.count && source[index + 1] < 0xA0:
                    putEscape(UInt32(source[index + 1]))
                    index += 1
                case 0xE2 where Self.isInvisible(source, at: index):
                    putEscape(0x2000 | UInt32(source[index + 1] & 0x3F) << 6 | UInt32(source[index + 2] & 0x3F))
                    index += 2
                case UInt8(ascii: "p") where Self.isSecret(source, at: index):
                    bytes.append(contentsOf: source[index..<index + Self.recognisedBytes])
                    put("[hidden]")
                    index += Self.recognisedBytes
                    while index < source.count, Self.isKeyByte(source[index]) { index += 1 }
                    continue
                default: bytes.append(byte)
                }
                index += 1
            }
        }
    }

    /// Whether a byte can neither need an escape nor begin anything that does.
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "p")
    }

    private mutating func putEscape(_ scalar: UInt32) {
        let digits = String(scalar, radix: 16)
        put("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
    }

    /// Whether U+2028 to U+202E or U+2066 to U+2069 begins here: separators that some readers take for line ends, and marks that
    /// turn the direction of writing around.
    private static func isInvisible(_ source: UnsafeBufferPointer<UInt8>, at index: Int) -> Bool {
        guard index + 2 < source.count else { return false }
        switch (source[index + 1], source[index + 2]) {
        case (0x80, 0xA8...0xAE), (0x81, 0xA6...0xA9): return true
        default: return false
        }
    }

    /// How much of an API key is kept, so that people recognise which one it was.
    private static let recognisedBytes = 8

    /// Whether an API key begins here: `pkz_` and more than the part that is stored and listed in the open.
    private static func isSecret(_ source: UnsafeBufferPointer<UInt8>, at index: Int) -> Bool {
        guard index + recognisedBytes < source.count, source[index...].starts(with: "pkz_".utf8) else { return false }
        return source[(index + 4)...(index + recognisedBytes)].allSatisfy(isKeyByte)
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }
}
