import Logging
import PersonasHTTP
import TestSupport

@testable import PersonasCLI

/// Keeps what the access log is told, so that a test can look at it.
final class AccessLogRecorder: AccessLogWriter {
    private let noted = Shared<[AccessLogEntry]>([])

    /// The entries so far, in their order.
    var entries: [AccessLogEntry] { noted.value }

    /// The entries as the executable writes them, one line each.
    var lines: [String] {
        let written = Shared("")
        let writer = LogWriter { bytes in written.withLock { $0 += String(decoding: bytes, as: UTF8.self) } }
        let log = LineAccessLog(level: .info, format: .json, writer: writer)
        for entry in entries { log.write(entry) }
        writer.flush()
        return written.value.split(separator: "\n").map(String.init)
    }

    func write(_ entry: AccessLogEntry) { noted.withLock { $0.append(entry) } }
}
