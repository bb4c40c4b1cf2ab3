import CPostgreSQL
import Foundation
import Personas

/// One connection as far as bytes go: what is queued, and what is awaited, within a time.
///
/// Once it is connected, libpq never blocks. A server that is stopped, or a COMMIT that waits for a standby, outlasts every timeout of the server's
/// own, so the time is kept on this side; and nothing is ever cancelled, because such a COMMIT would then report success. Belongs to one thread.
final class PostgresWire {
    let library: PostgresLibrary
    let handle: OpaquePointer
    private let notices = PostgresNotices()
    /// Whether it is of no more use.
    private(set) var isBroken = false

    /// Connects, which may block the thread for as long as the settings allow for each host, and for as long as finding its address takes.
    init(_ settings: PostgresSettings) throws {
        library = try PostgresLibrary.open()
        let words = settings.keywords.sorted { $0.key < $1.key }
        // Copied, because libpq takes pointers that must all live at the same time.
        let names = words.map { strdup($0.key) } + [nil]
        let values = words.map { strdup($0.value) } + [nil]
        defer { for text in names + values { free(text) } }
        guard
            let handle = library.call.PQconnectdbParams(
                names.map { UnsafePointer($0) }, values.map { UnsafePointer($0) }, 0)
        else { throw PostgresError(.unreachable, "libpq has no memory") }
        self.handle = handle
        guard library.call.PQstatus(handle) == PostgresStatus.connectionOK else { throw PostgresError(.unreachable, lastMessage) }
        guard library.call.PQsetnonblocking(handle, 1) == 0, library.call.PQenterPipelineMode(handle) == 1 else {
            throw PostgresError(.unreachable, lastMessage)
        }
        notices.register(on: handle, library)
    }

    deinit {
        library.call.PQfinish(handle)
    }

    /// Whether a warning came since COMMIT was awaited.
    var hasWarning: Bool { notices.warningCount > 0 }

    /// What libpq says that was wrong.
    var lastMessage: String { PostgresError.oneLine(library.call.PQerrorMessage(handle).map { String(cString: $0) } ?? "") }

    /// Has warnings counted from now on, or no more.
    func countWarnings(_ isCounting: Bool) { notices.count(isCounting) }

    /// Marks it as being of no more use.
    func giveUp() { isBroken = true }

    /// Whether it seems to be there still, as far as can be told without asking the server: the end of the stream may have come in an idle moment.
    func looksAlive() -> Bool {
        guard !isBroken else { return false }
        for _ in 0..<4 {
            guard let socket = socket, Self.poll(socket, Int16(POLLIN), milliseconds: 0) != 0 else { break }
            guard library.call.PQconsumeInput(handle) == 1 else {
                isBroken = true
                break
            }
            // Has libpq look at what it has read, which may be the server's farewell.
            _ = library.call.PQisBusy(handle)
        }
        if library.call.PQstatus(handle) != PostgresStatus.connectionOK { isBroken = true }
        return !isBroken
    }

    /// The next result of what is awaited; nil between one statement and the next.
    /// - Throws: `PostgresError` where the connection broke or the time is over; then it is of no more use.
    func nextResult(before deadline: ContinuousClock.Instant, limit: Int, statement: Int) throws -> OpaquePointer? {
        while library.call.PQisBusy(handle) != 0 {
            do {
                try awaitInput(before: deadline, limit: limit)
            } catch var error as PostgresError {
                isBroken = true
                error.statement = statement
                throw error
            }
        }
        return library.call.PQgetResult(handle)
    }

    /// Sends what is queued, and takes in meanwhile what the server says, so that neither side waits for the other.
    /// - Throws: `PostgresError` where the connection broke or the time is over; then it is of no more use.
    func send(before deadline: ContinuousClock.Instant, limit: Int) throws {
        while true {
            let left = library.call.PQflush(handle)
            if left == 0 { return }
            do {
                guard left == 1 else { throw PostgresError(.broken, lastMessage) }
                try awaitInput(before: deadline, limit: limit)
            } catch {
                isBroken = true
                throw error
            }
        }
    }

    /// Its descriptor, as long as it has one.
    var socket: Int32? {
        let socket = library.call.PQsocket(handle)
        return socket >= 0 ? socket : nil
    }

    private func awaitInput(before deadline: ContinuousClock.Instant, limit: Int) throws {
        let toSend = library.call.PQflush(handle)
        guard toSend >= 0, let socket, library.call.PQstatus(handle) == PostgresStatus.connectionOK else {
            throw PostgresError(.broken, lastMessage)
        }
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { throw PostgresError(.late, "no answer came within \(limit) ms") }
        let milliseconds = Int32(clamping: left.components.seconds * 1_000 + left.components.attoseconds / 1_000_000_000_000_000 + 1)
        let events = Int16(POLLIN) | (toSend == 1 ? Int16(POLLOUT) : 0)
        let seen = Self.poll(socket, events, milliseconds: milliseconds)
        // What was read before the end of the stream may hold the server's reason for it, which the caller looks at first.
        if seen & ~Int16(POLLOUT) != 0, library.call.PQconsumeInput(handle) != 1, library.call.PQisBusy(handle) != 0 {
            throw PostgresError(.broken, lastMessage)
        }
    }

    /// Waits for a socket. Returns what was seen, 0 for nothing.
    private static func poll(_ socket: Int32, _ events: Int16, milliseconds: Int32) -> Int16 {
        var entry = pollfd(fd: socket, events: events, revents: 0)
        return Foundation.poll(&entry, 1, milliseconds) > 0 ? entry.revents : 0
    }
}

/// Counts warnings while COMMIT is awaited: there one says that a standby was not waited for after all.
private final class PostgresNotices {
    private(set) var warningCount = 0
    private var isCounting = false
    private var library: PostgresLibrary?

    func register(on handle: OpaquePointer, _ library: PostgresLibrary) {
        self.library = library
        // The connection's owner keeps this for as long as it keeps the connection.
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = library.call.PQsetNoticeReceiver(
            handle,
            { context, notice in
                guard let context else { return }
                Unmanaged<PostgresNotices>.fromOpaque(context).takeUnretainedValue().take(notice)
            }, context)
    }

    func count(_ isCounting: Bool) {
        self.isCounting = isCounting
        if isCounting { warningCount = 0 }
    }

    private func take(_ notice: OpaquePointer) {
        guard isCounting, let library else { return }
        if library.field(PostgresField.severity, of: notice) == "WARNING" { warningCount += 1 }
    }
}
