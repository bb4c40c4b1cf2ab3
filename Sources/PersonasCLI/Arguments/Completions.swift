import ArgumentParser
import Dispatch
import Foundation
import Personas
import Synchronization

/// What a shell offers behind options and arguments whose values are among the data. It is asked for while somebody types, so it says nothing but the
/// values, changes nothing, and gives up soon.
enum Completions {
    /// Names of accounts.
    static let accounts = values { arguments in await replies(of: AccountsCommand.List.self, arguments)?.map(\.name) }
    /// Reserved names.
    static let reservedNames = values { arguments in await replies(of: NamesCommand.List.self, arguments)?.map(\.name) }
    /// Scopes of a key, and the ones that it has by default.
    static let scopes = CompletionKind.list(Scope.allCases.map(\.rawValue) + ["read,write"])
    /// Image files.
    static let images = CompletionKind.file(extensions: ["jpg", "jpeg", "png", "webp", "gif"])

    /// A shell waits for us with every key; whoever types does not wait longer.
    private static let patience = DispatchTimeInterval.milliseconds(1_500)

    private static func values(_ find: @escaping @Sendable ([String]) async -> [String]?) -> CompletionKind {
        // The library takes functions that may suspend only where it parses so as well, which tests do not.
        let complete: @Sendable ([String], Int, String) -> [String] = { arguments, _, _ in
            let found = Found()
            let task = Task.detached {
                found.values.withLock { [values = await find(arguments)] in $0 = values ?? [] }
                found.isDone.signal()
            }
            if found.isDone.wait(timeout: .now() + patience) == .timedOut { task.cancel() }
            return found.values.withLock { $0 }
        }
        return .custom(complete)
    }

    private final class Found: Sendable {
        let values = Mutex<[String]>([])
        let isDone = DispatchSemaphore(value: 0)
    }

    /// What a command would show, nil unless there is a database that it can be read from without any ado.
    private static func replies<Command: AdministrationCommand>(
        of command: Command.Type, _ arguments: [String]
    ) async -> Command.Operation.Reply? {
        guard let command = try? Command.parse(dataOptions(in: arguments)), let client = try? command.client()
        else { return nil }
        return try? await client.withSession(.looking) { (perform) throws(CommandFailure) in try await perform(command.operation) }
    }

    /// The options that say where the data are, of a line that is not written to its end.
    static func dataOptions(in line: [String]) -> [String] {
        var options: [String] = []
        for name in ["--data", "--config"] {
            for (index, word) in line.enumerated() {
                if word == name, index + 1 < line.count, !line[index + 1].isEmpty {
                    options += [name, plain(line[index + 1])]
                } else if word.hasPrefix(name + "=") {
                    options += [name, plain(String(word.dropFirst(name.count + 1)))]
                }
            }
        }
        return options
    }

    /// A word as the shell would hand it to a command, as far as paths are written.
    private static func plain(_ word: String) -> String {
        let text = word.filter { !#"\"'"#.contains($0) }
        return text.hasPrefix("~/") ? NSHomeDirectory() + text.dropFirst() : text
    }
}
