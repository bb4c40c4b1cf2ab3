import ArgumentParser
import Foundation
import Personas
import PersonasDB
import Synchronization

/// What both commands take.
struct ArchiveArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Name of the account", valueName: "NAME"), completion: Completions.accounts) var account: String
    @Argument(help: ArgumentHelp("The archive; - for standard output or input", valueName: "FILE"), completion: .file()) var file: String
    var isStream: Bool { file == GivenArchive.standardStream }

    func validate() throws {
        if file.isEmpty { throw ValidationError("FILE is the name of a file, or -, and not empty.") }
    }
}

/// `personas export`.
struct ExportCommand: OperatorCommand {
    /// To find the account before anything is made, and to know about how much there is.
    typealias Operation = ShowAccount

    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write everything that an account has into one archive.",
        usage: "personas export --account NAME [<options>] FILE",
        discussion: """
            The archive is a tar with the items as JSON Lines, their images, and a manifest with hashes as its end; what is in the trash is not in \
            it. FILE is there once it is whole. Beside a running server the account can be used meanwhile.

              personas export --account acme acme.tar
              personas export --account acme - | gzip > acme.tar.gz
            """)
    @OptionGroup var archive: ArchiveArguments
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        if archive.isStream, output.isJSON {
            throw ValidationError("With - the archive is the output, so that there is no room for --json.")
        }
    }

    func perform() async throws(CommandFailure) {
        let (client, name, isStream, path) = (try client(), archive.account, archive.isStream, archive.file)
        let report = try await Interruption.cancelling { () throws(CommandFailure) in
            let bar = WorkProgressBar()
            defer { bar.finish() }
            return try await client.withConnection(.existing) { (connection) throws(CommandFailure) in
                let account = try await connection.account(named: name)
                let sink = ArchiveSink(expecting: account.storedBytes.used, bar)
                if isStream {
                    try await connection.export(account.name) {
                        try sink.take($0) { (bytes) throws(CommandFailure) in try Output.bytes(bytes) }
                    }
                } else {
                    let file = try reporting { () throws(Failure) in try CallersFile(path) }
                    try await connection.export(account.name) { bytes in
                        try sink.take(bytes) { (bytes) throws(CommandFailure) in
                            try reporting { () throws(Failure) in try file.append(bytes) }
                        }
                    }
                    try reporting { () throws(Failure) in try file.finish() }
                }
                return ArchiveReport(account: account.name, file: path, bytes: sink.byteCount)
            }
        }
        if !isStream { try report.show(asJSON: output.isJSON) }
    }
}

/// Counts what comes of an archive, and shows it.
private final class ArchiveSink: Sendable {
    private static let bytesOfStep = 1_000_000

    private let bytesExpected: Int
    private let bar: WorkProgressBar
    private let count = Mutex(0)

    /// - Parameter bytesExpected: about how many bytes come; images that several items share come once.
    init(expecting bytesExpected: Int, _ bar: WorkProgressBar) {
        self.bytesExpected = bytesExpected
        self.bar = bar
    }

    var byteCount: Int { count.withLock { $0 } }

    func take(_ bytes: [UInt8], _ body: ([UInt8]) throws(CommandFailure) -> Void) throws(CommandFailure) {
        try body(bytes)
        let done = count.withLock { count in
            count += bytes.count
            return count
        }
        bar.show(
            WorkProgress(
                step: "Exporting MB", done: done / Self.bytesOfStep, total: max(1, max(done, bytesExpected) / Self.bytesOfStep)))
    }
}

/// What an export came to.
private struct ArchiveReport: TableRenderable {
    let account: String
    let file: String
    let bytes: Int

    var tables: [Table] { [Table(headings: ["account", "file", "size"], rows: [[account, file, Quantities.bytes(bytes)]])] }
}

/// `personas import`.
struct ImportCommand: OperatorCommand {
    /// To find the account before anything is sent.
    typealias Operation = ShowAccount

    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take the items of an archive that was exported into an account.",
        usage: "personas import --account NAME [--key KEY] [<options>] FILE",
        discussion: """
            All of the archive is looked at before anything is created, so that a damaged one changes nothing. Items get new ids and keep the time of \
            their creation. Those whose names are taken or reserved, or for which the account has no room, are listed, and the others created; the exit \
            code is 1 then. Items that were in training are trained anew.

            With a key an import that was interrupted is gone on with, within 24 hours, by the same command once more.

              personas import --account acme acme.tar
              personas import --account acme --key move-1 - < acme.tar
            """)
    @OptionGroup var archive: ArchiveArguments
    @Option(help: ArgumentHelp("Names the import, to go on with it after an interruption", valueName: "KEY")) var key: String?
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func perform() async throws(CommandFailure) {
        let (client, name, key, isJSON) = (try client(), archive.account, key, output.isJSON)
        let given = try GivenArchive(archive.file)
        let report = try await Interruption.cancelling { () throws(CommandFailure) in
            let bar = WorkProgressBar()
            defer { bar.finish() }
            return try await client.withConnection(.existing) { (connection) throws(CommandFailure) in
                let account = try await connection.account(named: name)
                var report = ImportReport(account: account.name)
                let request = ImportRequest(accountName: account.name, key: key, byteCount: given.byteCount)
                do throws(CommandFailure) {
                    report.totals = try await connection.takeIn(request, given, progress: { bar.show($0) }) { report.add($0) }
                } catch {
                    throw error.ofArchive
                }
                return report
            }
        }
        try report.show(asJSON: isJSON)
        guard report.totals.failed == 0 else {
            let (failed, all) = (Quantities.count(report.totals.failed, "item"), Quantities.number(report.totals.items))
            throw CommandFailure(.failed, "\(failed) of \(all) could not be created")
        }
    }
}

/// What an import came to.
private struct ImportReport: TableRenderable, Sendable {
    /// Failures that are listed; all of them are counted.
    private static let failuresMax = Limits.administrationRowsMax

    private enum CodingKeys: String, CodingKey {
        case account, items, created, skipped, failed, failures
    }

    private struct FailedItem: Encodable {
        let line: Int
        let mode: Mode
        let name: String
        let code: String?
        let message: String
    }

    let account: String
    var totals = ImportTotals()
    private var failures: [FailedItem] = []

    init(account: String) {
        self.account = account
    }

    mutating func add(_ items: [ImportedItem]) {
        for item in items {
            guard let failure = item.failure, failures.count < Self.failuresMax else { continue }
            let words = CommandFailure(failure, naming: \.plainName)
            failures.append(FailedItem(line: item.line, mode: item.mode, name: item.name, code: words.code, message: words.message))
        }
    }

    var tables: [Table] {
        let counts = [account] + [totals.items, totals.created, totals.skipped, totals.failed].map(String.init)
        let table = Table(headings: ["account", "items", "created", "skipped", "failed"], rows: [counts])
        guard !failures.isEmpty else { return [table] }
        let rows = failures.map { [String($0.line), $0.mode.rawValue, $0.name, $0.message] }
        return [table, Table(headings: ["line", "mode", "name", "not created, because"], rows: rows)]
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(account, forKey: .account)
        try container.encode(totals.items, forKey: .items)
        try container.encode(totals.created, forKey: .created)
        try container.encode(totals.skipped, forKey: .skipped)
        try container.encode(totals.failed, forKey: .failed)
        try container.encode(failures, forKey: .failures)
    }
}

extension AdministrationConnection {
    /// The account of a name, before anything is done for it.
    fileprivate func account(named name: String) async throws(CommandFailure) -> AccountReport {
        do throws(CommandFailure) {
            return try await perform(ShowAccount(name: name))
        } catch {
            throw error.naming(AccountsCommand.missing(name))
        }
    }
}
