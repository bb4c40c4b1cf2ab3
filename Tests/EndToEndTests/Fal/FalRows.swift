import GRDB

/// What a service has written down about requests at fal.
enum FalRows {
    /// Where each of them stands.
    static func states(_ stage: Stage) throws -> [String] {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        return try DatabaseQueue(path: "\(stage.data)/personas.sqlite", configuration: configuration).read { db in
            try String.fetchAll(db, sql: "SELECT state FROM fal_request ORDER BY intended_at")
        }
    }
}
