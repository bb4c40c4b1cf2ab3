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
struct BackupCommand: AdministrationCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Back up database and images into an empty or new folder, beside a running server or without one.",
        discussion: """
            Images are linked where the folder lies on the data folder's file system, and copied otherwise. A backup without manifest.json is \
            not whole. SHA256SUMS is for sha256sum -c.
            """)
    @OptionGroup var folder: BackupFolderArgument
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var operation: BackUp { BackUp(directory: folder.directory) }
}

/// `personas restore`.
struct RestoreCommand: PersonasSubcommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Verify a backup and make it the content of a data folder that no server uses.",
        discussion: "The data folder holds either its old content or the restored one, whenever the command ends and however.")
    @OptionGroup var folder: BackupFolderArgument
    @Flag(help: "Replace what the data folder holds") var force = false
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func perform() async throws(CommandFailure) {
        let settings = try reporting(data.settings)
        let directory = settings.dataDirectory
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
        guard !report.sound else { return }
        let count = report.counts.findings - report.counts.repaired
        throw CommandFailure(.failed, "the data are not sound: \(count) \(count == 1 ? "finding" : "findings")")
    }
}
