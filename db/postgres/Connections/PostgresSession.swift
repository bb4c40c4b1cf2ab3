import CPostgreSQL
import Foundation
import Personas

/// What every connection tells the server first, and what it wants to hear.
enum PostgresSession {
    /// The oldest version that has what the schema and the client library need: 14.
    private static let versionMin = 140_000
    /// Milliseconds after which the server ends a transaction whose client has gone without a word: longer than any pause within one here.
    private static let idleMillisecondsMax = 30_000

    /// Sets how long things may take and how sure a commit is, and looks whether the server keeps what it is told.
    /// - Throws: `configuration` where it does not.
    static func prepare(_ connection: PostgresConnection, _ settings: PostgresSettings) throws {
        let call = connection.wire.library.call
        let version = Int(call.PQserverVersion(connection.wire.handle))
        guard version >= versionMin else {
            throw refusal("PostgreSQL is of version \(version / 10_000), and has to be of version 14 or newer")
        }
        let encoding = call.PQparameterStatus(connection.wire.handle, "server_encoding").map { String(cString: $0) } ?? ""
        guard encoding == "UTF8" else { throw refusal("the database is encoded in \(encoding), and has to be in UTF8") }
        let milliseconds = PostgresSettings.serverMilliseconds(of: settings.statementMillisecondsMax)
        let words: [(String, String)] =
            [
                ("statement_timeout", "\(milliseconds)"),
                ("lock_timeout", "\(min(settings.lockMillisecondsMax, milliseconds))"),
                ("idle_in_transaction_session_timeout", "\(idleMillisecondsMax)"),
                ("default_transaction_isolation", "read committed"),
                ("default_transaction_read_only", settings.isReadOnly ? "on" : "off"),
                ("standard_conforming_strings", "on"),
            ] + plans(isScanning: settings.isScanning)
        let places = words.map { _ in "set_config(?, ?, false)" }.joined(separator: ", ")
        let fsync = try connection.first(
            // Who has commits wait until standbys show them wants more, not less.
            """
            SELECT current_setting('fsync'), \(places), set_config(
                'synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)
            """, words.flatMap { [$0.0, $0.1] }
        ) { try $0.requiredText(0) }
        guard fsync == "on" else {
            throw refusal("PostgreSQL runs with fsync=off, so that a power cut takes what it has acknowledged: turn fsync on")
        }
    }

    /// How statements are planned: once, for whatever values, along an index wherever there is one. Without values a plan would take `LIMIT ?` for a tenth of
    /// the table, and read it whole. These words forbid nothing: what has no other way still runs.
    /// - Parameter isScanning: whether searches come, which ask the index of names, by a bitmap and by nothing else.
    private static func plans(isScanning: Bool) -> [(String, String)] {
        let avoided = ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_material", "jit"]
        return avoided.map { ($0, "off") } + [
            ("enable_bitmapscan", isScanning ? "on" : "off"), ("max_parallel_workers_per_gather", "0"),
            ("plan_cache_mode", "force_generic_plan"),
        ]
    }

    private static func refusal(_ reason: String) -> Failure { .configuration(setting: "database", reason: reason) }
}
