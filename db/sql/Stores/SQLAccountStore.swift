import Personas

/// Accounts as rows.
struct SQLAccountStore: AccountStore {
    private static let select = "SELECT id, name, is_suspended, has_api_access, created_at FROM account"

    let writer: any SQLWriter
    let readers: any SQLReader
    let keys: SQLAPIKeyStore
    let changes: ItemChanges

    func insert(_ account: Account, in context: WriteContext<Void>) async throws(Failure) {
        try await writer.write(in: context) { db in
            let inserted: Void? = try db.unlessTaken {
                try db.run(
                    "INSERT INTO account (id, name, is_suspended, has_api_access, created_at) VALUES (?, ?, ?, ?, ?)",
                    [account.id, account.name, account.isSuspended, account.hasAPIAccess, account.createdAt.milliseconds])
            }
            guard inserted != nil else { throw Failure.accountNameTaken(account.name) }
        }
    }

    func accounts(after name: String?, limit: Int) async throws(Failure) -> [Account] {
        try await readers.read { connection in
            var accounts: [Account] = []
            let position: SQLValues = [name ?? "", limit]
            try connection.query("\(Self.select) WHERE name > ? ORDER BY name LIMIT ?", position) { accounts.append(try Self.decode($0)) }
            return accounts
        }
    }

    func account(named name: String) async throws(Failure) -> Account {
        try await readers.read { connection in try Self.account(named: name, connection) }
    }

    func setSuspended(
        _ isSuspended: Bool, accountNamed name: String, in context: WriteContext<Account>
    ) async throws(Failure) -> Account {
        try await update("UPDATE account SET is_suspended = ? WHERE name = ?", [isSuspended, name], name: name, in: context)
    }

    func setAPIAccess(
        _ hasAPIAccess: Bool, accountNamed name: String, in context: WriteContext<Account>
    ) async throws(Failure) -> Account {
        try await update("UPDATE account SET has_api_access = ? WHERE name = ?", [hasAPIAccess, name], name: name, in: context)
    }

    func change(_ quota: QuotaChange, accountNamed name: String, in context: WriteContext<Account>) async throws(Failure) -> Account {
        try await writer.write(in: context, recording: { account, isChanged in isChanged ? account : nil }) { db -> (Account, Bool) in
            var isChanged = false
            for (column, bound) in [("items_max", quota.items), ("stored_bytes_max", quota.storedBytes)] {
                guard let bound else { continue }
                let sql = "UPDATE account SET \(column) = ?1 WHERE name = ?2 AND \(column) IS DISTINCT FROM ?1"
                if try db.change(sql, [bound.max, name]) > 0 { isChanged = true }
            }
            return (try Self.account(named: name, db), isChanged)
        }.0
    }

    func delete(accountNamed name: String, in context: WriteContext<Void>) async throws(Failure) {
        let id = try await writer.write(in: context, recording: { _ in () }, isUnbounded: true) { db in
            let id = try Self.account(named: name, db).id
            try db.lock(id)
            try JobRow.end(ofItemsWhere: "account_id = ?", [id], at: context.now, db)
            try ImageLinks.queueRemoval(ofItemsWhere: "account_id = ?", [id], at: context.now, db)
            try TrashRows.removeAll(of: id, at: context.now, db)
            // First, so that no count is changed with each item that goes.
            try db.run("DELETE FROM stored_bytes WHERE account_id = ?", [id])
            try db.run("DELETE FROM webhook WHERE account_id = ?", [id])
            try db.run("DELETE FROM pikzonality WHERE account_id = ?", [id])
            try db.run("DELETE FROM account WHERE id = ?", [id])
            return id
        }
        keys.forget()
        // After the keys, because those who are woken are asked for theirs.
        changes.notify(accountGone: id)
    }

    private func update(
        _ sql: String, _ arguments: SQLValues, name: String, in context: WriteContext<Account>
    ) async throws(Failure) -> Account {
        let (account, _) = try await writer.write(in: context, recording: { account, isChanged in isChanged ? account : nil }) {
            db -> (Account, Bool) in
            let before = try Self.account(named: name, db)
            try db.run(sql, arguments)
            // Within the same write, because the account may be gone after it.
            let account = try Self.account(named: name, db)
            return (account, account != before)
        }
        keys.forget()
        return account
    }

    private static func account(named name: String, _ connection: any SQLConnection) throws -> Account {
        guard let found = try connection.first("\(select) WHERE name = ?", [name], row: decode) else { throw Failure.notFound }
        return found
    }

    private static func decode(_ row: SQLRow) throws -> Account {
        Account(
            id: try row.identifier(0), name: try row.requiredText(1), isSuspended: row.integer(2) == 1, hasAPIAccess: row.integer(3) == 1,
            createdAt: row.timestamp(4))
    }
}
