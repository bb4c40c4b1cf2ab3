import ArgumentParser
import Foundation
import Personas

/// `personas create`.
struct CreateCommand: OperatorCommand {
    typealias Operation = CreateItem

    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a persona or style from three image files.",
        discussion: """
            The files are JPEG, PNG, WebP or GIF, of at most 10 MB each, and are read by this command; a server on the data folder need not be able \
            to. Without a server the item stays in processing until one runs.
            """)
    @Option(help: "Name of the account that is to own it") var account: String
    @Option(help: "persona or style") var mode: Mode
    @Option(help: "Its name, up to \(Limits.nameCharactersMax) characters") var name: String
    @Option(help: ArgumentHelp("Special instructions for the trainer", valueName: "TEXT")) var instructions: String?
    @Argument(help: ArgumentHelp("The three reference images; the first becomes the portrait", valueName: "FILE")) var files: [String]
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
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
                CreateItem(accountName: account, mode: mode, name: name, specialInstructions: instructions, imageBase64s: images))
        } catch {
            throw words(for: error)
        }
        try report.show(asJSON: output.isJSON)
    }

    private func words(for error: CommandFailure) -> CommandFailure {
        guard let failure = error.failure else { return error }
        if failure == .notFound { return error.saying("there is no account \(account.debugDescription)") }
        return CommandFailure(failure, imageFiles: files)
    }
}

extension Mode: ExpressibleByArgument {}

/// Image files that an operator names, read with the operator's own rights.
enum ImageFiles {
    private static let partBytes = 65_536

    /// What is in the files, of those that are too large for an image no more than shows it.
    /// - Throws: `failed`, naming every file that cannot be read.
    static func read(_ paths: [String]) throws(CommandFailure) -> [[UInt8]] {
        var problems: [String] = []
        let images = paths.map { path in
            do throws(ReadFailure) {
                return try read(path)
            } catch {
                problems.append("\(path) cannot be read: \(error.words)")
                return []
            }
        }
        guard problems.isEmpty else { throw CommandFailure(.failed, problems.joined(separator: "; ")) }
        return images
    }

    /// A call that failed; with its errno.
    struct ReadFailure: Error {
        let code: Int32

        /// The system's words for it.
        var words: String { String(cString: strerror(code)) }
    }

    /// What is in a file, of one that is too large for an image no more than shows it.
    static func read(_ path: String) throws(ReadFailure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ReadFailure(code: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: partBytes)
        while bytes.count <= Limits.imageBytesMax {
            let count = Foundation.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ReadFailure(code: errno) }
            guard count > 0 else { break }
            bytes += part.prefix(count)
        }
        return bytes
    }
}
