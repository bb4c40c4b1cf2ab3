import CPostgreSQL
import Foundation
import Personas

/// The connection of the pulse, and what is asked on it. Belongs to the thread of the pulse.
///
/// Nothing on it waits for a disk, or for a standby: what it writes is worth something for seconds.
final class PulseLink {
    /// The channel that bells are rung on.
    static let channel = "personas_bells"
    /// Milliseconds without a beat after which a process counts as gone.
    static let goneMilliseconds: Int64 = 5_000
    /// Milliseconds after which the row of one that is gone is deleted.
    private static let keptMilliseconds: Int64 = 60_000
    /// Processes that are told of at most.
    static let replicasMax = 1_000
    /// Rows that are deleted at once.
    private static let deletedAtOnce = 1_000

    /// What a beat brought.
    struct Beat {
        var generation: Int64 = 0
        /// By the server's clock, in milliseconds.
        var now: Int64 = 0
        /// The steady clock when it was asked and when the answer was there, in milliseconds.
        var asked: Int64 = 0
        var heard: Int64 = 0
        /// Those that serve.
        var replicas: Set<Identifier> = []
        /// What keys have used at others.
        var uses: [SharedRates.Row] = []
    }

    /// Whoever beats.
    struct Member: Sendable {
        let id: Identifier
        let version: String
        let address: String
    }

    /// The server's time in milliseconds since 1970.
    static let now = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"

    private static let look = """
        SELECT CAST(0 AS bigint) AS kind, CAST(NULL AS uuid) AS replica_id, CAST(NULL AS uuid) AS key_id, number AS first, \(now) AS second,
            CAST(0 AS bigint) AS third, CAST(0 AS bigint) AS fourth
        FROM generation
        UNION ALL
        (SELECT 1, id, NULL, seen_at, 0, 0, 0 FROM replica WHERE seen_at > \(now) - \(goneMilliseconds) LIMIT \(replicasMax))
        UNION ALL
        (SELECT 2, replica_id, key_id, begun_at, used_at, reads, writes FROM rate_use
        WHERE used_at > ?1 AND replica_id <> ?2 ORDER BY used_at DESC LIMIT \(SharedRates.readMax))
        """

    private let connection: PostgresConnection
    private(set) var isListening = false
    /// What it has of duties, as far as is known here.
    private(set) var led: Set<Duty> = []

    /// Connects. The session ends by itself where this process stands still, so that its duties go to others then.
    /// - Parameter silenceMillisecondsMax: milliseconds without a word after which it does.
    init(_ settings: PostgresSettings, silenceMillisecondsMax: Int) throws {
        connection = try PostgresConnection(settings)
        let words = [
            ("synchronous_commit", "off"), ("idle_session_timeout", "\(silenceMillisecondsMax)"),
            // Of no effect on a Unix socket. Where a network is cut, the server would else keep the session, with its locks, for hours.
            ("tcp_keepalives_idle", "5"), ("tcp_keepalives_interval", "2"), ("tcp_keepalives_count", "3"),
        ]
        let places = words.map { _ in "set_config(?, ?, false)" }.joined(separator: ", ")
        _ = try connection.finds("SELECT \(places)", words.flatMap { [$0.0, $0.1] })
    }

    /// Whether it is of no more use.
    var isBroken: Bool { connection.isBroken }

    /// Milliseconds that an answer may take.
    var answerMillisecondsMax: Int {
        get { connection.answerMillisecondsMax }
        set { connection.answerMillisecondsMax = newValue }
    }

    /// The server's time, in milliseconds.
    func time() throws -> Int64 { try connection.first("SELECT \(Self.now)", []) { $0.integer(0) } ?? 0 }

    /// Has bells heard from now on.
    func listen() throws {
        try connection.run("LISTEN \(Self.channel)")
        try connection.settle()
        isListening = true
    }

    /// Says that this process is there and what its keys have used, and hears the same of others, in one round trip.
    func beat(
        as member: Member, using uses: [(keyID: Identifier, begunAt: Int64, reads: Int64, writes: Int64)], since: Int64
    ) throws -> Beat {
        var beat = Beat()
        beat.asked = ServerClock.steadyMilliseconds()
        try connection.run(
            """
            INSERT INTO replica (id, seen_at, version, address) VALUES (?, \(Self.now), ?, ?)
            ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, address = excluded.address
            """, [member.id, member.version, member.address])
        // Of each key at most one row, and no other process writes it, so that nobody waits for anybody.
        for use in uses {
            try connection.run(
                """
                INSERT INTO rate_use (replica_id, key_id, begun_at, used_at, reads, writes) VALUES (?, ?, ?, \(Self.now), ?, ?)
                ON CONFLICT (replica_id, key_id) DO UPDATE
                SET begun_at = excluded.begun_at, used_at = excluded.used_at, reads = excluded.reads, writes = excluded.writes
                """, [member.id, use.keyID, use.begunAt, use.reads, use.writes])
        }
        try connection.query(Self.look, [since, member.id]) { row in
            switch row.integer(0) {
            case 0: (beat.generation, beat.now) = (row.integer(3), row.integer(4))
            case 1: beat.replicas.insert(try row.identifier(1))
            default:
                beat.uses.append(
                    SharedRates.Row(
                        replicaID: try row.identifier(1), keyID: try row.identifier(2), begunAt: row.integer(3), usedAt: row.integer(4),
                        reads: row.integer(5), writes: row.integer(6)))
            }
        }
        beat.heard = ServerClock.steadyMilliseconds()
        return beat
    }

    /// Takes the duties that this process seeks and nobody has, and gives up those that it seeks no more.
    func settle(duties sought: Set<Duty>) throws {
        for duty in Duty.allCases where sought.contains(duty) != led.contains(duty) {
            let (service, work) = PostgresLock.key(of: duty)
            let call = sought.contains(duty) ? "pg_try_advisory_lock" : "pg_advisory_unlock"
            let isDone = try connection.first("SELECT \(call)(CAST(? AS integer), CAST(? AS integer))", [service, work]) { $0.isTrue(0) }
            if sought.contains(duty) {
                if isDone == true { led.insert(duty) }
            } else {
                led.remove(duty)
            }
        }
    }

    /// Rings for the others, in one transaction.
    func ring(_ payloads: [String]) throws {
        for payload in payloads { try connection.run("SELECT pg_notify(?, ?)", [Self.channel, payload]) }
        try connection.settle()
    }

    /// Deletes rows of which nobody needs to know any more.
    func clear() throws {
        try connection.run(
            """
            DELETE FROM rate_use WHERE (replica_id, key_id) IN (SELECT replica_id, key_id FROM rate_use WHERE used_at < \(Self.now) - ?
                LIMIT \(Self.deletedAtOnce) FOR UPDATE SKIP LOCKED)
            """, [2 * SharedRates.keptMilliseconds])
        try connection.run(
            """
            DELETE FROM replica WHERE id IN (SELECT id FROM replica WHERE seen_at < \(Self.now) - ?
                LIMIT \(Self.deletedAtOnce) FOR UPDATE SKIP LOCKED)
            """, [Self.keptMilliseconds])
        try connection.settle()
    }

    /// Says that this process serves no more.
    func leave(_ id: Identifier) throws {
        try connection.run("DELETE FROM replica WHERE id = ?", [id])
        try connection.settle()
    }

    /// Asks something else on the connection.
    func look<Value>(_ body: (any SQLConnection) throws -> Value) throws -> Value { try body(connection) }

    /// Waits until something comes, a descriptor can be read, or the time is over.
    func awaitNews(or descriptor: Int32, milliseconds: Int32) {
        guard let socket = connection.wire.socket else { return connection.wire.giveUp() }
        var entries = [
            pollfd(fd: socket, events: Int16(POLLIN), revents: 0), pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        poll(&entries, nfds_t(entries.count), milliseconds)
    }

    /// What was rung since this was asked last.
    /// - Throws: `PostgresError` where the connection is gone.
    func payloads() throws -> [String] {
        guard connection.wire.looksAlive() else { throw PostgresError(.broken, connection.wire.lastMessage) }
        return connection.wire.notifications()
    }
}

extension PostgresWire {
    /// The payloads of what has come since this was asked last.
    fileprivate func notifications() -> [String] {
        var payloads: [String] = []
        while let found = library.call.PQnotifies(handle) {
            let notification = UnsafeRawPointer(found).assumingMemoryBound(to: PostgresNotification.self)
            payloads.append(String(cString: notification.pointee.payload))
            library.call.PQfreemem(UnsafeMutableRawPointer(found))
        }
        return payloads
    }
}
