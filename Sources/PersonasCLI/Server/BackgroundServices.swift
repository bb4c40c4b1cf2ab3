import Foundation
import Logging
import Personas
import ServiceLifecycle

/// Trains in this process until shutdown; the jobs in hand are finished or handed back.
struct EmbeddedTraining: Service {
    /// Trainings at once that take their time: more than anybody watches, and few enough that all can be handed back in a moment.
    private static let pacedJobsMax = 512

    let training: Training
    let images: ImageLibrary
    /// How long each is to take; zero for no longer than it needs.
    let duration: Duration
    let logger: Logger

    func run() async {
        let (trainer, isPaced) = (EmbeddedTrainer(images: images), duration > .zero)
        let loop = TrainingLoop(
            training: training, trainer: isPaced ? PacedTrainer(trainer, training: training, lasting: duration) : trainer,
            jobsHeldMax: isPaced ? Self.pacedJobsMax : nil
        ) { failure in
            logger.error("training could not go on", metadata: ["reason": "\(failure)"])
        }
        await cancelWhenGracefulShutdown { await loop.run() }
    }
}

/// Has an engine work until shutdown. What it has in hand then gets a moment to end; what is given up is done after the next start, under the same id.
struct Working: Service {
    /// How long work in hand goes on after a stop: most ends at once, and the rest need not keep everybody waiting.
    private static let endSecondsMax = 5

    let engine: any WorkEngine
    /// How long the process may take to end.
    let graceSeconds: Int

    func run() async {
        await withGracefulShutdownHandler {
            await engine.run(endingWithin: .seconds(min(graceSeconds, Self.endSecondsMax)))
        } onGracefulShutdown: {
            engine.stop()
        }
    }
}

/// Ends the leases of workers that gave no sign of life, so that their items fail or are trained by others on time.
struct LeaseExpiry: Service {
    let training: Training
    let logger: Logger

    func run() async {
        await cancelWhenGracefulShutdown {
            var isFailing = false
            while !Task.isCancelled {
                do throws(Failure) {
                    try await training.expireLeases()
                    isFailing = false
                } catch {
                    // Once a second the same line would hide all others.
                    if !isFailing { logger.error("leases could not be ended", metadata: ["reason": "\(error)"]) }
                    isFailing = true
                }
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }
}

/// Does away with what is over: every minute, which also makes good what went wrong before, and where there is a signal soon after each one.
struct Clearing: Service {
    private static let pauseMax = Duration.seconds(60)

    /// What the log says of what was done, and of a failure.
    let (done, failed): (String, String)
    /// Given when something may be over; one that never is, where nothing tells.
    var signal = WakeSignal()
    let logger: Logger
    /// How long until something more is over that is known of already; nil where nothing is.
    var untilNext: @Sendable () async throws(Failure) -> Duration? = { () throws(Failure) in nil }
    /// Does away with it. Returns how many were.
    let clear: @Sendable () async throws(Failure) -> Int

    func run() async {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let seen = signal.count
                var pause = Self.pauseMax
                do throws(Failure) {
                    let count = try await clear()
                    if count > 0 { logger.debug("\(done)", metadata: ["count": .stringConvertible(count)]) }
                    if let untilNext = try await untilNext() { pause = min(pause, untilNext) }
                } catch {
                    logger.error("\(failed)", metadata: ["reason": "\(error)"])
                }
                await signal.wait(after: seen, atMost: pause)
            }
        }
    }
}

/// Saves when keys were used last: every minute in which one was, and when everything that uses keys has ended.
struct KeyUseSaving: Service {
    private static let pause = Duration.seconds(60)

    let uses: KeyUses
    let logger: Logger

    func run() async {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.pause)
                await save()
            }
        }
    }

    private func save() async {
        do throws(Failure) {
            try await uses.save()
        } catch {
            logger.error("the last uses of keys could not be saved", metadata: ["reason": "\(error)"])
        }
    }
}

/// Starts a service once a signal was given, so that it need not be stopped again when what it follows cannot start at all.
struct Following: Service {
    let signal: WakeSignal
    let service: any Service

    func run() async throws {
        while signal.count == 0 {
            await cancelWhenGracefulShutdown { await signal.wait(after: 0, atMost: .seconds(60)) }
            if Task.isCancelled || Task.isShuttingDownGracefully { return }
        }
        try await service.run()
    }
}

/// Gives memory that was freed in small pieces back to the system after a peak, which the allocator does not do by itself.
struct MemoryReturn: Service {
    /// Growth that is worth a walk over all that the allocator has.
    private static let growthBytesMin = 16 * 1_024 * 1_024
    /// Rounds after which a walk is worth it although nothing has grown: what was in use at the last one may be free by now.
    private static let roundsMax = 6

    func run() async {
        await cancelWhenGracefulShutdown {
            let initialBytes = Allocator.residentBytes
            var (settledBytes, rounds) = (initialBytes, 0)
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(10))
                rounds += 1
                let bytes = Allocator.residentBytes
                let isOverdue = rounds >= Self.roundsMax && bytes > initialBytes + Self.growthBytesMin
                guard isOverdue || bytes > settledBytes + Self.growthBytesMin else { continue }
                Allocator.returnFreeMemory()
                (settledBytes, rounds) = (Allocator.residentBytes, 0)
            }
        }
    }
}
