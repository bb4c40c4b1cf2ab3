import ArgumentParser
import CoreMetrics
import Foundation
import Personas
import PersonasDB
import PersonasS3

/// `personas copy`.
struct CopyCommand: PersonasSubcommand {
    static let configuration = CommandConfiguration(
        commandName: "copy", abstract: "Move all that a data folder holds into an empty shared database and its bucket.",
        usage: "personas copy --from DIR --database URL --media URL --secrets-key-file FILE [<options>]",
        discussion: """
            Stop the server of the folder first. The database has to be new; migrations are applied, reserved names and blocked terms of its own \
            are replaced by the folder's. Secrets of webhooks stay sealed as they are, so the key file has to hold the key that the folder's server \
            has used: copy DIR/secrets.key to FILE, unless that was given another.

            Images come first, those alone that the bucket has not: a call that was cut short is gone on with by the next. All rows follow in one \
            transaction, are read back and compared, and are then committed. From there on the folder is marked by its move.json, and serve and \
            every other command refuse it. Whenever this ends, and however, either the folder is what it was and the database is empty, or \
            everything is there. Only where it was killed while that was decided does the folder wait for this command to be run again, \
            which asks the database.

            To undo a move, stop all servers of the database and remove DIR/move.json: the folder is as it was when it was moved. Remove database and \
            bucket then, or move into new ones: both would go on from the same state, each in its own way.
            """)
    @Option(
        help: ArgumentHelp("The data folder", valueName: "DIR"), completion: .directory,
        transform: { URL(fileURLWithPath: $0).standardizedFileURL.path })
    var from: String
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func perform() async throws(CommandFailure) {
        let settings = try reporting(data.settings)
        guard case .shared(let place) = try StorePlace.of(settings), let media = settings.media else {
            throw CommandFailure(.usage, "give the database and the bucket that the folder is moved to: --database and --media")
        }
        let folder = DataFolder(from)
        guard folder.hasDatabase, !folder.hasLostDatabase else {
            throw CommandFailure(.unavailable, "there is no database in \(from) (give --from)")
        }
        let lock = try await Serve.lock(from)
        let report = try await move(settings, place, media: media, under: lock)
        try report.show(asJSON: output.isJSON)
        Output.note(
            report.wasMovedBefore
                ? "personas: everything had been moved before; the folder is marked now" : "personas: moved; the folder is used no more")
    }

    private func move(
        _ settings: Settings, _ place: SharedPlace, media: String, under lock: DataFolderLock
    ) async throws(CommandFailure) -> MoveReport {
        let (directory, mayMigrate) = (from, settings.migrate)
        return try await Interruption.cancelling { () throws(CommandFailure) in
            let bar = WorkProgressBar()
            defer { bar.finish() }
            let bucket = S3ObjectStore(
                location: place.media, credentials: place.credentials, factory: NOOPMetricsHandler.instance)
            let result: Result<MoveReport, Failure>
            do throws(Failure) {
                let move = try DataFolderMove(
                    of: directory, toDatabase: place.database, media: media, bucket, secretsKeyFile: place.secretsKeyFile)
                try await bucket.probe()
                result = .success(try await move.move(under: lock, mayMigrate: mayMigrate, for: .ofProcess) { bar.show($0) })
            } catch {
                result = .failure(error)
            }
            await bucket.close()
            do throws(Failure) {
                return try result.get()
            } catch {
                throw CommandFailure(error)
            }
        }
    }
}

extension MoveReport: TableRenderable {
    var tables: [Table] {
        [
            Table(
                headings: ["member", "value"],
                rows: [
                    ["data folder", dataFolder], ["database", database], ["media", media], ["accounts", String(accounts)],
                    ["items", String(items)], ["images", String(images)], ["image bytes", String(imageBytes)],
                    ["images stored now", String(imagesStored)], ["rows", String(rows)],
                ])
        ]
    }
}
