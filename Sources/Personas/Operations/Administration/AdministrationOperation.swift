/// One thing that an operator can ask for, and what is answered, as one value that travels whole: a command carries it out in its own process or
/// sends it to the running server, and the operator cannot tell the difference.
package protocol AdministrationOperation: Sendable, Codable {
    /// What is answered.
    associatedtype Reply: Sendable, Codable

    /// Whether it may take minutes, so that the operator is to be shown how far it has come, and may cancel it.
    static var isLong: Bool { get }

    /// Whether it may leave images that nothing needs, whose bytes are to be removed soon after it.
    static var leavesImages: Bool { get }

    /// Whether it leaves a training job, which waits until a server runs.
    static var leavesTraining: Bool { get }

    /// Whether it is asked for in order to change at once what a running server does, so that the operator is to be told where none runs.
    static var aimsAtServer: Bool { get }

    /// The use case.
    /// - Parameter progress: told how far it has come, if it takes long.
    func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Reply
}

extension AdministrationOperation {
    /// The name under which it travels.
    package static var name: String { String(describing: Self.self) }

    package static var isLong: Bool { false }

    package static var leavesImages: Bool { false }

    package static var leavesTraining: Bool { false }

    package static var aimsAtServer: Bool { false }
}

/// An operation that answers one page of a list, however long that is.
package protocol PagedOperation: AdministrationOperation where Reply == [Row] {
    /// An entry of the list.
    associatedtype Row: Sendable, Codable

    /// What asks for the page that follows an answer, nil if that was the last.
    func next(after page: [Row]) -> Self?
}

/// A part of a list for an operator, and where the rest begins.
package struct OperatorPage<Row: Sendable, Place: Sendable>: Sendable {
    /// What is shown.
    package let rows: [Row]
    /// What the next page follows; nil where there is no more.
    package let next: Place?

    package init(rows: [Row], next: Place?) {
        self.rows = rows
        self.next = next
    }

    /// Cuts a page off what was found, which is one row more where there is more.
    package init(_ found: [Row], limit: Int, place: (Row) -> Place) {
        rows = Array(found.prefix(limit))
        next = found.count > limit ? rows.last.map(place) : nil
    }

    /// The same with other rows.
    package func map<Other: Sendable>(_ transform: (Row) -> Other) -> OperatorPage<Other, Place> {
        OperatorPage<Other, Place>(rows: rows.map(transform), next: next)
    }
}

extension OperatorPage: Codable where Row: Codable, Place: Codable {}

/// An operation that answers some rows of a list that an operator goes on with as long as it is of use.
package protocol ContinuedOperation: AdministrationOperation where Reply == OperatorPage<Row, Place> {
    /// An entry of the list.
    associatedtype Row: Sendable, Codable
    /// Where in the list an entry stands, as operators write it.
    associatedtype Place: Sendable, Codable, LosslessStringConvertible

    /// The same list from another place on, and so many rows of it at most. There may be fewer, or none, although there is more.
    func continued(after place: Place, limit: Int) -> Self
}

/// Every operation that a server takes from others, by name.
package struct AdministrationRegistry: Sendable {
    private let operations: [String: any AdministrationOperation.Type]

    /// Takes the operations; one that is there twice counts once.
    package init(_ operations: some Sequence<any AdministrationOperation.Type>) {
        self.operations = Dictionary(operations.map { ($0.name, $0) }) { first, second in
            precondition(first == second, "two operations are named \(first.name)")
            return first
        }
    }

    /// The operation of a name, nil if another version has given it.
    package func operation(named name: String) -> (any AdministrationOperation.Type)? { operations[name] }
}

/// What comes back: the whole answer of an operation that takes a moment, a line of the answer of one that takes long.
package struct AdministrationMessage<Reply: Sendable & Codable>: Sendable, Codable {
    /// How far it has come.
    package let progress: WorkProgress?
    /// The reply, at the end.
    package let reply: Reply?
    /// The failure, at the end, as the use case threw it.
    package let failure: Failure?

    package init(progress: WorkProgress? = nil, reply: Reply? = nil, failure: Failure? = nil) {
        self.progress = progress
        self.reply = reply
        self.failure = failure
    }
}
