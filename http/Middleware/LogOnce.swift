import Logging
import Synchronization

/// Logs what would otherwise fill the log at the moment when operators need that least: the first time, and then once a minute.
final class LogOnce: Sendable {
    private static let pause = Duration.seconds(60)

    private let logger: Logger
    private let loggedAt = Mutex<ContinuousClock.Instant?>(nil)

    init(logger: Logger) {
        self.logger = logger
    }

    /// Logs a warning unless one was logged within the last minute.
    func warning(_ message: Logger.Message, reason: any Error) {
        let now = ContinuousClock.now
        let isDue = loggedAt.withLock { loggedAt in
            if let last = loggedAt, last.duration(to: now) < Self.pause { return false }
            loggedAt = now
            return true
        }
        if isDue { logger.warning(message, metadata: ["reason": "\(reason)"]) }
    }
}
