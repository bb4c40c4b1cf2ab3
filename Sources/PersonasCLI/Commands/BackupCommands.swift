import ArgumentParser
import Foundation
import Personas
import PersonasDB

/// The folder of a backup, as the command's own working directory makes it absolute.
struct BackupFolderArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp("Folder of the backup", valueName: "DIR"), completion: .directory,
        transform: { URL(fileURLWithPath: $0).standardizedFileURL.path })
    var directory: String
}

/// `personas backup`.
struct BackupCommand: OperatorCommand {
    typealias Operation = BackUp

    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Back up database and images, beside a running server or without one.",
        discussion: """
            The folder is a new or empty one, and becomes the backup. With --keep it holds several instead, each in a folder of its own \
            (2026-11-22T063000Z): a further one is made, and the oldest whole ones are removed once it is whole and on disk, until N are left. \
            Nothing else in the folder is touched; what a call left that was cut short is removed by the next. Give each data folder a folder \
            of its own.

            Where the backup lies on the data folder's file system, images are not copied but get a second name there (hard links), so that \
            each further backup takes no more room than the database and the images that are new. A backup without manifest.json is not \
            whole. SHA256SUMS is for sha256sum -c; personas restore --verify-only looks at all of it.
            """)
    @OptionGroup var folder: BackupFolderArgument
    @Option(
        help: ArgumentHelp(
            "Make a dated backup within the folder and keep so many there, up to \(Limits.backupsKept.upperBound)", valueName: "N"))
    var keep: Int?
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        if let keep, !Limits.backupsKept.contains(keep) {
            throw ValidationError("--keep takes a number from \(Limits.backupsKept.lowerBound) to \(Limits.backupsKept.upperBound).")
        }
    }

    func perform() async throws(CommandFailure) {
        let report: BackupReport
        do throws(CommandFailure) {
            report = try await client().perform(BackUp(directory: folder.directory, keep: keep))
        } catch {
            guard case .folderUnusable(let path, .notEmpty) = error.failure else { throw error }
            throw error.saying("the folder \(path) is not empty; give a new one, or --keep N for a dated backup within it")
        }
        try report.show(asJSON: output.isJSON)
        let stuck = report.retention?.left.count { $0.reason == .notRemoved } ?? 0
        guard stuck == 0 else {
            throw CommandFailure(.failed, "the new backup is whole, but \(Quantities.count(stuck, "old one")) could not be removed")
        }
    }
}

/// `personas restore`.
struct RestoreCommand: PersonasSubcommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Verify a backup and make it the content of a data folder that no server uses.",
        discussion: """
            Every file of the backup is read and compared with its hash before anything changes. The data folder holds either its old content \
            or the restored one, whenever the command ends and however. Of several backups in a folder (personas backup --keep) name one.

            --verify-only tells whether a backup could be restored, and needs no data folder: exit code 0 if it is sound, 1 if not.
            """)
    @OptionGroup var folder: BackupFolderArgument
    @Flag(help: "Replace what the data folder holds") var force = false
    @Flag(help: "Verify the backup and restore nothing") var verifyOnly = false
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        if force, verifyOnly { throw ValidationError("--force and --verify-only exclude each other: nothing is replaced by verifying.") }
    }

    func perform() async throws(CommandFailure) {
        let settings = try reporting(data.settings)
        guard !verifyOnly else { return try await verify() }
        guard case .folder(let directory) = try StorePlace.of(settings) else { throw CommandFailure(Failure.backupsElsewhere) }
        let restore = try reporting { () throws(Failure) in try DataFolderRestore(from: folder.directory) }
        let isNew = !FileManager.default.fileExists(atPath: directory)
        let lock = try await Serve.lock(directory)
        do throws(CommandFailure) {
            let isForced = force
            let report = try await Interruption.cancelling { () throws(CommandFailure) in
                let bar = WorkProgressBar()
                defer { bar.finish() }
                do throws(Failure) {
                    return try await restore.restore(into: directory, under: lock, isForced: isForced, for: .ofProcess) { bar.show($0) }
                } catch .folderUnusable(let path, .notEmpty) {
                    throw CommandFailure(.failed, "\(path) is not empty; with --force its database and images are replaced")
                } catch {
                    throw CommandFailure(error)
                }
            }
            try report.show(asJSON: output.isJSON)
        } catch {
            // A folder that came to be by this command alone; one that holds anything stays.
            if isNew { lock.removeEmptyFolder() }
            throw error
        }
    }
}

extension RestoreCommand {
    /// Looks at the whole backup, and makes nothing anywhere.
    private func verify() async throws(CommandFailure) {
        let restore = try reporting { () throws(Failure) in try DataFolderRestore(from: folder.directory) }
        let report = try await Interruption.cancelling { () throws(CommandFailure) in
            let bar = WorkProgressBar()
            defer { bar.finish() }
            do throws(Failure) {
                return try await restore.verify { bar.show($0) }
            } catch {
                if case .damaged = error { throw CommandFailure(error).at("not sound") }
                throw CommandFailure(error)
            }
        }
        try report.show(asJSON: output.isJSON)
        guard !output.isJSON else { return }
        Output.line("")
        let maker = restore.version.map { ", made by version \($0)" } ?? ""
        Output.line("sound: \(Quantities.count(report.items, "item")), \(Quantities.count(report.images, "image")) verified\(maker)")
    }
}

/// `personas check`.
struct CheckCommand: OperatorCommand {
    typealias Operation = CheckIntegrity

    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Compare the database with itself and with the image files; 0 if all is sound, 1 if not.")
    @Flag(help: "Remove files and rows that nothing needs; damage is only reported") var repair = false
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func perform() async throws(CommandFailure) {
        let report = try await client().perform(CheckIntegrity(isRepairing: repair))
        try report.show(asJSON: output.isJSON)
        guard report.sound else { throw report.failure }
    }
}
