import Logging
import Personas

/// Sends log events as lines to a `LogWriter`.
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    var metadataProvider: Logger.MetadataProvider?

    private let format: LogFormat
    private let writer: LogWriter
    private let clock: WallClock

    /// Takes events from a level on.
    init(level: Logger.Level, format: LogFormat, writer: LogWriter, clock: WallClock = .system) {
        self.logLevel = level
        self.format = format
        self.writer = writer
        self.clock = clock
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var metadata = self.metadata
        for more in [metadataProvider?.get(), event.metadata] {
            // Nearly every event brings all its metadata itself, which is then not copied.
            if let more { metadata = metadata.isEmpty ? more : metadata.merging(more) { _, new in new } }
        }
        let line = LogLine(
            format, time: clock.now.text, level: event.level, message: event.message.description, error: event.error.map { "\($0)" },
            metadata: metadata)
        writer.append(line.bytes, isUrgent: event.level >= .error)
    }
}

extension LineLogHandler {
    /// Sends every log of the process to a writer, as the settings say.
    /// - Returns: the process's own log.
    static func bootstrap(_ settings: Settings, writer: LogWriter) -> Logger {
        let level = settings.logLevel
        let format = settings.logFormat
        LoggingSystem.bootstrap { _ in LineLogHandler(level: level, format: format, writer: writer) }
        return Logger(label: "personas")
    }
}
