import Personas

/// How much is stored in a database that several processes share.
struct PostgresStoreUsage: StoreUsage {
    let reader: PostgresReader
    let writer: PostgresWriter

    func contents() async throws(Failure) -> StoreContents { try await reader.scan(StoredContents.read) }

    /// The server counts them, and may take its time: what it is asked for goes on the connections of searches.
    func images() async throws(Failure) -> ImageVolume {
        try await reader.scan { connection in
            var volume = ImageVolume()
            let sql = "SELECT count(*), CAST(coalesce(sum(byte_count), 0) AS BIGINT) FROM media WHERE is_stored = 1"
            try connection.query(sql, []) { row in
                volume.images = Int(row.integer(0))
                volume.bytes = Int(row.integer(1))
            }
            return volume
        }
    }

    /// The disk is the server's.
    func disk() -> DiskUse { DiskUse(databaseBytes: nil, freeBytes: nil) }

    var waitingWrites: Int { writer.waitingCount }
}
