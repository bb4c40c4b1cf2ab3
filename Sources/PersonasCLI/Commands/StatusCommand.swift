import ArgumentParser
import BuildVersion
import Personas

/// `personas status`.
struct StatusCommand: OperatorCommand {
    typealias Operation = ShowStatus

    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Look at everything at once: server, items, queue, disk, last backup. Changes nothing.",
        discussion: """
            Works beside a running server and without one. Exit code 0, 69 where there is no database or a server does not answer, 1 where the \
            database belongs to another version.
            """)
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func perform() async throws(CommandFailure) {
        let place = try StorePlace.of(try reporting(data.settings))
        let client = try client()
        let report = try await client.withSession(.looking) { (perform) throws(CommandFailure) in try await perform(ShowStatus()) }
        try StatusDocument(report: report, place: place, version: BuildVersion.text, now: .now).show(asJSON: output.isJSON)
        if let name = report.schema.changed.first { throw CommandFailure(Failure.schemaMismatch(.changed(migration: name))) }
        if let name = report.schema.unknown.first { throw CommandFailure(Failure.schemaMismatch(.unknown(migration: name))) }
    }
}
