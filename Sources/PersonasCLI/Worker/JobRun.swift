import Foundation
import Personas
import Synchronization

/// How a job ended for this worker. The texts are for its own log.
enum JobOutcome: Sendable, Equatable {
    /// It is completed.
    case completed
    /// It failed and that was reported; the cause is not.
    case failed(JobFailure, cause: String)
    /// It was called off, and there is nothing to report.
    case cancelled
    /// It is not this worker's any more, and nothing was changed.
    case dropped(String)
    /// How it ended could not be reported, so that another worker gets it when the lease runs out.
    case unreported(String)
}

/// One job in this worker's hands: the work, and the signs of life beside it.
struct JobRun: Sendable {
    /// Pauses between two tries of a call, in seconds. Together they are shorter than the usual lease.
    private static let pauses = [1, 2, 4, 8]
    /// Why the work is broken off after the signs of life have ended.
    private static let lost = "the job is not this worker's any more"

    let server: TrainingServer
    let job: WorkerJob
    private let state = JobProgress()
    private let heartbeatInterval: Duration

    /// Takes a job that was just leased.
    init(server: TrainingServer, job: WorkerJob) {
        self.server = server
        self.job = job
        heartbeatInterval = job.heartbeatInterval
    }

    /// Works until the job has ended. A cancelled task gives the job back for another try.
    func run() async -> JobOutcome {
        await withTaskGroup(of: JobOutcome?.self) { group in
            group.addTask { await signsOfLife() }
            group.addTask { await work() }
            defer { group.cancelAll() }
            while let outcome = await group.next() {
                if let outcome { return outcome }
            }
            return .dropped("the worker was stopped")
        }
    }

    private func work() async -> JobOutcome {
        var portrait: [UInt8]?
        for (index, url) in job.reference.enumerated() {
            let bytes: [UInt8]
            do throws(WorkerProblem) {
                bytes = try await persistently { () async throws(WorkerProblem) in try await server.image(at: url) }
            } catch {
                return await fail(of: error, .download(reference: index))
            }
            do throws(ImageProblem) {
                let image = try ImageSanitizer.sanitize(bytes, removingMetadata: false)
                portrait = portrait ?? image.bytes
            } catch {
                return await fail(.damaged(reference: index), cause: "it \(error.reason)")
            }
            state.advance(to: 99 * (index + 1) / max(1, job.reference.count))
        }
        guard let portrait else { return await fail(.noReferences, cause: "the job names none") }
        state.finish()
        do throws(WorkerProblem) {
            try await persistently { () async throws(WorkerProblem) in try await server.complete(job, portrait: portrait) }
            return .completed
        } catch {
            switch error {
            case .leaseLost: return await outcomeOfLoss()
            // Whether it was completed is not known; if not, the lease runs out.
            case .passing(let reason): return .unreported("that it is completed could not be reported: \(reason)")
            case .refused, .stopped: return await fail(of: error, .notAccepted)
            }
        }
    }

    /// Reports that a call went wrong in a way that ends the job.
    private func fail(of problem: WorkerProblem, _ failure: JobFailure) async -> JobOutcome {
        guard case .stopped = problem else { return await fail(failure, cause: problem.reason) }
        // The task is cancelled when the process stops, and when there is no use for the work any more; then there is none for a report either.
        return state.isDropped ? .dropped(Self.lost) : await fail(.stopped, cause: problem.reason)
    }

    private func fail(_ failure: JobFailure, cause: String) async -> JobOutcome {
        state.finish()
        // In a task of its own, because the report is wanted most when this one was cancelled.
        let report = Task {
            do throws(WorkerProblem) {
                try await persistently { () async throws(WorkerProblem) in try await server.fail(job, failure.report) }
                return JobOutcome.failed(failure, cause: cause)
            } catch {
                let reason = "\(failure.report.message): \(cause); and that could not be reported: \(error.reason)"
                if case .leaseLost = error { return await isCancelled() ? JobOutcome.cancelled : .dropped(reason) }
                return JobOutcome.unreported(reason)
            }
        }
        return await report.value
    }

    /// What became of a job on which no report is taken any more.
    private func outcomeOfLoss() async -> JobOutcome { await isCancelled() ? .cancelled : .dropped("the lease was lost") }

    /// Whether the job was called off, which the server tells for a while whoever held it last.
    private func isCancelled() async -> Bool { (try? await server.heartbeat(job, progress: 0)) ?? false }

    /// Makes a call, again when the server cannot take it now.
    private func persistently<Value: Sendable>(_ call: () async throws(WorkerProblem) -> Value) async throws(WorkerProblem) -> Value {
        for pause in Self.pauses {
            do throws(WorkerProblem) {
                return try await call()
            } catch {
                guard case .passing = error else { throw error }
                try? await Task.sleep(for: .seconds(pause))
            }
        }
        return try await call()
    }

    /// Prolongs the lease until the work is done, at once when there is progress to tell. Nil when it was the work that ended.
    private func signsOfLife() async -> JobOutcome? {
        while !Task.isCancelled {
            let (seen, progress) = state.snapshot()
            await state.signal.wait(after: seen, atMost: heartbeatInterval)
            let now = state.snapshot()
            if Task.isCancelled || state.isFinishing { return nil }
            do throws(WorkerProblem) {
                if try await server.heartbeat(job, progress: max(progress, now.progress)) {
                    state.drop()
                    return .cancelled
                }
            } catch {
                // The answer may have been overtaken by the end of the job, which ends the lease as well.
                if case .leaseLost = error, !state.isFinishing {
                    state.drop()
                    return .dropped("the lease was lost")
                }
            }
        }
        return nil
    }
}

/// How far a job is, for the tasks that tell the server.
private final class JobProgress: Sendable {
    private struct State {
        var progress = 0
        var isFinishing = false
        var isDropped = false
    }

    private let state = Mutex(State())
    /// Notified when there is progress.
    let signal = WakeSignal()

    var isFinishing: Bool { state.withLock { $0.isFinishing } }
    var isDropped: Bool { state.withLock { $0.isDropped } }

    func snapshot() -> (seen: UInt64, progress: Int) { (signal.count, state.withLock { $0.progress }) }

    func advance(to progress: Int) {
        state.withLock { $0.progress = max($0.progress, progress) }
        signal.notify()
    }

    /// From here on the job is no longer this worker's.
    func drop() { state.withLock { $0.isDropped = true } }

    /// From here on the last report is under way.
    func finish() {
        state.withLock { $0.isFinishing = true }
        signal.notify()
    }
}

extension WorkerJob {
    /// A third of the lease, so that two signs of life may be lost; within bounds, because the clocks of two machines may differ.
    fileprivate var heartbeatInterval: Duration {
        let longest = Double(Limits.leaseSeconds) / 3
        guard let expiry = try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(leaseExpiresAt) else {
            return .seconds(longest)
        }
        return .seconds(min(max(expiry.timeIntervalSinceNow / 3, 0.3), longest))
    }
}
