import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Personas
import Synchronization

/// Sends requests to the store, signed, and again where that may help, within the time that a call has.
final class S3Client: Sendable {
    /// What a call comes to, if not to a failure.
    enum Reply<Value: Sendable>: Sendable {
        case done(Value)
        case refused(S3Refusal)
    }

    /// What one try comes to.
    private enum Try<Value: Sendable> {
        case done(Value)
        case refused(S3Refusal)
        /// The connection broke, or time was up; in words.
        case lost(String)
        case failed(Failure)
    }

    let location: S3Location
    let bounds: S3Bounds
    private let credentials: S3Credentials
    private let clock: WallClock
    private let metrics: S3Metrics
    private let budget = RetryBudget()
    /// Milliseconds that the store's clock is ahead of ours, once it has found the difference too large.
    private let clockOffset = Atomic<Int64>(0)
    /// For GETs, whose bodies are read as slowly as clients take them.
    private let readingClient: HTTPClient
    private let otherClient: HTTPClient
    private let isOwner: Bool

    /// - Parameter client: nil to have this make its own. One that is given is used for everything, and stays open.
    init(
        location: S3Location, credentials: S3Credentials, client: HTTPClient?, bounds: S3Bounds, clock: WallClock, metrics: S3Metrics
    ) {
        self.location = location
        self.credentials = credentials
        self.bounds = bounds
        self.clock = clock
        self.metrics = metrics
        isOwner = client == nil
        readingClient = client ?? Self.client(connections: bounds.readingConnectionsMax, bounds)
        otherClient = client ?? Self.client(connections: bounds.connectionsMax, bounds)
    }

    private static func client(connections: Int, _ bounds: S3Bounds) -> HTTPClient {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .milliseconds(Int64(bounds.connectSecondsMax * 1_000))),
            decompression: .disabled)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
        // Stores close what is idle for long, at worst in the moment in which it is used again.
        configuration.connectionPool.idleTimeout = .seconds(15)
        // By default a refused connection is tried again until the time to connect is over.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.tracing.tracer = nil
        return HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
    }

    /// Closes all connections, unless they are another's. Calls that follow fail.
    func close() async {
        guard isOwner else { return }
        try? await readingClient.shutdown()
        try? await otherClient.shutdown()
    }

    /// Makes a call whose answer is read to its end.
    /// - Returns: the body of an answer that is a success, up to so many bytes, or why there is none.
    /// - Throws: `storeBusy` where the store is not there, or too busy, `usedUp`, `cancelled`, `unexpected`.
    func answer(to request: S3Request, bytesMax: Int? = nil) async throws(Failure) -> Reply<[UInt8]> {
        let bytesMax = bytesMax ?? bounds.answerBytesMax
        return try await call(request, by: otherClient, trySecondsMax: bounds.callSecondsMax) { response in
            let body = try await response.body.collect(upTo: bytesMax)
            try Task.checkCancellation()
            return Array(body.readableBytesView)
        }
    }

    /// Makes a call whose answer's body is still to be read.
    /// - Throws: as `answer` does.
    func open(_ request: S3Request) async throws(Failure) -> Reply<HTTPClientResponse> {
        try await call(request, by: readingClient, trySecondsMax: bounds.firstByteSecondsMax) { $0 }
    }

    /// The failure of a refusal that nobody expects.
    func failure(of refusal: S3Refusal, for operation: S3Request.Operation) -> Failure {
        .unexpected("The object store refuses to \(operation.rawValue) in \(location.bucket): \(refusal.text)")
    }

    /// Waits before something is done again.
    /// - Parameters:
    ///   - triesDone: how often it was done.
    ///   - leastSeconds: what the store asks for.
    /// - Throws: `storeBusy` with the reason where it may not be done again, `cancelled`.
    func pause(
        after reason: String, triesDone: Int, leastSeconds: Double = 0, before deadline: ContinuousClock.Instant,
        _ operation: S3Request.Operation
    ) async throws(Failure) {
        let mean = bounds.pauseMilliseconds / 1_000 * Double(1 << min(10, triesDone - 1))
        let seconds = max(leastSeconds, mean * Double.random(in: 0.5...1.5))
        let isInTime = ContinuousClock.now + .seconds(min(seconds, 86_400)) < deadline
        guard triesDone < bounds.triesMax, isInTime, budget.spend() else {
            throw .storeBusy("The object store does not \(operation.rawValue): \(reason), tries: \(triesDone)")
        }
        do {
            try await Task.sleep(for: .seconds(seconds))
        } catch {
            throw .cancelled
        }
    }

    private func call<Value: Sendable>(
        _ request: S3Request, by client: HTTPClient, trySecondsMax: Double,
        _ read: @escaping @Sendable (HTTPClientResponse) async throws -> Value
    ) async throws(Failure) -> Reply<Value> {
        let deadline = ContinuousClock.now + .seconds(bounds.callSecondsMax)
        budget.earn()
        var (triesDone, hasAdoptedTime) = (0, false)
        while true {
            let secondsLeft = ContinuousClock.now.duration(to: deadline) / .seconds(1)
            triesDone += 1
            var (reason, leastSeconds) = ("", 0.0)
            switch await attempt(request, by: client, seconds: min(secondsLeft, trySecondsMax), read) {
            case .done(let value): return .done(value)
            case .failed(let failure): throw failure
            case .lost(let cause): reason = cause
            case .refused(let refusal):
                switch refusal.remedy {
                case .adoptTime where !hasAdoptedTime && adoptTime(of: refusal):
                    hasAdoptedTime = true
                    continue
                case .none, .adoptTime: return .refused(refusal)
                case .retry: (reason, leastSeconds) = (refusal.text, refusal.retryAfterSeconds ?? 0)
                }
            }
            try await pause(after: reason, triesDone: triesDone, leastSeconds: leastSeconds, before: deadline, request.operation)
        }
    }

    private func attempt<Value: Sendable>(
        _ request: S3Request, by client: HTTPClient, seconds: Double, _ read: @escaping @Sendable (HTTPClientResponse) async throws -> Value
    ) async -> Try<Value> {
        let start = ContinuousClock.now
        let now = Timestamp(milliseconds: clock.now.milliseconds + clockOffset.load(ordering: .relaxed))
        let signed = request.signed(for: location, by: credentials, at: now)
        let result: Try<Value>
        let outcome: S3Metrics.Outcome
        do {
            result = try await within(seconds) { [bounds] in
                let response = try await client.execute(signed, deadline: .distantFuture)
                guard (200..<300).contains(response.status.code) else {
                    // What says why may be larger than is read; then its status has to do.
                    let words = (try? await response.body.collect(upTo: bounds.answerBytesMax)).map { Array($0.readableBytesView) }
                    try Task.checkCancellation()
                    return .refused(S3Refusal(Int(response.status.code), response.headers, body: words, now: now))
                }
                return .done(try await read(response))
            }
            outcome = Self.outcome(of: result)
        } catch {
            (result, outcome) = Self.sort(error, after: seconds)
        }
        metrics.count(request.operation, outcome, took: start.duration(to: .now))
        return result
    }

    /// Takes the store's clock for right. Returns false where the answer does not say what time it is.
    private func adoptTime(of refusal: S3Refusal) -> Bool {
        guard let date = refusal.date else { return false }
        clockOffset.store(date.milliseconds - clock.now.milliseconds, ordering: .relaxed)
        return true
    }

    private static func outcome<Value>(of result: Try<Value>) -> S3Metrics.Outcome {
        guard case .refused(let refusal) = result else { return .done }
        switch refusal.remedy {
        case .retry: return .unavailable
        case .none where refusal.isMissingObject || refusal.status == 412 || refusal.status == 416: return .passed
        case .none, .adoptTime: return .refused
        }
    }

    private static func sort<Value>(_ error: any Error, after seconds: Double) -> (Try<Value>, S3Metrics.Outcome) {
        if Task.isCancelled { return (.failed(.cancelled), .cancelled) }
        switch error {
        case is Overdue: return (.lost("no answer within \(Int(seconds.rounded(.up))) s"), .overdue)
        case is NIOTooManyBytesError: return (.failed(.unexpected("The object store's answer is longer than any should be")), .refused)
        case let error as HTTPClientError where error == .getConnectionFromPoolTimeout:
            return (.failed(.storeBusy("All connections to the object store are in use")), .overdue)
        case let error as HTTPClientError where error == .connectTimeout: return (.lost("it takes no connection"), .broken)
        default:
            guard isOutOfDescriptors(error) else { return (.lost("\(error)"), .broken) }
            return (.failed(.usedUp(.fileDescriptors, retryAfterSeconds: 1)), .broken)
        }
    }

    private static func isOutOfDescriptors(_ error: any Error) -> Bool {
        switch error {
        case let error as IOError: error.errnoCode == EMFILE || error.errnoCode == ENFILE
        case let error as NIOConnectionError: error.connectionErrors.contains { isOutOfDescriptors($0.error) }
        default: false
        }
    }
}
