import ArgumentParser
import Personas

/// `personas events`.
struct EventsCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "List what became of an account's personas and styles, the oldest event first.",
        usage: "personas events --account NAME [--follow] [--after CURSOR] [--type TYPES] [<options>]",
        discussion: """
            Events are kept for \(Limits.eventDaysKept) days, those of progress for \(Limits.progressEventHoursKept) hours. When there is more \
            than the limit, a note on standard error says how to go on.

            With --follow the command goes on beside a running server, from now on unless --after names an earlier place, and prints each event \
            as it comes; with --json each is an object on a line of its own. Without a server nothing can come, and it ends with what there is.
            """)
    @Option(help: ArgumentHelp("Whose events", valueName: "NAME"), completion: Completions.accounts) var account: String
    @Flag(help: "Go on with the events that come") var follow = false
    @Option(help: ArgumentHelp("Only those after a place, which each event names", valueName: "CURSOR")) var after: String?
    @Option(
        name: .customLong("type"),
        help: ArgumentHelp("Only those of some types, such as persona.completed or style.*, separated by commas", valueName: "TYPES"))
    var types: String?
    @Option(help: ArgumentHelp("Only those of a persona or style", valueName: "ID")) var item: String?
    @Option(help: ArgumentHelp("At most so many, up to \(Limits.administrationRowsMax); without end with --follow", valueName: "COUNT"))
    var limit: Int?
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    typealias Operation = ListEvents

    private static let limitDefault = 100

    func validate() throws {
        guard limit.map((1...Limits.administrationRowsMax).contains) ?? true else {
            throw ValidationError("The limit is a number from 1 to \(Limits.administrationRowsMax).")
        }
    }

    func perform() async throws(CommandFailure) {
        do throws(CommandFailure) {
            try await client().withSession { (perform) throws(CommandFailure) in
                if follow { try await goOn(perform) } else { try await list(perform) }
            }
        } catch {
            throw error.naming(
                item.map { "there is no account \(account.debugDescription), or it never had an item \($0)" }
                    ?? AccountsCommand.missing(account))
        }
    }

    private func list(_ perform: (ListEvents) async throws(CommandFailure) -> EventsReport) async throws(CommandFailure) {
        var listing = Listing<EventReport>(isJSON: output.isJSON)
        var (left, place) = (limit ?? Self.limitDefault, after)
        while true {
            let page = try await perform(operation(after: place, limit: min(left, Limits.administrationPageRows)))
            if page.isGap { noteGap(page) }
            try listing.show(page.events)
            (left, place) = (left - page.events.count, page.next)
            guard page.hasMore, left > 0 else {
                listing.end()
                if page.hasMore { Output.note("There is more: --after \(page.next)") }
                return
            }
        }
    }

    private func goOn(_ perform: (ListEvents) async throws(CommandFailure) -> EventsReport) async throws(CommandFailure) {
        var listing = Listing<EventReport>(isJSON: false)
        var (left, place) = (limit ?? .max, after)
        while left > 0 {
            let page = try await perform(operation(after: place, limit: min(left, Limits.administrationPageRows)))
            if page.isGap { noteGap(page) }
            if output.isJSON {
                for event in page.events { try Output.json(event) }
                try Output.requireTaken()
            } else {
                try listing.show(page.events)
            }
            (left, place) = (left - page.events.count, page.next)
            guard page.isServed || page.hasMore else {
                return Output.note("personas: no server runs on the data folder; nothing comes until one does")
            }
        }
    }

    private func operation(after place: String?, limit: Int) -> ListEvents {
        ListEvents(
            accountName: account, after: place, isFromNow: follow, types: types, item: item, limit: limit, waits: follow && place != nil)
    }

    private func noteGap(_ page: EventsReport) {
        Output.note("personas: events after this place are gone, or the database was restored; the latest is \(page.next)")
    }
}

extension EventReport: TableRow {
    static let headings = ["cursor", "timestamp", "type", "item", "name", "changed"]

    var cells: [String] { [cursor, timestamp, type, itemID?.text ?? "", name ?? "", changed.joined(separator: ", ")] }
}
