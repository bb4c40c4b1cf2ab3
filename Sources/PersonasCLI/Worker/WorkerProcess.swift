import AsyncHTTPClient
import ErrorEnvelope
import Foundation
import Logging
import NIOCore
import Personas
import ServiceLifecycle
import UnixSignals

/// The worker process, from its first lease to the last line of its log.
enum WorkerProcess {
    /// Runs until SIGTERM or SIGINT; with `once` until one job was handled, and not at all where there is none.
    static func run(server address: String, key: String, once: Bool, _ settings: Settings) async throws(CommandFailure) {
        let log = LogWriter()
        let logger = LineLogHandler.bootstrap(settings, writer: log)
        defer { log.flush() }
        UnknownVariables.warn(logger)
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5)))
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let worker = Worker(server: TrainingServer(client: client, address: address, key: key), once: once, logger: logger)
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        var group = ServiceGroupConfiguration(
            services: [.init(service: worker, successTerminationBehavior: .gracefullyShutdownGroup)],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        group.maximumGracefulShutdownDuration = .seconds(settings.graceSeconds)
        let failure: CommandFailure?
        do {
            try await ServiceGroup(configuration: group).run()
            failure = nil
        } catch {
            failure = error as? CommandFailure ?? CommandFailure(.failed, "the worker broke off: \(error)")
        }
        try? await client.shutdown()
        if let failure { throw failure }
    }
}

/// Leases jobs and works on them, one after the other.
struct Worker: Service {
    /// Seconds that a lease call waits for a job.
    private static let waitSeconds = 20
    /// Seconds to wait at most before a server that fails is asked again.
    private static let pauseSecondsMax = 30.0

    let server: TrainingServer
    let once: Bool
    let logger: Logger

    func run() async throws {
        logger.info("working", metadata: ["server": .string(server.address)])
        var failures = 0
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            let job: WorkerJob?
            do throws(WorkerProblem) {
                job = try await lease()
                failures = 0
            } catch {
                switch error {
                case .stopped: return
                case .refused(let body): throw CommandFailure(body)
                case .leaseLost, .passing:
                    if once { throw CommandFailure(.unavailable, error.reason) }
                    failures += 1
                    logger.warning(
                        "no job to be had", metadata: ["reason": .string(error.reason), "failures": .stringConvertible(failures)])
                    await pause(after: failures)
                    continue
                }
            }
            if let job { try await handle(job) } else if once { Output.note("personas: there is no job to handle") }
            if once { return }
        }
    }

    /// Asks for a job, and waits for one unless there is one to be handled at most; a stop ends the wait at once.
    private func lease() async throws(WorkerProblem) -> WorkerJob? {
        let result = await cancelWhenGracefulShutdown { () async -> Result<WorkerJob?, WorkerProblem> in
            do throws(WorkerProblem) {
                return .success(try await server.lease(waitSeconds: once ? 0 : Self.waitSeconds))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Works on a job to its end, even when the process is told to stop meanwhile: until the grace is over.
    /// - Throws: `failed` when how it ended could not be reported, and there is no other job to go on with.
    private func handle(_ job: WorkerJob) async throws(CommandFailure) {
        logger.info("job leased", metadata: metadata(of: job))
        let outcome = await JobRun(server: server, job: job).run()
        let name = "\(job.item.mode.rawValue) \"\(job.item.name)\" \(job.item.id), job \(job.jobID), attempt \(job.attempt)"
        let text: String
        switch outcome {
        case .completed:
            text = "Completed"
            logger.info("job completed", metadata: metadata(of: job))
        case .failed(let failure, let cause):
            text = "Failed (\(failure.report.message))"
            let details: Logger.Metadata = ["reason": .string(failure.report.message), "cause": .string(cause)]
            logger.warning("job failed", metadata: metadata(of: job).merging(details) { first, _ in first })
        case .cancelled:
            text = "Dropped (the job was cancelled)"
            logger.info("job cancelled", metadata: metadata(of: job))
        case .dropped(let reason):
            text = "Dropped (\(reason))"
            logger.warning("job dropped", metadata: metadata(of: job).merging(["reason": .string(reason)]) { first, _ in first })
        case .unreported(let reason):
            logger.warning("job not reported", metadata: metadata(of: job).merging(["reason": .string(reason)]) { first, _ in first })
            if once { throw CommandFailure(.failed, "\(name): \(reason)") }
            return
        }
        if once { Output.line("\(text): \(name)") }
    }

    private func metadata(of job: WorkerJob) -> Logger.Metadata {
        ["job_id": .string(job.jobID), "id": .string(job.item.id), "attempt": .stringConvertible(job.attempt)]
    }

    /// Backoff with jitter: waits longer after each failure, and not for the same time as other workers.
    private func pause(after failures: Int) async {
        let seconds = min(Self.pauseSecondsMax, Double(1 << min(failures - 1, 6))) * Double.random(in: 0.5...1)
        await cancelWhenGracefulShutdown { try? await Task.sleep(for: .seconds(seconds)) }
    }
}
