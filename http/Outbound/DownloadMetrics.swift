import CoreMetrics
import Personas
import PersonasMetrics

/// What downloads count.
struct DownloadMetrics: Sendable {
    let inFlight: Meter
    let waiting: Meter
    private let fetched: Counter
    private let tooLarge: Counter
    private let forbidden: Counter
    private let lookupFailed: Counter
    private let unreachable: Counter
    private let insecure: Counter
    private let overdue: Counter
    private let unavailable: Counter
    private let refused: Counter

    init(factory: any MetricsFactory) {
        let downloads = Metric("personas_downloads_total", help: "Downloads of images that ended, by outcome.")
        func ended(_ outcome: String) -> Counter { downloads.counter([("outcome", outcome)], in: factory) }
        inFlight = Metric("personas_downloads_in_flight", help: "Downloads of images under way.").meter(in: factory)
        waiting = Metric("personas_downloads_queue_depth", help: "Downloads of images that wait for others to end.").meter(in: factory)
        fetched = ended("fetched")
        tooLarge = ended("too_large")
        forbidden = ended("forbidden")
        lookupFailed = ended("lookup_failed")
        unreachable = ended("unreachable")
        insecure = ended("insecure")
        overdue = ended("overdue")
        unavailable = ended("unavailable")
        refused = ended("refused")
    }

    /// Counts a download that ended.
    func count(_ result: Result<[UInt8], ImageFetchProblem>) {
        switch result {
        case .success: fetched.increment()
        case .failure(.tooLarge): tooLarge.increment()
        case .failure(.unavailable(let reason)): counter(of: reason).increment()
        case .failure(.refused): refused.increment()
        }
    }

    private func counter(of reason: String) -> Counter {
        switch reason {
        case FetchReason.forbiddenAddress, FetchReason.forbiddenName: forbidden
        case FetchReason.lookupFailed: lookupFailed
        case FetchReason.refused, FetchReason.noRoute: unreachable
        case FetchReason.untrusted, FetchReason.otherHost, FetchReason.handshakeFailed: insecure
        case FetchReason.overdue: overdue
        default: unavailable
        }
    }
}
