import ErrorEnvelope
import HTTPTypes
import HummingbirdTesting
import Logging
import NIOCore
import Synchronization

/// Keeps log lines, so that a test can look at what was logged and what was not.
final class LogRecorder: Sendable {
    struct Line: Sendable {
        let level: Logger.Level
        let message: String
        let metadata: [String: String]
    }

    private let storage = Mutex<[Line]>([])

    var lines: [Line] { self.storage.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = self.metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
            let line = Line(level: event.level, message: "\(event.message)", metadata: metadata)
            self.recorder.storage.withLock { $0.append(line) }
        }
    }
}

extension TestResponse {
    /// The body as text.
    var text: String { String(buffer: self.body) }

    /// The body as an envelope.
    var envelope: ErrorEnvelope {
        get throws { try ErrorEnvelope(decoding: [UInt8](buffer: self.body)) }
    }

    /// The id in the header.
    var requestID: String? { HTTPField.Name("X-Request-Id").flatMap { self.headers[$0] } }
}
