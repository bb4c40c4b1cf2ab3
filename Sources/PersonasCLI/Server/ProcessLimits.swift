import Foundation
import Personas
import PersonasHTTP

/// What the system lets this process have.
enum ProcessLimits {
    /// Descriptors kept for what is neither a client's connection nor an image on its way out: files being stored, downloads, look-ups,
    /// commands, and event loops.
    private static let workDescriptors = 40 + 3 * ProcessInfo.processInfo.activeProcessorCount
    /// Descriptors beyond those that are reckoned with, where the system allows them.
    private static let spareDescriptors = 64
    /// The fewest connections that are worth a start.
    private static let connectionsMin = 4

    /// How many connections can be served within the limit of descriptors.
    struct Connections: Equatable {
        /// The connections that fit: what is set, or fewer.
        let count: Int
        /// Descriptors that the process needs for what is set.
        let needed: Int
        /// Descriptors that it may have.
        let limit: Int
    }

    /// Descriptors that so many connections take, with the images that some of them may be sent, and those that are only told that there is no
    /// place.
    static func descriptors(forConnections count: Int) -> Int {
        count + HTTPConfiguration.mediaAnswers(of: count) + HTTPConfiguration.refusedConnections(of: count)
    }

    /// Raises the limit of descriptors as far as needed and possible.
    /// - Parameter isExact: whether fewer connections will not do, because somebody has asked for as many.
    /// - Throws: `configuration` when not all of them fit, or not even a few.
    static func fit(connectionsMax: Int, isExact: Bool) throws(Failure) -> Connections {
        let used = openDescriptors() + workDescriptors
        let needed = used + descriptors(forConnections: connectionsMax)
        let limit = raiseDescriptors(to: needed + spareDescriptors)
        return try connections(upTo: connectionsMax, isExact: isExact, used: used, limit: limit)
    }

    /// The connections that fit into a limit of which so many are used otherwise.
    /// - Throws: `configuration` when not all of them do where it has to be all, or not even a few.
    static func connections(upTo connectionsMax: Int, isExact: Bool, used: Int, limit: Int) throws(Failure) -> Connections {
        let needed = used + descriptors(forConnections: connectionsMax)
        var count = connectionsMax
        while count > 0, used + descriptors(forConnections: count) > limit { count -= 1 }
        guard count >= (isExact ? connectionsMax : min(connectionsMin, connectionsMax)) else {
            let lower = count >= connectionsMin ? ", or set connections-max to \(count) or less" : ""
            throw .configuration(
                setting: "connections-max",
                reason: "is \(connectionsMax), which needs \(needed) file descriptors, and \(limit) are allowed; "
                    + "raise the limit (ulimit -n, LimitNOFILE of systemd)\(lower)")
        }
        return Connections(count: count, needed: needed, limit: limit)
    }

    /// Raises the soft limit, within the hard one. Returns the limit in force.
    private static func raiseDescriptors(to wanted: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return wanted }
        guard limit.rlim_cur < rlim_t(wanted) else { return Int(clamping: limit.rlim_cur) }
        var raised = limit
        raised.rlim_cur = min(rlim_t(wanted), limit.rlim_max)
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 else { return Int(clamping: limit.rlim_cur) }
        return Int(clamping: raised.rlim_cur)
    }

    private static func openDescriptors() -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 64
    }
}
