/// Databases that others are copied from, which takes a tenth of a second whatever is in them.
package actor PostgresTemplates {
    /// Those of the server that most tests share.
    package static let shared = PostgresTemplates()

    private var templates: [String: Task<String, any Error>] = [:]

    /// The name of a template, made by the first that asks for it.
    /// - Parameters:
    ///   - key: what tells it from others; a part of its name.
    ///   - prepare: fills it, and leaves no connection open.
    package func name(_ key: String, prepare: @escaping @Sendable (_ address: String) async throws -> Void) async throws -> String {
        if let template = templates[key] { return try await template.value }
        let task = Task {
            let server = try PostgresServer.shared.get()
            let name = "template_\(key)"
            try server.run("CREATE DATABASE \(name)")
            try await prepare(server.address(of: name))
            return name
        }
        templates[key] = task
        return try await task.value
    }
}
