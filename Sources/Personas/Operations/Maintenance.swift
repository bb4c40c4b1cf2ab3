/// Whether the service turns clients away for a while.
package struct Maintenance: Sendable, Equatable, Codable {
    /// Whether clients are turned away.
    package let isOn: Bool
    /// What they are told to wait, at least 1.
    package let retryAfterSeconds: Int

    package init(isOn: Bool, retryAfterSeconds: Int = Maintenance.retryAfterSecondsDefault) {
        self.isOn = isOn
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// What clients are told to wait unless an operator says otherwise.
    package static let retryAfterSecondsDefault = 60
    /// What an operator may tell them at most: a day.
    package static let retryAfterSecondsMax = 86_400
}

/// Remembers whether maintenance is on.
package protocol MaintenanceStore: Sendable {
    /// The state in force; answered from memory, because every request asks.
    var maintenance: Maintenance { get }
    /// Turns maintenance on or off, for good until the next change.
    func set(_ maintenance: Maintenance, in context: WriteContext<Void>) async throws(Failure)
}
