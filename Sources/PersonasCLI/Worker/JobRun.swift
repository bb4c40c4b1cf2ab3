import ErrorEnvelope
import Foundation
import Personas
import Synchronization

/// How a job ended for this worker.
enum JobOutcome: Sendable, Equatable {
    /// It is completed.
    case completed
    /// It failed, for the reason reported.
    case failed(String)
    /// It is not this worker's any more, and nothing was changed.
    case dropped(String)
}

/// One job in this worker's hands: the work, and the signs of life beside it.
struct JobRun: Sendable {
    /// Pauses between two tries of a report, in seconds. Together they are shorter than the usual lease.
    private static let reportPauses = [1, 2, 4, 8]

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
        do throws(WorkerProblem) {
            var portrait: [UInt8]?
            for (index, url) in job.reference.enumerated() {
                let bytes: [UInt8]
                do throws(WorkerProblem) {
                    bytes = try await server.image(at: url)
                } catch {
                    return await failDownload(of: index, error)
                }
                do throws(ImageProblem) {
                    let image = try ImageProbe.probe(bytes, removingMetadata: false)
                    portrait = portrait ?? image.bytes
                } catch {
                    return await fail(.rejected, "reference image \(index + 1) \(error.reason)", retryable: false)
                }
                state.advance(to: 99 * (index + 1) / max(1, job.reference.count))
            }
            guard let portrait else { return await fail(.rejected, "there are no reference images", retryable: false) }
            state.finish()
            try await reporting { () async throws(WorkerProblem) in try await server.complete(job, portrait: portrait) }
            return .completed
        } catch {
            switch error {
            case .leaseLost: return .dropped("the lease was lost")
            case .passing(let reason): return .dropped(reason)
            case .refused(let body): return await fail(.failed, body.message, retryable: false)
            case .stopped: return await fail(.failed, "the worker was stopped", retryable: true)
            }
        }
    }

    private func failDownload(of index: Int, _ problem: WorkerProblem) async -> JobOutcome {
        let reason: String
        switch problem {
        // The task is cancelled when the process stops, and when there is no use for the work any more; then nobody wants to hear of it.
        case .stopped:
            guard !state.isDropped else { return .dropped("the job is not this worker's any more") }
            return await fail(.failed, "the worker was stopped", retryable: true)
        case .passing(let text): reason = text
        case .refused(let body): reason = "\(body.codeText): \(body.message)"
        case .leaseLost: reason = "the server answered with a conflict"
        }
        return await fail(.downloadFailed, "reference image \(index + 1) could not be downloaded: \(reason)", retryable: true)
    }

    private func fail(_ code: TrainingErrorCode, _ message: String, retryable: Bool) async -> JobOutcome {
        state.finish()
        // In a task of its own, because the report is wanted most when this one was cancelled.
        let report = Task {
            do throws(WorkerProblem) {
                try await reporting { () async throws(WorkerProblem) in
                    try await server.fail(job, code: code, message: message, retryable: retryable)
                }
                return JobOutcome.failed(message)
            } catch {
                return JobOutcome.dropped("\(message), and the failure could not be reported")
            }
        }
        return await report.value
    }

    /// Sends a report, again when the server cannot take it now.
    private func reporting(_ send: () async throws(WorkerProblem) -> Void) async throws(WorkerProblem) {
        for pause in Self.reportPauses {
            do throws(WorkerProblem) {
                return try await send()
            } catch {
                guard case .passing = error else { throw error }
                try? await Task.sleep(for: .seconds(pause))
            }
        }
        try await send()
    }

    /// Prolongs the lease until the work is done, at once when there is progress to tell. Nil when it was the work that ended.
    private func signsOfLife() async -> JobOutcome? {
        while !Task.isCancelled {
            let (seen, progress) = state.snapshot()
            await state.bell.wait(after: seen, atMost: heartbeatInterval)
            let now = state.snapshot()
            if Task.isCancelled || state.isFinishing { return nil }
            do throws(WorkerProblem) {
                if try await server.heartbeat(job, progress: max(progress, now.progress)) {
                    state.drop()
                    return .dropped("the job was cancelled")
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

/// How far a job is, for those who tell the server.
private final class JobProgress: Sendable {
    private struct State {
        var progress = 0
        var isFinishing = false
        var isDropped = false
    }

    private let state = Mutex(State())
    /// Rung when there is progress.
    let bell = Bell()

    var isFinishing: Bool { state.withLock { $0.isFinishing } }
    var isDropped: Bool { state.withLock { $0.isDropped } }

    func snapshot() -> (seen: UInt64, progress: Int) { (bell.count, state.withLock { $0.progress }) }

    func advance(to progress: Int) {
        state.withLock { $0.progress = max($0.progress, progress) }
        bell.ring()
    }

    /// From here on the job is no longer this worker's.
    func drop() { state.withLock { $0.isDropped = true } }

    /// From here on the last report is under way.
    func finish() {
        state.withLock { $0.isFinishing = true }
        bell.ring()
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
