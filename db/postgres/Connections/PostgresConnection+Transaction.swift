import CPostgreSQL
import Personas

/// Transactions on a connection.
extension PostgresConnection {
    /// Has a transaction begin with the first statement that comes.
    /// - Parameter settings: statements that follow its beginning.
    func begin(_ settings: [String] = []) {
        failed = nil
        transaction = .wanted(["BEGIN"] + settings)
    }

    /// Ends a transaction. When this returns, it is on disk as far as the server was told to wait for that.
    /// - Throws: `PostgresError`, with the origin `outcomeUnknown` where COMMIT went out and nobody knows what became of it; after any other the
    ///   transaction is undone.
    func commit() throws {
        if let failed {
            rollBack()
            throw failed
        }
        guard case .open = transaction else {
            transaction = .none
            return
        }
        let tag: String
        let before = lastStatement
        do {
            tag = try sendCommit()
        } catch let error as PostgresError {
            let isKnown: Bool =
                switch error.origin {
                case .server: true
                // The server said so of a statement before COMMIT, which it then never came to.
                case .serverGoing: error.statement <= before
                // COMMIT was not sent.
                default: lastStatement == before
                }
            rollBack()
            throw isKnown ? error : PostgresError(.outcomeUnknown, "COMMIT: \(error.message)", state: error.state)
        } catch {
            rollBack()
            throw error
        }
        transaction = .none
        if wire.hasWarning {
            wire.giveUp()
            throw PostgresError(.outcomeUnknown, "COMMIT did not wait for the standby", state: "01000")
        }
        guard tag == "COMMIT" else { throw PostgresError(.server, "COMMIT was answered by \(tag)", state: "25P02") }
    }

    /// Undoes a transaction, whatever state it is in. Where that fails, the connection is of no more use.
    func rollBack() {
        defer {
            transaction = .none
            failed = nil
        }
        guard case .open = transaction else { return }
        // Where what is queued before it has an error, the server passes over the first.
        for _ in 0..<2 where !isBroken {
            do { try sendRollBack() } catch {}
            if wire.library.call.PQtransactionStatus(wire.handle) == PostgresStatus.transactionIdle { return }
        }
        wire.giveUp()
    }

    /// Runs a part of a transaction that is undone by itself where a uniqueness stands against it, or where it throws something of its own.
    /// - Returns: nil where one does.
    func unlessTaken<Value>(_ body: () throws -> Value) throws -> Value? {
        // A savepoint belongs to a transaction, which begins with it where it has not.
        try run("SAVEPOINT part")
        let start = lastStatement
        do {
            let value = try body()
            try run("RELEASE SAVEPOINT part")
            try settle()
            return value
        } catch let error as PostgresError {
            guard error.isTaken, error.statement > start, !isBroken else { throw error }
            try undoPart()
            return nil
        } catch {
            // What the body still has queued is taken first, or an error of it would pass over what undoes the part.
            do { try settle() } catch {}
            if let failed, failed.statement <= start || !failed.isTaken { throw failed }
            if !isBroken { try undoPart() }
            throw error
        }
    }

    private func undoPart() throws {
        failed = nil
        try run("ROLLBACK TO SAVEPOINT part")
        try run("RELEASE SAVEPOINT part")
    }
}
