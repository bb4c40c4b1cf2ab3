import AsyncHTTPClient
package import Logging
import NIOCore
import NIOHTTP1
package import Personas
import PersonasWire

/// Asks the operator's payment service over HTTP.
///
/// The operator names it, so that it may well stand in the operator's own network. All else is as with webhooks: the question is signed, redirects are not
/// followed, and one time stands for the whole of it, however the answer drips.
package final class HTTPPaymentService: PaymentService {
    /// Where and how to ask.
    package struct Configuration: Sendable {
        /// Where the service is.
        package let url: PaymentURL
        /// What questions are signed with.
        package let secret: WebhookSecret
        /// Seconds that one question may take, from looking up the host to the last byte of the answer.
        package var attemptSecondsMax = Double(TopUpRules.attemptSecondsMax)
        /// Seconds of these within which the name has to be looked up, and again as many within which the host has to take the connection.
        package var connectSecondsMax = Double(TopUpRules.connectSecondsMax)

        package init(url: PaymentURL, secret: WebhookSecret) {
            self.url = url
            self.secret = secret
        }
    }

    /// Names that are looked up at once. More than questions, because a lookup that no question waits for any more goes on until the name servers are given up.
    private static let lookupsMax = TopUpEngine.placesMax * 3 / 2

    private let configuration: Configuration
    private let hosts: GuardedHosts
    private let clock: WallClock
    private let logger: Logger

    /// - Parameters:
    ///   - trust: whose certificates are taken.
    ///   - resolver: nil for the system's.
    package init(
        configuration: Configuration, trust: OutboundTrust, resolver: (any HostResolver)? = nil, logger: Logger, clock: WallClock = .system
    ) {
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
        hosts = GuardedHosts(
            policy: AddressPolicy(acceptsPrivate: true),
            resolver: resolver ?? SystemHostResolver(lookupsMax: Self.lookupsMax, takesSearchDomains: true), lookupsMax: Self.lookupsMax,
            trust: trust, logger: logger)
    }

    package func ask(for topUp: TopUp) async -> PaymentAnswer? {
        let url = configuration.url.url
        let times = GuardedHosts.Times(
            deadline: .now + .seconds(configuration.attemptSecondsMax), stepSecondsMax: configuration.connectSecondsMax)
        let request = SignedPost.request(
            id: topUp.id, url: url.text, body: Representation.request(for: topUp), secrets: [configuration.secret], at: clock.now)
        let result = await DeadlineResult<PaymentAnswer, DeliveryError>.of(overdue: .timeout, before: times.deadline) {
            [hosts, logger] closing in
            do {
                return .success(
                    try await hosts.exchange(request, with: url, for: topUp.accountID, within: times, closing: &closing) {
                        try await Self.answer($0)
                    })
            } catch {
                logger.debug("no answer of the payment service", metadata: ["top_up_id": "\(topUp.id)", "cause": "\(error)"])
                return .failure(DeliveryError(error))
            }
        } ended: {
        }
        switch result {
        case .success(let answer): return answer
        // Whoever was told to stop was not kept waiting by the payment service.
        case .failure(let error): return Task.isCancelled ? nil : .unknown(.unanswered(error))
        }
    }

    /// What an answer says, once it is whole: one that breaks off may say less than was meant.
    private static func answer(_ response: HTTPClientResponse) async throws -> PaymentAnswer {
        guard (200..<300).contains(response.status.code) else { return .unknown(.status(Int(response.status.code))) }
        var body: [UInt8] = []
        for try await chunk in response.body {
            guard body.count + chunk.readableBytes <= TopUpRules.answerBytesMax else { return .unknown(.unreadable) }
            body.append(contentsOf: chunk.readableBytesView)
        }
        // A cancelled body could look like a finished one.
        try Task.checkCancellation()
        return PaymentAnswer(reading: body)
    }
}
