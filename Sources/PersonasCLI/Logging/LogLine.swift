import JSONText
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

    /// Puts a text so that it is a part of a JSON string and safe on a terminal, and cuts the API keys in it short.
    private mutating func putEscaped(_ text: String) {
        var text = text
        text.withUTF8 { source in
            var start = 0
            var index = 0
            while index < source.count {
                guard source[index] == UInt8(ascii: "p"), Self.isSecret(source, at: index) else {
                    index += 1
                    continue
                }
                index += Self.recognisedBytes
                bytes.append(json: UnsafeBufferPointer(rebasing: source[start..<index]), .logs)
                put("[hidden]")
                while index < source.count, Self.isKeyByte(source[index]) { index += 1 }
                start = index
            }
            bytes.append(json: UnsafeBufferPointer(rebasing: source[start...]), .logs)
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
