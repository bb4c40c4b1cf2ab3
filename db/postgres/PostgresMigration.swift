import Crypto
import Foundation
import Personas

/// One step of the schema: a file of `db/postgres/migrations`, never changed once released.
struct PostgresMigration: Sendable {
    /// What a step is to the release before it, whose servers run on while those of the next one start.
    enum Kind: String, Sendable {
        /// Adds what the release before does not look at: its servers go on.
        case expand
        /// Takes away what it needs: its servers refuse the database.
        case contract
    }

    /// The file's name without its ending: its number, its kind, and what it does. Its order is that of the list.
    let name: String
    /// The file's text: any number of statements, without transactions of their own.
    let sql: String

    /// SHA-256 of the text in hexadecimal.
    var hash: String { hexadecimal(Array(SHA256.hash(data: Data(sql.utf8)))) }

    /// What it is, as its name says; what says nothing is taken for the worse.
    var kind: Kind {
        let parts = name.split(separator: "_")
        return parts.count > 1 ? Kind(rawValue: String(parts[1])) ?? .contract : .contract
    }

    /// Every migration, oldest first. The build embeds the files.
    static let all = [
        PostgresMigration(
            name: "v0001_expand_initial", sql: String(decoding: PackageResources.v0001_expand_initial_sql, as: UTF8.self))
    ]
}
