import Dispatch
import Foundation
import Logging
import Personas
import PersonasHTTP
import ServiceLifecycle

// How a server stops: it drains, then what is under way gets its grace, and what is left after that is broken off. These are three services, because
// the group stops its services one after the other, from the last of its list to the first, and each of these has its place there.

/// The last of the list: notes that the process was told to stop, and makes sure that it ends, even when something in it never comes to its end.
struct ShutdownWatchdog: Service {
    /// Seconds for what is left to do after the grace: cancelled requests and jobs, and the store's last commit.
    private static let extraSeconds = 10
    /// How long the last lines of a process that ends at once wait for the reader of its log.
    private static let flushTimeout = DispatchTimeInterval.milliseconds(200)

    let drainSeconds: Int
    let graceSeconds: Int
    /// Given once the process was told to stop.
    let begun: WakeSignal
    let log: LogWriter
    let logger: Logger

    func run() async throws {
        try await gracefulShutdown()
        logger.info(
            "stopping",
            metadata: ["drain_seconds": .stringConvertible(drainSeconds), "grace_seconds": .stringConvertible(graceSeconds)])
        begun.notify()
        // A thread of its own, because whatever hangs may hold all threads of the others. Whatever was answered is on disk already.
        let seconds = drainSeconds + graceSeconds + Self.extraSeconds
        let thread = Thread { [log, logger] in
            let queue = DispatchQueue(label: "personas.stop")
            let sources = [SIGINT, SIGTERM].map { number in
                let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
                source.setEventHandler { Self.end("told to stop a second time, and ended at once", [:], log: log, logger: logger) }
                source.activate()
                return source
            }
            Thread.sleep(forTimeInterval: TimeInterval(seconds))
            withExtendedLifetime(sources) {
                Self.end("the process did not stop in time", ["seconds": .stringConvertible(seconds)], log: log, logger: logger)
            }
        }
        thread.start()
    }

    private static func end(_ reason: Logger.Message, _ metadata: Logger.Metadata, log: LogWriter, logger: Logger) {
        let isFlushed = DispatchSemaphore(value: 0)
        // It may be the log's reader that hangs.
        DispatchQueue(label: "personas.stop.log").async {
            logger.critical(reason, metadata: metadata)
            log.flush()
            isFlushed.signal()
        }
        _ = isFlushed.wait(timeout: .now() + flushTimeout)
        _exit(ExitStatus.failed.rawValue)
    }
}

/// Behind the service that answers: leaves its socket open for a while once the process was told to stop, so that balancers learn of it before clients
/// are turned away.
struct Draining: Service {
    let http: HTTPService
    let seconds: Int

    func run() async throws {
        try await gracefulShutdown()
        http.drain()
        try? await Task.sleep(for: .seconds(seconds))
    }
}

/// The first of the list, which is stopped when all others have ended: breaks them off where they have not by the end of the grace.
struct GracePeriod: Service {
    /// What ends the group then.
    struct IsOver: Error {}

    let begun: WakeSignal
    /// From the moment on at which the process is told to stop.
    let seconds: Int
    let http: HTTPService
    /// Given when it is over.
    let brokenOff: WakeSignal

    func run() async throws {
        let isOver = await cancelWhenGracefulShutdown {
            while begun.count == 0 {
                await begun.wait(after: 0, atMost: .seconds(60))
                if Task.isCancelled { return false }
            }
            do {
                try await Task.sleep(for: .seconds(seconds))
            } catch {
                return false
            }
            // Before any of them is broken off.
            brokenOff.notify()
            http.countCutOffRequests()
            return true
        }
        if isOver == true { throw IsOver() }
    }
}
