/// An export that an operator asks for. It is no `AdministrationOperation`, because what is answered does not fit into one value.
package struct ExportRequest: Sendable, Codable {
    /// The account, by its name.
    package let accountName: String

    package init(accountName: String) {
        self.accountName = accountName
    }
}

/// An import that an operator asks for; the archive travels beside it.
package struct ImportRequest: Sendable, Codable {
    /// The account that is to own the items, by its name.
    package let accountName: String
    /// What names the import, so that it can be gone on with; nil for one that cannot.
    package let key: String?
    /// The length of the archive, where that is known.
    package let byteCount: Int?

    package init(accountName: String, key: String?, byteCount: Int?) {
        self.accountName = accountName
        self.key = key
        self.byteCount = byteCount
    }
}

/// What an import tells of on its way: what lines came to, then, as the last, what all of them did.
package struct ImportNews: Sendable, Codable {
    /// What lines came to.
    package let items: [ImportedItem]
    /// What all lines came to, once there are no more.
    package let totals: ImportTotals?

    package init(items: [ImportedItem] = [], totals: ImportTotals? = nil) {
        self.items = items
        self.totals = totals
    }
}

extension Administration {
    /// Finds the account of an export.
    /// - Throws: `invalid`, `notFound`.
    package func account(of request: ExportRequest) async throws(Failure) -> Account {
        try await stores.accounts.account(named: try Account.normalName(request.accountName))
    }

    /// Hands out the archive of an account, and tells the audit of it before the first byte.
    package func export(_ account: Account, to sink: ([UInt8]) async throws -> Void) async throws {
        await tell(.export, account.name)
        try await archives.export(account.id, to: sink)
    }

    /// Takes an archive in and looks at it, by the rules of every import. Then the audit is told; nothing is created yet.
    /// - Parameters:
    ///   - fill: puts the archive into its room.
    ///   - progress: told how far the look at it has come.
    /// - Throws: `invalid`, `notFound`, what `fill` throws, and as `Archives.verify`.
    package func prepare(
        _ request: ImportRequest, progress: @escaping ProgressHandler, fill: (any ArchiveSpool) async throws -> Void
    ) async throws -> PreparedImport {
        let account = try await stores.accounts.account(named: try Account.normalName(request.accountName))
        let key = try request.key.map { (text) throws(Failure) in
            do throws(Violation) {
                return try IdempotencyKey(quotable: text)
            } catch {
                throw .invalid([error])
            }
        }
        let place = try archives.importPlace(for: account.id, key: key)
        let spool = try archives.makeSpool(for: request.byteCount)
        try await fill(spool)
        let bytesOfStep = 1_000_000
        let run = try await archives.verify(spool, for: account.id, key: key) { bytes in
            progress(
                WorkProgress(step: "Verifying MB", done: bytes / bytesOfStep, total: max(1, (request.byteCount ?? 0) / bytesOfStep)))
        }
        await tell(.import, account.name)
        return PreparedImport(run: run, place: place)
    }
}

/// An import that was asked for by an operator, about to create its items.
package struct PreparedImport: Sendable {
    fileprivate let run: ArchiveImport
    fileprivate let place: AccountPlaces.Place

    /// Creates the items.
    /// - Parameters:
    ///   - progress: told how many are done.
    ///   - sink: told what lines came to.
    /// - Throws: as `ArchiveImport.run`.
    package func perform(progress: ProgressHandler, _ sink: ([ImportedItem]) async throws -> Void) async throws -> ImportTotals {
        defer { withExtendedLifetime(place) {} }
        var done = 0
        return try await run.run { items in
            done += items.count
            progress(WorkProgress(step: "Creating items", done: done, total: run.itemCount))
            try await sink(items)
        }
    }
}
