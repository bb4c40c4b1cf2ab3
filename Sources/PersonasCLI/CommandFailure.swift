import ErrorEnvelope
import Foundation
import JSONText
import NIOCore
import Personas

/// What a process tells its caller when it ends.
enum ExitStatus: Int32, Sendable {
    /// It could not be done.
    case failed = 1
    /// What it was asked for is wrong, whatever the data are.
    case usage = 64
    /// The database or the server cannot be reached.
    case unavailable = 69
    /// A setting is missing or invalid.
    case configuration = 78

    /// The code of the catalogue for a failure that has none of its own.
    fileprivate var code: ErrorCode {
        switch self {
        // The state of a file, a folder or the data stands against it.
        case .failed: .conflict
        case .usage: .validationError
        case .unavailable: .serviceUnavailable
        case .configuration: .configurationError
        }
    }
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
    /// One line for each of several things that are wrong at once; the message has them all.
    private var separateLines: [String] = []

    init(_ status: ExitStatus, code: String? = nil, _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    /// A failure for several reasons, each with the place where a person has to look.
    init(lines: [String]) {
        self.init(.failed, code: ErrorCode.validationError.rawValue, lines.joined(separator: "\n"))
        separateLines = lines
    }

    /// A failure that a server reports in its own words.
    init(_ body: ErrorBody) {
        let isUnavailable = body.codeText == ErrorCode.serviceUnavailable.rawValue
        self.init(isUnavailable ? .unavailable : .failed, code: body.codeText, body.message)
    }

    /// Why an archive did not get through, whatever threw it.
    init(ofArchive error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let failure as Failure: self = CommandFailure(failure)
        case is CancellationError: self = CommandFailure(.failed, Self.interrupted)
        default:
            self =
                Task.isCancelled
                ? CommandFailure(.failed, Self.interrupted)
                : CommandFailure(.unavailable, "the server went away before it was done (\(CommandFailure.reason(of: error)))")
        }
    }

    private static let interrupted = "interrupted; items that were created before stay"

    /// The line for people.
    var line: String { "personas: " + (code.map { "\($0): " } ?? "") + message }

    /// All lines for people.
    var lines: [String] { separateLines.isEmpty ? [line] : separateLines.map { "personas: " + $0 } }

    /// The line for programs: JSON, and always with a code of the catalogue.
    var json: [UInt8] {
        var line = Array(#"{"error":{"code":""#.utf8)
        line.append(json: code ?? status.code.rawValue, .logs)
        line += Array(#"","message":""#.utf8)
        line.append(json: message, .logs)
        return line + Array(#""}}"#.utf8)
    }

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
