import Foundation
import Personas

/// The data folder that a move empties in effect, as rows. Nobody writes to it meanwhile.
struct MoveSource: Sendable {
    let reader: ReadPool
    private let folder: DataFolder

    /// Opens a connection beside those of the folder's storage.
    init(folder: DataFolder) throws(Failure) {
        self.folder = folder
        do {
            reader = try ReadPool(path: folder.database, count: 1)
        } catch {
            throw Failure(storage: error)
        }
    }

    /// Closes it.
    func close() { reader.close() }

    /// Counts what there is.
    func count(_ report: inout MoveReport) throws(Failure) {
        let (rows, sizes) = try reader.lend { connection in
            let rows = try MovedTable.all.map { table in
                (table.name, try connection.first("SELECT count(*) FROM \"\(table.name)\"", [], row: { Int($0.integer(0)) }) ?? 0)
            }
            let bytes = try connection.first("SELECT sum(byte_count) FROM media", [], row: { Int($0.integer(0)) }) ?? 0
            return (Dictionary(uniqueKeysWithValues: rows), bytes)
        }
        report.accounts = rows["account"] ?? 0
        report.items = (rows["pikzonality"] ?? 0) + (rows["trash_item"] ?? 0)
        report.images = rows["media"] ?? 0
        report.imageBytes = sizes
        report.rows = rows.values.reduce(0, +)
    }

    /// Looks for what PostgreSQL cannot hold, before anything is sent.
    /// - Throws: `configuration`, naming the table and the row.
    func requireMovable(to target: any SQLConnection) throws {
        try reader.lend { connection in
            for table in MovedTable.all {
                let shape = try MovedShape(table, from: connection, to: target)
                guard let sql = shape.selectWithNought else { continue }
                try connection.query(sql, []) { row in
                    var rows = MovedRows(shape, objects: MovedObjects(of: ""))
                    // It names the column.
                    try rows.add(fromSource: row)
                }
            }
        }
    }

    /// Makes sure that the secrets of all endpoints open with the key that the servers of the database will have.
    /// - Throws: `configuration`.
    func requireKey(in file: String) throws(Failure) {
        let key = SecretsKeyFile(path: file) { () throws(Failure) in true }
        let sealed = try reader.lend { connection in
            try connection.all("SELECT id, secret, previous_secret FROM webhook", []) { row in
                let secrets = [Array(row.bytes(1)), Array(row.bytes(2))].filter { !$0.isEmpty }
                return (id: try row.identifier(0), secrets: secrets.map { SealedSecret(bytes: $0) })
            }
        }
        for (id, secrets) in sealed {
            for secret in secrets {
                do throws(Failure) {
                    _ = try key.open(secret, for: id)
                } catch {
                    throw .configuration(
                        setting: "secrets-key-file",
                        reason:
                            "the file \(file) does not open the secrets of the folder's webhooks: put the key there that they are sealed with, "
                            + "which is \(folder.secretsKey) unless the folder's server was given another file")
                }
            }
        }
    }
}
