import Logging
import Personas

/// The log of Hummingbird's servers, which say nothing more once what is under way is broken off: they then report as errors that their connections
/// were cancelled and their sockets closed, which is what they were told to do. How many requests that has cost is told by those who told them.
struct StoppedServerLog: LogHandler {
    /// The module that says so.
    private static let source = "HummingbirdCore"

    var inner: any LogHandler
    /// Given before that happens.
    let brokenOff: WakeSignal

    var metadata: Logger.Metadata {
        get { inner.metadata }
        set { inner.metadata = newValue }
    }

    var logLevel: Logger.Level {
        get { inner.logLevel }
        set { inner.logLevel = newValue }
    }

    var metadataProvider: Logger.MetadataProvider? {
        get { inner.metadataProvider }
        set { inner.metadataProvider = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { inner[metadataKey: key] }
        set { inner[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        guard event.source != Self.source || brokenOff.count == 0 else { return }
        inner.log(event: event)
    }
}

extension Logger {
    /// The same log for a server that may be broken off.
    func ofServer(until brokenOff: WakeSignal) -> Logger {
        var logger = Logger(label: label) { _ in StoppedServerLog(inner: handler, brokenOff: brokenOff) }
        logger.logLevel = logLevel
        return logger
    }
}
