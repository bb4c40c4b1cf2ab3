import Personas

/// Earlier states of items as rows.
struct SQLRevisionStore: RevisionStore {
    let readers: any SQLReader

    func revisions(
        of id: Identifier, mode: Mode?, accountID: Identifier, before number: Int?, limit: Int
    ) async throws(Failure) -> [Revision] {
        try await readers.read { connection in
            try connection.atOneMoment {
                try Self.requireItem(id, mode: mode, accountID: accountID, connection)
                return try RevisionRows.page(of: id, before: number, limit: limit, connection)
            }
        }
    }

    func revision(_ number: Int, of id: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> Revision {
        try await readers.read { connection in
            try connection.atOneMoment {
                try Self.requireItem(id, mode: mode, accountID: accountID, connection)
                guard let revision = try RevisionRows.find(number, of: id, connection) else { throw Failure.notFound }
                return revision
            }
        }
    }

    private static func requireItem(_ id: Identifier, mode: Mode?, accountID: Identifier, _ connection: any SQLConnection) throws {
        _ = try SQLPikzonalityStore.require(try ItemRow.find(id, connection), mode: mode, accountID: accountID)
    }
}
