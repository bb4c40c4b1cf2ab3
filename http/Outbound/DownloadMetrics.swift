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
        unavailable = ended("unavailable")
        refused = ended("refused")
    }

    /// Counts a download that ended.
    func count(_ result: Result<[UInt8], ImageFetchProblem>) {
        switch result {
        case .success: fetched.increment()
        case .failure(.tooLarge): tooLarge.increment()
        case .failure(.unavailable(FetchReason.forbiddenAddress)): forbidden.increment()
        case .failure(.unavailable): unavailable.increment()
        case .failure(.refused): refused.increment()
        }
    }
}
