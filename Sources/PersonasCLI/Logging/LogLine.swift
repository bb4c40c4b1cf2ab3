import Logging

/// How log lines look.
enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object a line, for programs.
    case json
    /// Plain text, for people.
    case text
}

/// One log event as one line of bytes, whatever it holds.
struct LogLine {
    private var text = LogText(room: 256)

    /// The line with its end.
    var bytes: [UInt8] { text.bytes }

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
        let entries = metadata.sorted { $0.key < $1.key }
        switch format {
        case .json:
            text.put("{\"time\":\"")
            text.put(plain: time)
            text.put("\",\"level\":\"")
            text.put(plain: level.rawValue)
            text.put("\",\"message\":")
            text.putQuoted(message)
            if let error { putMember("error", .string(error)) }
            for (key, value) in entries { putMember(Self.name(key), value) }
            text.put(byte: UInt8(ascii: "}"))
        case .text:
            text.put(plain: time)
            text.put(byte: UInt8(ascii: " "))
            text.put(plain: level.rawValue.uppercased())
            text.put(byte: UInt8(ascii: " "))
            text.putEscaped(message)
            if let error { putWord("error", .string(error)) }
            for (key, value) in entries { putWord(Self.name(key), value) }
        }
        text.put(byte: UInt8(ascii: "\n"))
    }

    private mutating func putMember(_ name: String, _ value: Logger.MetadataValue) {
        text.put(byte: UInt8(ascii: ","))
        text.putQuoted(name)
        text.put(byte: UInt8(ascii: ":"))
        putJSON(value)
    }

    private mutating func putJSON(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let words): text.putQuoted(words)
        case .stringConvertible(let value):
            switch value {
            case let number as any BinaryInteger: text.put(plain: String(describing: number))
            case let truth as Bool: text.put(truth ? "true" : "false")
            default: text.putQuoted(value.description)
            }
        case .array(let values):
            text.put(byte: UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { text.put(byte: UInt8(ascii: ",")) }
                putJSON(value)
            }
            text.put(byte: UInt8(ascii: "]"))
        case .dictionary(let members):
            text.put(byte: UInt8(ascii: "{"))
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { text.put(byte: UInt8(ascii: ",")) }
                text.putQuoted(member.key)
                text.put(byte: UInt8(ascii: ":"))
                putJSON(member.value)
            }
            text.put(byte: UInt8(ascii: "}"))
        }
    }

    private mutating func putWord(_ name: String, _ value: Logger.MetadataValue) {
        text.put(byte: UInt8(ascii: " "))
        text.putEscaped(name)
        text.put(byte: UInt8(ascii: "="))
        text.putWord(value.description)
    }
}
