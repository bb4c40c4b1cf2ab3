/// An operation on a file that the system refused.
package struct FileFailure: Sendable, Codable, Equatable {
    /// What was to be done: "open".
    package let operation: String
    /// The file or folder; nil where only its descriptor is known.
    package let path: String?
    /// The system's reason: "Permission denied".
    package let reason: String

    package init(operation: String, path: String?, reason: String) {
        self.operation = operation
        self.path = path
        self.reason = reason
    }

    /// All of it in one line: "open /a/b: Permission denied".
    package var text: String { "\(operation)\(path.map { " " + $0 } ?? ""): \(reason)" }
}
