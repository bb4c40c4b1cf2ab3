import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Logging
import Personas
import PersonasHTTP

/// Writes the access log as lines, straight into the buffer of a `LogWriter`: one line a request is most of the log, and would cost more as
/// metadata than much of a short answer.
///
/// The lines are those that `LineLogHandler` would make of the same facts as metadata: one member each, in the order of their names.
struct LineAccessLog: AccessLogWriter {
    /// What the lines say they are, as those of all other events do.
    private static let level = Logger.Level.info

    private let isOn: Bool
    private let format: LogFormat
    private let writer: LogWriter
    private let clock: WallClock

    /// Writes nothing where `level` says that more is wanted of a line than to inform.
    init(level: Logger.Level, format: LogFormat, writer: LogWriter, clock: WallClock = .system) {
        isOn = level <= Self.level
        self.format = format
        self.writer = writer
        self.clock = clock
    }

    func write(_ entry: AccessLogEntry) {
        guard isOn else { return }
        let time = clock.now
        writer.append { $0.put(entry, at: time, format) }
    }
}

extension LogText {
    /// Puts the line of a request.
    fileprivate mutating func put(_ entry: AccessLogEntry, at time: Timestamp, _ format: LogFormat) {
        switch format {
        case .json:
            put("{\"time\":\"")
            put(time)
            put("\",\"level\":\"info\",\"message\":\"request\"")
        case .text:
            put(time)
            put(" INFO request")
        }
        // Sorted by name, as metadata is.
        if let caller = entry.caller { putMember("account", caller.accountID, format) }
        if let address = entry.address { putMember("address", address, format) }
        putMember("bytes_in", entry.bytesIn, format)
        if let bytesOut = entry.bytesOut { putMember("bytes_out", bytesOut, format) }
        if let code = entry.code { putMember("code", code.rawValue, format) }
        putMember("duration_us", entry.duration.wholeMicroseconds, format)
        if let caller = entry.caller { putMember("key", caller.keyID, format) }
        putMember("method", entry.method, format)
        if let trace = entry.trace { putMember("parent_id", trace.parentID, format) }
        if let reason = entry.reason { putMember("reason", reason, format) }
        putMember("request_id", entry.requestID, format)
        putMember("route", entry.route, format)
        putMember("status", entry.status, format)
        if let trace = entry.trace { putMember("trace_id", trace.traceID, format) }
        if format == .json { put(byte: UInt8(ascii: "}")) }
        put(byte: UInt8(ascii: "\n"))
    }

    private mutating func putMember(_ name: StaticString, _ number: Int, _ format: LogFormat) {
        putName(name, format)
        put(number)
    }

    private mutating func putMember(_ name: StaticString, _ id: Identifier, _ format: LogFormat) {
        putName(name, format)
        if format == .json { put(byte: UInt8(ascii: "\"")) }
        put(id)
        if format == .json { put(byte: UInt8(ascii: "\"")) }
    }

    private mutating func putMember(_ name: StaticString, _ text: String, _ format: LogFormat) {
        putName(name, format)
        switch format {
        case .json: putQuoted(text)
        case .text: putWord(text)
        }
    }

    private mutating func putName(_ name: StaticString, _ format: LogFormat) {
        switch format {
        case .json:
            put(byte: UInt8(ascii: ","))
            put(byte: UInt8(ascii: "\""))
            put(name)
            put(byte: UInt8(ascii: "\""))
            put(byte: UInt8(ascii: ":"))
        case .text:
            put(byte: UInt8(ascii: " "))
            put(name)
            put(byte: UInt8(ascii: "="))
        }
    }
}

extension Duration {
    /// The microseconds that are over.
    fileprivate var wholeMicroseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000)
    }
}
