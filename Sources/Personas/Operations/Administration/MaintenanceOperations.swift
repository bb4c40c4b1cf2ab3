/// Turns maintenance on or off.
package struct SetMaintenance: AdministrationOperation {
    private let isOn: Bool
    private let retryAfterSeconds: Int?

    package init(isOn: Bool, retryAfterSeconds: Int?) {
        self.isOn = isOn
        self.retryAfterSeconds = retryAfterSeconds
    }

    package static let aimsAtServer = true

    /// - Throws: `invalid`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> MaintenanceReport
    {
        let seconds = retryAfterSeconds ?? Maintenance.retryAfterSecondsDefault
        guard (1...Maintenance.retryAfterSecondsMax).contains(seconds) else {
            throw .invalid([Violation(.retryAfter, "must be from 1 to \(Maintenance.retryAfterSecondsMax) seconds")])
        }
        let context: WriteContext<Void> =
            isOn ? administration.context(.maintenanceOn, "retry after \(seconds) s") : administration.context(.maintenanceOff, "")
        try await administration.stores.maintenance.set(Maintenance(isOn: isOn, retryAfterSeconds: seconds), in: context)
        return try await administration.perform(ShowMaintenance())
    }
}

/// Tells whether maintenance is on.
package struct ShowMaintenance: AdministrationOperation {
    /// Asks for the state in force.
    package init() {}

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> MaintenanceReport
    {
        MaintenanceReport(administration.stores.maintenance.maintenance)
    }
}
