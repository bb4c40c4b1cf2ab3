import AsyncHTTPClient
package import CoreMetrics
package import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
package import Personas

/// Fetches images from the URLs of strangers, and never from inside the operator's network.
///
/// A name is looked up once, every address it has must be allowed, and the connection goes to one that was looked at, so a name that
/// changes its address between check and use gains nothing. Every redirect goes through the same checks.
package final class GuardedImageFetcher: ImageFetcher {
    /// The settings of downloads.
    package struct Configuration: Sendable {
        /// Whether plain `http`, private and loopback addresses and all ports are taken. Never to be set where strangers have keys.
        package var isDevelopment = false
        /// Seconds for one image, from looking up its host to its last byte, redirects included.
        package var imageSecondsMax = 10.0
        /// Redirects that are followed for one image.
        package var redirectsMax = 3
        /// Images that are fetched at once, shared by account; more wait for their turn until their deadline.
        package var downloadsMax = 12
        /// Names that are looked up at once, shared by account. More than downloads, because a lookup that no download waits for any more goes on
        /// until the name servers are given up.
        package var lookupsMax: Int { downloadsMax * 4 }
        /// A file of PEM certificates to trust instead of the system's.
        package var trustRootsFile: String?
        /// Ranges never to connect to, for example the NAT64 prefix of the operator's own network.
        package var blockedPrefixes: [AddressPrefix] = []

        /// The defaults.
        package init() {}

        /// Whether a file can be what `trustRootsFile` names.
        package static func holdsCertificates(file: String) -> Bool { (try? NIOSSLCertificate.fromPEMFile(file)) != nil }
    }

    private let configuration: Configuration
    private let rules: DownloadURL.Rules
    private let hosts: GuardedHosts
    private let places: AsyncSemaphore
    private let logger: Logger
    private let metrics: DownloadMetrics

    /// Fetches by the rules of the configuration, and trusts whom the process trusts.
    package convenience init(
        configuration: Configuration, trust: OutboundTrust, logger: Logger, metrics: any MetricsFactory = NOOPMetricsHandler.instance
    ) {
        self.init(
            configuration: configuration,
            rules: configuration.isDevelopment ? .development : .strict,
            policy: AddressPolicy(acceptsPrivate: configuration.isDevelopment, blocked: configuration.blockedPrefixes),
            resolver: SystemHostResolver(lookupsMax: configuration.lookupsMax, takesSearchDomains: configuration.isDevelopment),
            trust: trust, logger: logger, metrics: metrics
        )
    }

    /// Takes rules, policy and resolver from outside, in place of those that follow from the configuration.
    package init(
        configuration: Configuration, rules: DownloadURL.Rules, policy: AddressPolicy, resolver: any HostResolver, trust: OutboundTrust,
        logger: Logger, metrics: any MetricsFactory = NOOPMetricsHandler.instance
    ) {
        self.configuration = configuration
        self.rules = rules
        hosts = GuardedHosts(
            policy: policy, resolver: resolver, lookupsMax: configuration.lookupsMax, trust: trust, logger: logger)
        self.logger = logger
        self.metrics = DownloadMetrics(factory: metrics)
        places = AsyncSemaphore(count: configuration.downloadsMax) { [waiting = self.metrics.waiting] in waiting.set($0) }
    }

    package var acceptsPlainHTTP: Bool { rules.acceptsPlainHTTP }

    /// How many more images could be fetched at this moment. A place is free again when its last connection is closed.
    package var freeDownloads: Int { places.free }

    /// How many more names could be looked up at this moment. One that was given up counts until the system answers.
    package var freeLookups: Int { hosts.freeLookups }

    package func fetch(
        _ url: String, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant
    ) async throws(ImageFetchProblem) -> [UInt8] {
        let result = await result(of: url, holding: memory, before: deadline)
        metrics.count(result)
        return try result.get()
    }

    private func result(
        of url: String, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant
    ) async -> Result<[UInt8], ImageFetchProblem> {
        let target: DownloadURL
        do {
            target = try DownloadURL(url, rules: rules)
        } catch {
            return .failure(Self.problem(of: error))
        }
        let turn = await places.enter(memory.accountID, before: deadline)
        guard turn == .admitted else { return .failure(Self.problem(of: turn)) }
        metrics.inFlight.increment()
        let deadline = min(deadline, .now + .seconds(configuration.imageSecondsMax))
        let result = await DeadlineResult<[UInt8], ImageFetchProblem>.of(
            overdue: .unavailable(reason: FetchReason.overdue), before: deadline
        ) { closing in
            await self.download(target, holding: memory, before: deadline, closing: &closing)
        } ended: { [metrics, places] in
            metrics.inFlight.decrement()
            places.leave(memory.accountID)
        }
        // Whoever went away was not kept waiting by the host.
        if Task.isCancelled, case .failure = result { return .failure(.unavailable(reason: FetchReason.unexplained)) }
        return result
    }

    /// What a download without a place ends with: never a fault of the image, which has not been looked at.
    fileprivate static func problem(of turn: AsyncSemaphore.Turn) -> ImageFetchProblem {
        switch turn {
        case .ownShareUsedUp: .refused(.tooManyRequests(.downloads, retryAfterSeconds: 1))
        case .allUsedUp: .refused(.usedUp(.downloads, retryAfterSeconds: 1))
        case .admitted, .cancelled: .unavailable(reason: FetchReason.unexplained)
        }
    }

    private static func problem(of problem: DownloadURL.Problem) -> ImageFetchProblem {
        switch problem {
        case .malformed: .unavailable(reason: FetchReason.malformedURL)
        case .forbidden: .unavailable(reason: FetchReason.forbiddenAddress)
        }
    }
}

extension GuardedImageFetcher {
    private enum Answer {
        case image([UInt8])
        case redirect(String)
    }

    /// Follows redirects until an image comes. Connections are closed by tasks of the group, so that no download waits for them.
    private func download(
        _ url: DownloadURL, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant,
        closing: inout DiscardingTaskGroup
    ) async -> Result<[UInt8], ImageFetchProblem> {
        var (url, hop) = (url, 0)
        do {
            while hop <= configuration.redirectsMax {
                switch try await exchange(url, holding: memory, before: deadline, closing: &closing) {
                case .image(let bytes):
                    return .success(bytes)
                case .redirect(let location):
                    // Where a host sends us is not the client's mistake, so there is one answer to all that is wrong with it.
                    guard let next = try? url.following(location, rules: rules) else {
                        throw ImageFetchProblem.unavailable(reason: FetchReason.forbiddenAddress)
                    }
                    (url, hop) = (next, hop + 1)
                }
            }
            throw ImageFetchProblem.unavailable(reason: FetchReason.tooManyRedirects)
        } catch {
            // The path and the query are left out, because signed URLs are secrets.
            logger.debug(
                "image not fetched",
                metadata: ["host": "\(url.hostText)", "port": "\(url.port)", "cause": "\(error)"]
            )
            return .failure(Self.problem(of: error, isRedirected: hop > 0))
        }
    }

    private func exchange(
        _ url: DownloadURL, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant,
        closing: inout DiscardingTaskGroup
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "")
        request.headers = [
            "accept": ImageFormat.allCases.map(\.contentType).joined(separator: ", "),
            "accept-encoding": "identity",
            // Some hosts refuse clients without a name.
            "user-agent": "personas",
        ]
        return try await hosts.exchange(
            request, with: url, for: memory.accountID, within: GuardedHosts.Times(deadline: deadline), closing: &closing
        ) { try await answer(to: $0, holding: memory) }
    }

    private static func problem(of error: any Error, isRedirected: Bool) -> ImageFetchProblem {
        switch error {
        case let problem as ImageFetchProblem: problem
        case HostProblem.forbiddenAddress: .unavailable(reason: FetchReason.forbiddenAddress)
        // Nobody is told which of the two it was, or it could be asked which names the operator's network knows.
        case HostProblem.forbiddenName, HostProblem.unknownName:
            .unavailable(reason: isRedirected ? FetchReason.forbiddenAddress : FetchReason.forbiddenName)
        case HostProblem.lookupFailed: .unavailable(reason: FetchReason.lookupFailed)
        case HostProblem.noPlace(let turn): problem(of: turn)
        default: .unavailable(reason: FetchReason.of(error))
        }
    }

    private func answer(to response: HTTPClientResponse, holding memory: MemoryReservation) async throws -> Answer {
        switch response.status {
        case .ok, .nonAuthoritativeInformation:
            break
        case .movedPermanently, .found, .seeOther, .temporaryRedirect, .permanentRedirect:
            guard let location = response.headers.first(name: "location") else { fallthrough }
            return .redirect(location)
        default:
            throw ImageFetchProblem.unavailable(reason: FetchReason.status(response.status))
        }
        guard response.headers[canonicalForm: "content-encoding"].allSatisfy({ $0.utf8.map(\.lowercasedASCII) == Array("identity".utf8) })
        else {
            throw ImageFetchProblem.unavailable(reason: FetchReason.compressed)
        }
        guard Self.mayBeImage(contentType: response.headers.first(name: "content-type") ?? "") else {
            throw ImageFetchProblem.unavailable(reason: FetchReason.notImage)
        }
        return .image(try await Self.body(of: response, holding: memory))
    }

    /// Whether a declared type leaves room for an image. The bytes decide later; this spares the download of pages that say what they are.
    static func mayBeImage(contentType: String) -> Bool {
        let type = contentType.utf8.prefix { !"; \t".utf8.contains($0) }.map(\.lowercasedASCII)
        return type.isEmpty || type.starts(with: "image/".utf8) || type.elementsEqual("application/octet-stream".utf8)
            || type.elementsEqual("binary/octet-stream".utf8)
    }

    private static func body(of response: HTTPClientResponse, holding memory: MemoryReservation) async throws -> [UInt8] {
        // The parser has made sure that there is one length at most, and that it is a number.
        let announced = response.headers.first(name: "content-length").map { Int($0) ?? .max }
        guard announced ?? 0 <= Limits.imageBytesMax else { throw ImageFetchProblem.tooLarge }
        var bytes: [UInt8] = []
        do {
            // What is only announced costs no memory: room is made as bytes come.
            for try await chunk in response.body {
                guard bytes.count + chunk.readableBytes <= Limits.imageBytesMax else { throw ImageFetchProblem.tooLarge }
                try memory.grow(by: chunk.readableBytes)
                bytes.append(contentsOf: chunk.readableBytesView)
            }
            // A cancelled body could look like a finished one.
            try Task.checkCancellation()
        } catch {
            memory.shrink(by: bytes.count)
            throw (error as? Failure).map(ImageFetchProblem.refused) ?? error
        }
        return bytes
    }
}
