import GRDB
import Personas

/// Accounts in SQLite.
struct SQLiteAccountStore: AccountStore {
    private static let select = "SELECT id, name, is_suspended, has_api_access, created_at FROM account"

    let writer: GroupWriter
    let readers: ReadPool
    let keys: SQLiteAPIKeyStore
    let changes: ItemChanges

    func insert(_ account: Account) async throws(Failure) {
        try await writer.write { db in
            do {
                try db.run(
                    "INSERT INTO account (id, name, is_suspended, has_api_access, created_at) VALUES (?, ?, ?, ?, ?)",
                    [account.id.data, account.name, account.isSuspended, account.hasAPIAccess, account.createdAt.milliseconds])
            } catch let error as DatabaseError where error.extendedResultCode == .SQLITE_CONSTRAINT_UNIQUE {
                throw Failure.accountNameTaken(account.name)
            }
        }
    }

    func accounts(after name: String?, limit: Int) async throws(Failure) -> [Account] {
        try readers.read { connection in
            var accounts: [Account] = []
            let position: [SQLArgument] = [name.map(SQLArgument.text) ?? .beforeTexts, .integer(Int64(limit))]
            try connection.query("\(Self.select) WHERE name > ? ORDER BY name LIMIT ?", position) { accounts.append(try Self.decode($0)) }
            return accounts
        }
    }

    func account(named name: String) async throws(Failure) -> Account {
        try readers.read { connection in try Self.account(named: name, connection) }
    }

    func setSuspended(_ isSuspended: Bool, accountNamed name: String) async throws(Failure) -> Account {
        try await update("UPDATE account SET is_suspended = ? WHERE name = ?", [isSuspended, name], name: name)
    }

    func setAPIAccess(_ hasAPIAccess: Bool, accountNamed name: String) async throws(Failure) -> Account {
        try await update("UPDATE account SET has_api_access = ? WHERE name = ?", [hasAPIAccess, name], name: name)
    }

    func change(_ quota: QuotaChange, accountNamed name: String) async throws(Failure) -> Account {
        try await writer.write { db in
            if let items = quota.items { try db.run("UPDATE account SET items_max = ? WHERE name = ?", [items.max, name]) }
            if let bytes = quota.storedBytes { try db.run("UPDATE account SET stored_bytes_max = ? WHERE name = ?", [bytes.max, name]) }
            return try Self.account(named: name, db)
        }
    }

    func delete(accountNamed name: String, in context: WriteContext<Void>) async throws(Failure) {
        let id = try await writer.write(in: context, recording: { _ in () }, isUnbounded: true) { db in
            let id = try Self.account(named: name, db).id
            try db.run(
                """
                DELETE FROM training_job WHERE state IN ('completed', 'failed')
                    AND pikzonality_id IN (SELECT id FROM pikzonality WHERE account_id = ?)
                """, [id.data])
            try db.run(
                """
                UPDATE training_job SET state = 'cancelled'
                WHERE pikzonality_id IN (SELECT id FROM pikzonality WHERE account_id = ?)
                """, [id.data])
            try ImageLinks.queueRemoval(ofItemsWhere: "account_id = ?", [id.data], at: context.now, db)
            try db.run("DELETE FROM pikzonality WHERE account_id = ?", [id.data])
            try db.run("DELETE FROM account WHERE id = ?", [id.data])
            return id
        }
        keys.forget()
        // After the keys, because those who are woken are asked for theirs.
        changes.notify(accountGone: id)
    }

    private func update(_ sql: String, _ arguments: StatementArguments, name: String) async throws(Failure) -> Account {
        let changed = try await writer.write { db in
            try db.run(sql, arguments)
            // Within the same write, because the account may be gone after it.
            return try Self.account(named: name, db)
        }
        keys.forget()
        return changed
    }

    private static func account(named name: String, _ connection: some SQLConnection) throws -> Account {
        guard let found = try connection.first("\(select) WHERE name = ?", [.text(name)], row: decode) else { throw Failure.notFound }
        return found
    }

    private static func decode(_ row: SQLRow) throws -> Account {
        Account(
            id: try row.identifier(0), name: try row.requiredText(1), isSuspended: row.integer(2) == 1, hasAPIAccess: row.integer(3) == 1,
            createdAt: row.timestamp(4))
    }
}
