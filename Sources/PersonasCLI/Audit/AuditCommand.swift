import ArgumentParser
import Personas

/// `personas audit`.
struct AuditCommand: ContinuedCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "List who changed what with these commands, the newest first.",
        usage: "personas audit [--since DATE] [--limit COUNT] [--cursor PLACE] [<options>]",
        discussion: """
            What clients do over HTTP, and the service by itself, is in the log. Entries are kept for ever, up to \(Limits.auditEntriesMax) of them. \
            When there is more than the limit, a note on standard error says how to go on.
            """)
    @Option(
        help: ArgumentHelp(
            "Only what was done since: RFC 3339, such as 2027-01-31T18:00:00+01:00, or a date, which stands for 00:00 UTC",
            valueName: "DATE"),
        transform: Timestamp.argument)
    var since: Timestamp?
    @OptionGroup var part: ListPart<AuditPlace>
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func operation(after place: AuditPlace?, limit: Int) -> ListAudit { ListAudit(since: since, after: place, limit: limit) }
}

extension AuditPlace: ExpressibleByArgument {}
