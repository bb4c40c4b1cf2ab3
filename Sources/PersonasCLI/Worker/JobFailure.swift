import Personas

/// What can go wrong with a job in this worker's hands, and what the server is told of it.
///
/// The item's owner reads the words as `error.message`. So they are fixed: the cause, which names addresses of the worker's network and errors
/// of its libraries, goes to the worker's own log.
enum JobFailure: Sendable, Equatable {
    /// The server did not give a reference image, counted from 0.
    case download(reference: Int)
    /// The server gave something else than a sound image, counted from 0.
    case damaged(reference: Int)
    /// The job names no reference image.
    case noReferences
    /// The server refused the result.
    case notAccepted
    /// The worker ends before the work is done.
    case stopped

    /// How a failure is reported.
    struct Report: Equatable {
        /// The reason as a constant.
        let code: TrainingErrorCode
        /// Whether another attempt may end better.
        let isRetryable: Bool
        /// The reason in words, safe to show to every client.
        let message: String
    }

    /// What is told.
    var report: Report {
        switch self {
        case .download(let index):
            Report(code: .downloadFailed, isRetryable: true, message: "Reference image \(index + 1) could not be downloaded")
        case .damaged(let index): Report(code: .rejected, isRetryable: false, message: "Reference image \(index + 1) is damaged")
        case .noReferences: Report(code: .rejected, isRetryable: false, message: "There are no reference images")
        case .notAccepted: Report(code: .failed, isRetryable: false, message: "The worker's result was not accepted")
        case .stopped: Report(code: .failed, isRetryable: true, message: "The worker was stopped")
        }
    }
}
