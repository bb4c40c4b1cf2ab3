import ArgumentParser
import Foundation
import Personas

/// `personas create`.
struct CreateCommand: OperatorCommand {
    typealias Operation = CreateItem

    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a persona or style from three image files.",
        usage: "personas create --account NAME --mode MODE --name NAME [<options>] FILE FILE FILE",
        discussion: """
            The files are JPEG, PNG, WebP or GIF, of at most 10 MB each, and are read by this command; a server on the data folder need not be able \
            to. Without a server the item stays in processing until one runs.

              personas create --account acme --mode persona --name Ann front.jpg left.jpg right.jpg
              personas create --account acme --mode style --name Ink --metadata shop=42 1.png 2.png 3.png
            """)
    @Option(help: ArgumentHelp("Name of the account that is to own it", valueName: "NAME"), completion: Completions.accounts)
    var account: String
    @Option(help: ArgumentHelp("What to create", valueName: "MODE")) var mode: Mode
    @Option(
        help: ArgumentHelp(
            "Its name, up to \(Limits.nameCharactersMax) letters A-Z and a-z, digits, spaces, hyphens and underscores", valueName: "NAME"))
    var name: String
    @Option(help: ArgumentHelp("Words for the trainer, up to \(Limits.specialInstructionsCharactersMax) characters", valueName: "TEXT"))
    var instructions: String?
    @Option(
        name: .customLong("external-id"),
        help: ArgumentHelp(
            "What the owner's own program calls it, unique among the account's items of the mode; up to \(Limits.externalIDCharactersMax) visible ASCII characters",
            valueName: "ID"))
    var externalID: String?
    @Option(
        help: ArgumentHelp("A label of the owner's own; may be given up to \(Limits.metadataMembersMax) times", valueName: "KEY=VALUE"),
        transform: Label.init(argument:))
    var metadata: [Label] = []
    @Argument(
        help: ArgumentHelp("The three reference images; the first becomes the portrait", valueName: "FILE"), completion: Completions.images)
    var files: [String]
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    /// A label as it is written in an argument.
    struct Label {
        let key: String
        let value: String

        /// - Throws: `ValidationError` where there is no equals sign. What may stand on either side of it is for the rules to say.
        @Sendable init(argument text: String) throws {
            guard let sign = text.utf8.firstIndex(of: UInt8(ascii: "=")) else {
                throw ValidationError("A label is written as KEY=VALUE.")
            }
            (key, value) = (String(text[..<sign]), String(text[text.utf8.index(after: sign)...]))
        }
    }

    func validate() throws {
        let twice = Dictionary(grouping: metadata, by: \.key).filter { $0.value.count > 1 }.keys.sorted()
        guard twice.isEmpty else { throw ValidationError("--metadata has a key twice: \(twice.joined(separator: ", ")).") }
        guard files.count == Limits.referenceImages else {
            throw ValidationError("A \(mode.rawValue) is made from \(Limits.referenceImages) image files, not from \(files.count).")
        }
    }

    func perform() async throws(CommandFailure) {
        let client = try client()
        let images = try ImageFiles.read(files).map { Data($0).base64EncodedString() }
        let report: ItemReport
        do throws(CommandFailure) {
            report = try await client.perform(
                CreateItem(
                    accountName: account, mode: mode, name: name, specialInstructions: instructions, externalID: externalID,
                    metadata: Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }, imageBase64s: images))
        } catch {
            throw words(for: error)
        }
        try report.show(asJSON: output.isJSON)
    }

    private func words(for error: CommandFailure) -> CommandFailure {
        guard let failure = error.failure else { return error }
        if failure == .notFound { return error.saying(AccountsCommand.missing(account)) }
        return CommandFailure(failure, imageFiles: files) { $0 == .name ? "--name" : $0.commandName }
    }
}

extension Mode: ExpressibleByArgument {}

/// Image files that an operator names.
enum ImageFiles {
    /// What is in the files, of those that are too large for an image no more than shows it.
    /// - Throws: `failed`, naming every file that cannot be read.
    static func read(_ paths: [String]) throws(CommandFailure) -> [[UInt8]] {
        var problems: [String] = []
        let images = paths.map { path in
            do throws(GivenFile.ReadFailure) {
                return try GivenFile.read(path, bytesMax: Limits.imageBytesMax)
            } catch {
                problems.append("\(path) cannot be read: \(error.reason)")
                return []
            }
        }
        guard problems.isEmpty else { throw CommandFailure(.failed, problems.joined(separator: "; ")) }
        return images
    }
}
