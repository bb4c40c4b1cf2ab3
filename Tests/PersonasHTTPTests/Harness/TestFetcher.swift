import Personas
import Synchronization

/// The internet, as far as tests need one: what each URL gives, and which were asked for.
final class TestFetcher: ImageFetcher {
    private struct State {
        var outcomes: [String: Result<[UInt8], ImageFetchProblem>] = [:]
        var fetched: [String] = []
        var crowd = 0
    }

    let acceptsPlainHTTP: Bool
    private let state = Mutex(State())
    private let arrivals = WakeSignal()

    init(acceptsPlainHTTP: Bool = false) {
        self.acceptsPlainHTTP = acceptsPlainHTTP
    }

    /// What was asked for, in alphabetical order, because images are fetched side by side.
    var fetched: [String] { state.withLock { $0.fetched.sorted() } }

    func serve(_ url: String, _ bytes: [UInt8]) { state.withLock { $0.outcomes[url] = .success(bytes) } }

    func refuse(_ url: String, _ problem: ImageFetchProblem) { state.withLock { $0.outcomes[url] = .failure(problem) } }

    /// Answers no request before that many have come.
    func answerOnlyCrowd(of count: Int) { state.withLock { $0.crowd = count } }

    /// Asks for an image that no request names.
    func fetch(_ url: String, before deadline: ContinuousClock.Instant) async throws(ImageFetchProblem) -> [UInt8] {
        try await fetch(url, holding: .unlimited(), before: deadline)
    }

    func fetch(
        _ url: String, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant
    ) async throws(ImageFetchProblem) -> [UInt8] {
        state.withLock { $0.fetched.append(url) }
        arrivals.notify()
        while ContinuousClock.now < deadline {
            let seen = arrivals.count
            if state.withLock({ $0.fetched.count >= $0.crowd }) { break }
            await arrivals.wait(after: seen, atMost: .seconds(1))
        }
        guard let outcome = state.withLock({ $0.outcomes[url] }) else { throw .unavailable(reason: "could not be fetched") }
        let bytes = try outcome.get()
        do {
            try memory.grow(by: bytes.count)
        } catch {
            throw .refused(error)
        }
        return bytes
    }
}
