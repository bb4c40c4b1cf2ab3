import CPostgreSQL
import Personas

/// What went wrong on a connection.
struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// Who says so.
    enum Origin: Sendable {
        /// The server, which has undone the transaction.
        case server
        /// The server, which ends the connection with it.
        case serverGoing
        /// The connection broke.
        case broken
        /// No answer came in time.
        case late
        /// No connection could be made.
        case unreachable
        /// COMMIT was sent, and nobody knows what became of it.
        case outcomeUnknown
    }

    let origin: Origin
    /// SQLSTATE: five letters or digits. `08006` where this side noticed it.
    let state: String
    let message: String
    /// The constraint that stood against it.
    var constraint: String?
    /// Which statement of the connection it was, counted from its beginning.
    var statement = 0

    init(_ origin: Origin, _ message: String, state: String = "08006", constraint: String? = nil, statement: Int = 0) {
        self.origin = origin
        self.state = state
        self.message = message
        self.constraint = constraint
        self.statement = statement
    }

    /// What a result says that is an error.
    init(_ result: OpaquePointer, _ library: PostgresLibrary, statement: Int) {
        guard let state = library.field(PostgresField.state, of: result) else {
            // What libpq says by itself has no SQLSTATE: the connection is of no more use.
            let message = library.call.PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
            self.init(.broken, Self.oneLine(message), statement: statement)
            return
        }
        let isOver = library.field(PostgresField.severity, of: result) != "ERROR"
        self.init(
            isOver ? .serverGoing : .server, library.field(PostgresField.message, of: result) ?? "", state: state,
            constraint: library.field(PostgresField.constraint, of: result), statement: statement)
    }

    /// What libpq says, which may take several lines, as one.
    static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.trimmingPrefix(while: \.isWhitespace) }.joined(separator: "; ")
    }

    /// Whether a uniqueness stood against it, or a link to an image that was to go.
    var isTaken: Bool { state == "23505" || state == "23503" && (constraint ?? "").hasSuffix("_link_object") }

    /// Whether the connection is of no more use: it is gone, or leads to a server that is stopping, or is no longer the one that writes.
    var endsConnection: Bool {
        origin != .server || state.hasPrefix("57") || state.hasPrefix("08") || state == "25006"
    }

    /// Whether the statements that the connection has prepared are not what they were.
    var isOfStalePlans: Bool { state == "26000" || state == "0A000" && message.contains("cached plan") }

    /// Whether what was undone may be done anew at once: what others did at the same time was in the way, or the connection broke before COMMIT.
    ///
    /// A server that did not answer in time is not asked again: the caller has waited long enough.
    var isToRunAgain: Bool {
        switch origin {
        case .server: ["40001", "40P01", "55P03"].contains(state) || isOfStalePlans
        case .serverGoing, .broken: true
        case .late, .unreachable, .outcomeUnknown: false
        }
    }

    var description: String {
        let name = constraint.map { " (\($0))" } ?? ""
        return "PostgreSQL: \(message)\(name) [\(state)]"
    }
}

extension Failure {
    /// What an error of a connection means to those who wait; what is none means what it says.
    init(postgres error: any Error) {
        guard let error = error as? PostgresError else {
            self = error as? Failure ?? .unexpected("\(error)")
            return
        }
        let text = error.description
        let constraint = error.constraint ?? ""
        switch (error.origin, error.state.prefix(2)) {
        case (.outcomeUnknown, _): self = .unexpected("\(text): outcome unknown")
        case (.broken, _), (.late, _), (.unreachable, _), (.serverGoing, _), (.server, "53"), (.server, "57"), (.server, "08"):
            self = .storeBusy(text)
        case (.server, _) where error.isToRunAgain || error.state == "25006": self = .storeBusy(text)
        case (.server, "23") where error.state == "23503" && constraint.hasSuffix("_account"): self = .accountMissing
        // The image went while the item that shows it came; the same request stores it anew.
        case (.server, "23") where error.state == "23503" && constraint.hasSuffix("_link_object"): self = .storeBusy(text)
        case (.server, _): self = .unexpected(text)
        }
    }
}
