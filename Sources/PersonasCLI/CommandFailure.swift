import ErrorEnvelope
import Foundation
import NIOCore
import Personas

/// What a process tells its caller when it ends.
enum ExitStatus: Int32, Sendable {
    /// It could not be done.
    case failed = 1
    /// The database or the server cannot be reached.
    case unavailable = 69
    /// A setting is missing or invalid.
    case configuration = 78
}

/// Why a command did not do what it was asked for: one line for people and a number for programs.
struct CommandFailure: Error, Equatable {
    /// The number.
    let status: ExitStatus
    /// The error code, where the failure has one.
    let code: String?
    /// The reason in words.
    let message: String
    /// What the use case failed with, where it was one that did, for those who have better words for it.
    var failure: Failure?

    init(_ status: ExitStatus, code: String? = nil, _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    /// A failure that a server reports in its own words.
    init(_ body: ErrorBody) {
        let isUnavailable = body.codeText == ErrorCode.serviceUnavailable.rawValue
        self.init(isUnavailable ? .unavailable : .failed, code: body.codeText, body.message)
    }

    /// What a failed connection was about, in the system's words where it has some.
    static func reason(of error: any Error) -> String {
        if let error = error as? IOError { return String(cString: strerror(error.errnoCode)) }
        if error is CancellationError { return "it took too long" }
        return String(describing: error)
    }

    /// The line for people.
    var line: String { "personas: " + (code.map { "\($0): " } ?? "") + message }

    /// Whether the reason is that something named does not exist.
    var isNotFound: Bool { code == ErrorCode.notFound.rawValue }

    /// The same in other words, if they say what it is that does not exist, and that is why.
    func naming(_ missing: String?) -> CommandFailure { isNotFound ? missing.map(saying) ?? self : self }

    /// The same with other words.
    func saying(_ message: String) -> CommandFailure {
        var other = CommandFailure(status, code: code, message)
        other.failure = failure
        return other
    }

    /// The same with words in front that say what it happened to.
    func at(_ place: String) -> CommandFailure { saying("\(place): \(message)") }

    /// A failure to open a data folder, which is the database's and not the request's.
    init(opening directory: String, _ failure: Failure) {
        let own = CommandFailure(failure)
        // A setting at fault is named already.
        self =
            own.status == .configuration
            ? own : CommandFailure(.unavailable, code: own.code, "\(directory) cannot be opened: \(own.message)")
    }
}
