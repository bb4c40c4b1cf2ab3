import CoreMetrics
import Personas

/// What downloads count.
struct DownloadMetrics: Sendable {
    /// Downloads that hold a place.
    let inFlight: Meter
    /// Downloads that wait for one.
    let waiting: Meter
    private let fetched: Counter
    private let tooLarge: Counter
    private let forbidden: Counter
    private let unavailable: Counter
    private let refused: Counter

    init(factory: any MetricsFactory) {
        func ended(_ outcome: String) -> Counter {
            Counter(label: "personas_downloads_total", dimensions: [("outcome", outcome)], factory: factory)
        }
        inFlight = Meter(label: "personas_downloads_in_flight", factory: factory)
        waiting = Meter(label: "personas_downloads_queue_depth", factory: factory)
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
