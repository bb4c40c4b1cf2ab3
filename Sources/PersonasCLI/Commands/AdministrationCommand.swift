import ArgumentParser
import Personas

/// A command that asks one thing of the administration and shows the answer.
protocol AdministrationCommand: PersonasSubcommand {
    var data: DataOptions { get }
    var output: JSONOption { get }
    /// What is asked.
    var request: AdministrationRequest { get }
    /// What to say when what the command names does not exist.
    var notFoundMessage: String? { get }
}

extension AdministrationCommand {
    var notFoundMessage: String? { nil }

    func perform() async throws(CommandFailure) {
        let settings = try reporting(data.settings)
        let reply: AdministrationReply
        do throws(CommandFailure) {
            reply = try await AdministrationClient.perform(request, settings)
        } catch {
            throw error.isNotFound ? notFoundMessage.map(error.saying) ?? error : error
        }
        try Answer.show(reply, asJSON: output.isJSON)
    }
}

/// How answers look.
enum Answer {
    /// Prints an answer as a table or as JSON.
    static func show(_ reply: AdministrationReply, asJSON: Bool) throws(CommandFailure) {
        switch reply {
        case .account(let account): try show(account, asJSON, table: accounts([account]))
        case .accounts(let list): try show(list, asJSON, table: accounts(list))
        case .issuedKey(let key): try show(key, asJSON)
        case .key(let key): try show(key, asJSON, table: keys([key]))
        case .keys(let list): try show(list, asJSON, table: keys(list))
        case .names(let list): try show(list, asJSON, table: (["name"], list.map { [$0.name] }))
        case .maintenance(let state):
            let rows = [[state.on ? "on" : "off", state.on ? "\(state.retryAfter) s" : ""]]
            try show(state, asJSON, table: (["maintenance", "retry after"], rows))
        case .item(let item): try show(item, asJSON, table: details(of: item))
        case .items(let list): try show(list, asJSON, table: items(list))
        case .seeded(let report): try show(report, asJSON, table: (["what", "created"], counts(of: report)))
        case .migrations(let list):
            let rows = list.map { [$0.name, $0.state.rawValue, $0.appliedAt ?? "", $0.hash] }
            try show(list, asJSON, table: (["name", "state", "applied at", "hash"], rows))
        case .done(let text):
            if asJSON { try json(["message": text]) } else { Output.line(text) }
        case .backedUp(let report): try show(report, asJSON, table: (["what", "value"], members(of: report)))
        case .checked(let report):
            if asJSON { return try json(report) }
            Output.table(["what", "count"], counts(of: report))
            guard !report.findings.isEmpty else { return }
            Output.line("")
            Output.table(["kind", "where", "what", "repaired"], findings(of: report))
        }
    }

    /// Prints a value as JSON.
    static func json(_ value: some Encodable) throws(CommandFailure) {
        do {
            try Output.json(value)
        } catch {
            throw CommandFailure(.failed, "the answer cannot be written as JSON")
        }
    }

    private typealias Table = (headings: [String], rows: [[String]])

    private static func show(_ value: some Encodable, _ asJSON: Bool, table: Table) throws(CommandFailure) {
        if asJSON { try json(value) } else { Output.table(table.headings, table.rows) }
    }

    /// A new key alone on standard output, so that a script can take it from there.
    private static func show(_ key: IssuedKey, _ asJSON: Bool) throws(CommandFailure) {
        if asJSON { return try json(PlainIssuedKey(key)) }
        Output.line(key.key)
        let scopes = key.scopes.map(\.rawValue).joined(separator: ", ")
        Output.note("Key \(key.id) of account \(key.account), scopes \(scopes). It is shown this once.")
    }

    private static func accounts(_ list: [AccountReport]) -> Table {
        let rows = list.map {
            [$0.name, $0.suspended ? "suspended" : "active", $0.apiAccess ? "enabled" : "disabled", $0.createdAt, $0.id.text]
        }
        return (["name", "state", "api", "created at", "id"], rows)
    }

    private static func keys(_ list: [KeyReport]) -> Table {
        let rows = list.map { key in
            [
                key.id.text, key.prefix + "…", key.account ?? "", key.label ?? "", key.scopes.map(\.rawValue).joined(separator: ","),
                key.state.rawValue, key.createdAt,
            ]
        }
        return (["id", "key", "account", "label", "scopes", "state", "created at"], rows)
    }

    private static func items(_ list: [ItemReport]) -> Table {
        let rows = list.map { item in
            [item.id.text, item.account, item.mode.rawValue, item.name, item.status.rawValue, "\(item.progress) %", item.createdAt]
        }
        return (["id", "account", "mode", "name", "status", "progress", "created at"], rows)
    }

    private static func details(of item: ItemReport) -> Table {
        var rows = [
            ["id", item.id.text], ["account", item.account], ["mode", item.mode.rawValue], ["name", item.name],
            ["status", item.status.rawValue],
            ["progress", "\(item.progress) %"], ["special instructions", item.specialInstructions ?? ""], ["created at", item.createdAt],
            ["updated at", item.updatedAt],
        ]
        if let error = item.error { rows.append(["error", "\(error.code.rawValue): \(error.message)"]) }
        return (["member", "value"], rows)
    }

    private static func counts(of report: SeedReport) -> [[String]] {
        let keys = report.keys.map { ["key of account \($0.account)", $0.key] }
        return [
            ["accounts", String(report.accounts)], ["reserved names", String(report.reservedNames)],
            ["blocked terms", String(report.blockedTerms)], ["personas", String(report.personas)], ["styles", String(report.styles)],
        ] + keys
    }

    private static func members(of report: BackupReport) -> [[String]] {
        [
            ["folder", report.directory], ["state of", report.createdAt], ["personas and styles", String(report.items)],
            ["images", String(report.images)], ["bytes of images", String(report.imageBytes)],
            ["bytes of the database", String(report.databaseBytes)],
        ]
    }

    private static func counts(of report: IntegrityReport) -> [[String]] {
        let counts = report.counts
        let rows = [
            ("personas and styles", counts.items), ("images", counts.images), ("bytes of images", counts.imageBytes),
            ("image files", counts.files), ("removals pending", counts.pendingRemovals),
            ("seconds of the oldest", counts.oldestRemovalSeconds), ("findings", counts.findings), ("repaired", counts.repaired),
        ]
        return rows.map { [$0.0, String($0.1)] }
    }

    private static func findings(of report: IntegrityReport) -> [[String]] {
        report.findings.map { [$0.kind.rawValue, $0.subject, $0.detail, $0.repaired ? "yes" : "no"] }
    }

    /// A new key as `keys create --json` prints it.
    private struct PlainIssuedKey: Encodable {
        let id: Identifier
        let key: String
        let prefix: String
        let account: String
        let scopes: [Scope]

        init(_ issued: IssuedKey) {
            id = issued.id
            key = issued.key
            prefix = issued.prefix
            account = issued.account
            scopes = issued.scopes
        }
    }
}
