/// Lists what operators changed, newest first.
package struct ListAudit: ContinuedOperation {
    /// An entry.
    package typealias Row = AuditReport
    /// Where it stands.
    package typealias Place = AuditPlace

    private let since: Timestamp?
    private let place: AuditPlace?
    private let limit: Int

    /// - Parameters:
    ///   - since: the moment from which on entries are wanted.
    ///   - place: that of the entry which the list follows; nil for the newest.
    package init(since: Timestamp? = nil, after place: AuditPlace? = nil, limit: Int) {
        self.since = since
        self.place = place
        self.limit = Limits.administrationRows(limit)
    }

    package func perform(
        in administration: Administration, progress: @escaping ProgressHandler
    ) async throws(Failure) -> OperatorPage<AuditReport, AuditPlace> {
        try await administration.stores.audit.entries(since: since, after: place, limit: limit).map(AuditReport.init)
    }

    package func continued(after place: AuditPlace, limit: Int) -> ListAudit {
        ListAudit(since: since, after: place, limit: limit)
    }
}
