import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import NIOCore
import Personas
import PersonasHTTP

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

    init(_ status: ExitStatus, code: String? = nil, _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    /// A failure of a use case, in the words in which the server would send it.
    init(_ failure: Failure) {
        switch failure {
        case .configuration(let setting, let reason):
            self.init(.configuration, code: ErrorCode.configurationError.rawValue, "\(setting): \(reason)")
        case .storeBusy(let text):
            self.init(.unavailable, code: failure.envelopeError.code.rawValue, "\(failure.envelopeError.message) (\(text))")
        case .unexpected(let text), .mediaNotStored(let text):
            // There is no server whose log could hold the text, and whoever runs the command owns the data.
            let error = failure.envelopeError
            self.init(.failed, code: error.code.rawValue, "\(error.message) (\(text))")
        case .usedUp:
            self.init(.unavailable, code: failure.envelopeError.code.rawValue, failure.envelopeError.message)
        default:
            let error = failure.envelopeError
            self.init(.failed, code: error.code.rawValue, error.message)
        }
    }

    /// A failure that a server reports.
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

    /// The same with other words.
    func saying(_ message: String) -> CommandFailure { CommandFailure(status, code: code, message) }

    /// The same with words in front that say what it happened to.
    func at(_ place: String) -> CommandFailure { saying("\(place): \(message)") }
}
