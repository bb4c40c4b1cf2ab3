import CoreMetrics
import Hummingbird
import HummingbirdCore

/// Bounds how many connections are open, and counts them. Those beyond wait in the kernel's queue.
struct CountedConnections: AvailableConnectionsDelegate {
    private let connectionsMax: Int
    private let limits: LimitCounters
    private let open: Meter
    private var count = 0

    init(atMost connectionsMax: Int, limits: LimitCounters, factory: any MetricsFactory) {
        self.connectionsMax = connectionsMax
        self.limits = limits
        open = Meter(label: "personas_http_connections", factory: factory)
    }

    mutating func connectionOpened() {
        count += 1
        open.increment()
    }

    mutating func connectionClosed() {
        count -= 1
        open.decrement()
    }

    // Asked before each connection is taken; after a no, not again before one has closed.
    func isAcceptingNewConnections() -> Bool {
        if count < connectionsMax { return true }
        limits.hit(.connections)
        return false
    }
}
