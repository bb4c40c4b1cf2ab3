import Personas

/// The processes that share a database.
struct PostgresCompanions: Companions {
    let pulse: PostgresPulse
    let reader: PostgresReader

    let isShared = true
    var dutyChanges: WakeSignal { pulse.dutyChanges }

    func begin(version: String, signals: WorkSignals, topUpWaits: TopUpWaits?) {
        // Whoever of them all asks for top-ups tells the others of outcomes.
        topUpWaits?.begin()
        pulse.begin(version: version) { receivers in
            receivers.signals = signals
            receivers.topUpWaits = topUpWaits
        }
    }

    func listens(at address: String) { pulse.listens(at: address) }

    func share(_ limiter: RateLimiter) { pulse.share(limiter) }

    func seek(_ duty: Duty) { pulse.seek(duty, 1) }

    func giveUp(_ duty: Duty) { pulse.seek(duty, -1) }

    func leads(_ duty: Duty) -> Bool { pulse.leads(duty) }

    func all() async throws(Failure) -> [CompanionReport] {
        try await reader.read { db in
            try db.all(
                """
                SELECT id, version, address, seen_at FROM replica WHERE seen_at > \(PulseLink.now) - ?
                ORDER BY id LIMIT \(PulseLink.replicasMax)
                """, [PulseLink.goneMilliseconds]
            ) { row in
                CompanionReport(
                    id: try row.identifier(0), version: try row.requiredText(1), address: try row.requiredText(2),
                    lastSeenAt: row.timestamp(3))
            }
        }
    }
}
