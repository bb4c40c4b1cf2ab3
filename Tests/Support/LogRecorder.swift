package import Logging

/// Keeps log lines, so that a test can look at what was logged and what was not.
package final class LogRecorder: Sendable {
    /// A line as it was logged.
    package struct Line: Sendable {
        package let level: Logger.Level
        package let message: String
        package let metadata: [String: String]

        /// Everything that the line says.
        package var text: String {
            ([message] + metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
        }
    }

    private let level: Logger.Level
    private let noted = Shared<[Line]>([])

    /// - Parameter level: of the least important lines that are kept.
    package init(level: Logger.Level = .info) { self.level = level }

    /// The lines so far, in their order.
    package var lines: [Line] { noted.value }

    /// What writes here.
    package var logger: Logger { Logger(label: "test") { _ in Handler(noted: noted, logLevel: level) } }

    private struct Handler: LogHandler {
        let noted: Shared<[Line]>
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
            let line = Line(level: event.level, message: "\(event.message)", metadata: metadata)
            noted.withLock { $0.append(line) }
        }
    }
}
