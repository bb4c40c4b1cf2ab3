import Synchronization

/// A server as it presents itself to operators.
package struct ServerReport: Sendable, Codable, Equatable {
    /// What is known when it begins to listen, and stays.
    package struct Identity: Sendable, Codable, Equatable {
        /// Its version, with the commit that it was built from.
        package let version: String
        /// The number of its process.
        package let pid: Int
        /// Where it listens, `http://127.0.0.1:8080`.
        package let address: String
        /// What links begin with.
        package let publicURL: String

        package init(version: String, pid: Int, address: String, publicURL: String) {
            self.version = version
            self.pid = pid
            self.address = address
            self.publicURL = publicURL
        }
    }

    /// What stays as it is.
    package let identity: Identity
    /// Since when it listens, RFC 3339.
    package let startedAt: String
    /// For how long, by a clock that nobody sets.
    package let uptimeSeconds: Int

    package init(identity: Identity, startedAt: String, uptimeSeconds: Int) {
        self.identity = identity
        self.startedAt = startedAt
        self.uptimeSeconds = uptimeSeconds
    }
}

/// Whether this process serves, which its commands have no other way to know: nothing until it listens.
package final class ServerPresence: Sendable {
    private struct Beginning {
        let identity: ServerReport.Identity
        let at: Timestamp
        let instant: ContinuousClock.Instant
    }

    private let beginning = Mutex<Beginning?>(nil)

    /// A process that serves nobody yet.
    package init() {}

    /// From now on the process listens.
    package func begin(_ identity: ServerReport.Identity, at moment: Timestamp) {
        beginning.withLock { $0 = Beginning(identity: identity, at: moment, instant: .now) }
    }

    /// The server that this process is; nil where it is none.
    var report: ServerReport? {
        beginning.withLock { $0 }.map { beginning in
            ServerReport(
                identity: beginning.identity, startedAt: beginning.at.text,
                uptimeSeconds: Int(beginning.instant.duration(to: .now).components.seconds))
        }
    }
}
