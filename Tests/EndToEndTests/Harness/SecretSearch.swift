import Foundation
import NIOHTTP1
import Synchronization

/// Everything that a test made the product write or say, to be searched for what must not be there.
final class SecretSearch: Sendable {
    /// Who may know a secret.
    enum Reach: Sendable {
        /// Its owner alone: not even the database has it.
        case nowhere
        /// Callers and the database, whose business it is; but no log, no command line and nothing else that operators pass around.
        case callersAndDatabase
    }

    /// Where something was found.
    enum Place: Sendable {
        /// An answer over HTTP or what the database's files hold.
        case answerOrDatabase
        /// Logs, output of commands, command lines, metrics.
        case record
    }

    private struct State {
        var secrets: [(what: String, bytes: Data, reach: Reach)] = []
        var texts: [(place: Place, name: String, bytes: Data)] = []
    }

    private let state = Mutex(State())

    /// Adds something to search for.
    func hide(_ what: String, _ secret: some Sequence<UInt8>, _ reach: Reach = .nowhere) {
        state.withLock { $0.secrets.append((what, Data(secret), reach)) }
    }

    /// Adds a key: all of it but the part that it is recognised by.
    func hide(_ what: String, key: Key) { hide(what, key.secret.utf8.dropFirst(8)) }

    /// Adds something that was said.
    func add(_ place: Place, _ name: String, _ bytes: some Sequence<UInt8>) {
        state.withLock { $0.texts.append((place, name, Data(bytes))) }
    }

    /// Adds an answer with its head, and passes it on.
    @discardableResult
    func add(_ answer: ClientAnswer, to request: String) -> ClientAnswer {
        let head = answer.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
        add(.answerOrDatabase, "the answer \(answer.status) to \(request)", Array("\(head)\n\n".utf8) + answer.body)
        return answer
    }

    /// Adds what a command printed, and passes it on.
    @discardableResult
    func add(_ result: CommandResult) -> CommandResult {
        add(.record, "the output of personas \(result.arguments.first ?? "")", Array("\(result.output)\n\(result.error)".utf8))
        return result
    }

    /// Adds what every user of the machine can see of a process, and what it has written so far.
    func add(_ process: ChildProcess, as name: String) {
        for file in ["cmdline", "comm", "stat", "status"] {
            add(.record, "/proc/PID/\(file) of \(name)", FileManager.default.contents(atPath: "/proc/\(process.id)/\(file)") ?? Data())
        }
        add(.record, "the log of \(name)", Array("\(process.standardOutput)\n\(process.standardError)".utf8))
    }

    /// Adds the files of a data folder, apart from the images.
    func add(dataFolder: String) throws {
        for path in try FileManager.default.subpathsOfDirectory(atPath: dataFolder) where !path.hasPrefix("media/") {
            guard let content = FileManager.default.contents(atPath: "\(dataFolder)/\(path)") else { continue }
            add(.answerOrDatabase, "the file \(path)", content)
        }
    }

    /// Names what was found where it must not be.
    var leaks: [String] {
        let (secrets, texts) = state.withLock { ($0.secrets, $0.texts) }
        return texts.flatMap { text in
            secrets.filter { secret in
                (secret.reach == .nowhere || text.place == .record) && text.bytes.range(of: secret.bytes) != nil
            }.map { "\($0.what) is in \(text.name)" }
        }
    }

    /// How many of the texts hold some bytes: for proving that they were searched at all.
    func count(of bytes: some Sequence<UInt8>) -> Int {
        let wanted = Data(bytes)
        return state.withLock { $0.texts.filter { $0.bytes.range(of: wanted) != nil }.count }
    }

    /// How many texts there are.
    var textCount: Int { state.withLock { $0.texts.count } }
}
