package import Logging
import NIOCore
package import Personas

/// Sends webhooks to the URLs of strangers, and never into the operator's network. A redirect is an answer like any other.
package final class GuardedWebhookSender: WebhookSender, WebhookTargetCheck {
    /// The settings of deliveries.
    package struct Configuration: Sendable {
        /// Whether plain `http`, private and loopback addresses and all ports are taken. Never to be set where strangers have keys.
        package var isDevelopment = false
        /// Ranges never to connect to, for example the NAT64 prefix of the operator's own network.
        package var blockedPrefixes: [AddressPrefix] = []
        /// Seconds that one attempt may take, from looking up the host to the last byte of the answer that is read.
        package var attemptSecondsMax = Double(DeliveryRules.attemptSecondsMax)
        /// Seconds of these within which the name has to be looked up, and again as many within which the host has to take the connection.
        package var connectSecondsMax = Double(DeliveryRules.connectSecondsMax)
        /// Names that are looked up at once, shared by account. More than attempts, because a lookup that no attempt waits for any more goes on until the
        /// name servers are given up.
        package var lookupsMax = DeliveryPlan.placesMax * 3 / 2

        /// The defaults.
        package init() {}
    }

    private let configuration: Configuration
    private let rules: DownloadURL.Rules
    private let hosts: GuardedHosts
    private let clock: WallClock
    private let logger: Logger

    /// Sends by the rules of the configuration, and trusts whom the process trusts.
    package convenience init(configuration: Configuration, trust: OutboundTrust, logger: Logger, clock: WallClock = .system) {
        self.init(
            configuration: configuration, rules: configuration.isDevelopment ? .development : .strict,
            policy: AddressPolicy(acceptsPrivate: configuration.isDevelopment, blocked: configuration.blockedPrefixes),
            resolver: SystemHostResolver(lookupsMax: configuration.lookupsMax, takesSearchDomains: configuration.isDevelopment),
            trust: trust, logger: logger, clock: clock)
    }

    /// Takes rules, policy and resolver from outside, in place of those that follow from the configuration.
    package init(
        configuration: Configuration, rules: DownloadURL.Rules, policy: AddressPolicy, resolver: any HostResolver, trust: OutboundTrust,
        logger: Logger, clock: WallClock = .system
    ) {
        self.configuration = configuration
        self.rules = rules
        self.clock = clock
        self.logger = logger
        hosts = GuardedHosts(
            policy: policy, resolver: resolver, lookupsMax: configuration.lookupsMax, trust: trust, logger: logger)
    }

    package func problem(of url: String, for accountID: Identifier) async -> WebhookURLProblem? {
        do {
            let times = GuardedHosts.Times(
                deadline: .now + .seconds(configuration.attemptSecondsMax), stepSecondsMax: configuration.connectSecondsMax)
            try await hosts.vet(DownloadURL(url, rules: rules).host, for: accountID, within: times)
            return nil
        } catch DownloadURL.Problem.malformed {
            return .malformed
        } catch DownloadURL.Problem.forbidden, HostProblem.forbiddenAddress, HostProblem.forbiddenName {
            return .forbidden
        } catch {
            return nil
        }
    }

    package func send(_ message: WebhookMessage) async -> DeliveryAttempt? {
        let (at, begin) = (clock.now, ContinuousClock.now)
        let answer = ReceivedAnswer()
        let result = await exchange(message, at: at, answer)
        let heard = answer.content
        // Whoever was told to stop was not kept waiting by the receiver.
        if heard.status == nil, Task.isCancelled, case .failure = result { return nil }
        let duration = begin.duration(to: .now).components
        let milliseconds = duration.seconds * 1_000 + duration.attoseconds / 1_000_000_000_000_000
        var error: DeliveryError?
        if heard.status == nil, case .failure(let problem) = result { error = problem }
        return DeliveryAttempt(
            at: at, url: message.url, durationMilliseconds: milliseconds, httpStatus: heard.status, error: error,
            responseBody: heard.status == nil ? nil : ReceivedAnswer.excerpt(of: heard.body),
            retryAfterSeconds: heard.retryAfter.flatMap { RetryAfter.seconds($0, now: clock.now) })
    }

    /// Sends the message and reads the answer.
    private func exchange(_ message: WebhookMessage, at: Timestamp, _ answer: ReceivedAnswer) async -> Result<Void, DeliveryError> {
        let url: DownloadURL
        do {
            url = try DownloadURL(message.url, rules: rules)
        } catch {
            return .failure(.forbiddenAddress)
        }
        let times = GuardedHosts.Times(
            deadline: .now + .seconds(configuration.attemptSecondsMax), stepSecondsMax: configuration.connectSecondsMax)
        let request = SignedPost.request(
            id: message.id, url: message.url, body: message.body, secrets: message.secrets, at: at)
        return await DeadlineResult<Void, DeliveryError>.of(overdue: .timeout, before: times.deadline) { [hosts, logger] closing in
            do {
                try await hosts.exchange(request, with: url, for: message.accountID, within: times, closing: &closing) {
                    try await answer.read($0)
                }
                return .success(())
            } catch {
                // The path and the query are left out, because they may be secrets.
                logger.debug(
                    "webhook not delivered", metadata: ["host": "\(url.hostText)", "port": "\(url.port)", "cause": "\(error)"])
                return .failure(DeliveryError(error))
            }
        } ended: {
        }
    }
}
