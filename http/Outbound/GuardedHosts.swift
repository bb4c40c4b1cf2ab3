import AsyncHTTPClient
import Logging
import NIOCore
import Personas

/// Why a host is not asked.
enum HostProblem: Error, Sendable, Equatable {
    /// The address is not one to connect to.
    case forbiddenAddress
    /// The name leads to an address that is not one to connect to.
    case forbiddenName
    /// The name does not exist.
    case unknownName
    /// No name server has answered, which says nothing about the name.
    case lookupFailed
    /// Others look up as many names as may be looked up at once.
    case noPlace(AsyncSemaphore.Turn)
}

/// Asks hosts that strangers name, and never one inside the operator's network.
///
/// A name is looked up once for each exchange, every address it has must be allowed, and the connection goes to one that was looked at, so a name that
/// changes its address between check and use gains nothing.
final class GuardedHosts: Sendable {
    /// How long the steps of an exchange may take.
    struct Times: Sendable {
        /// When the exchange is given up by whoever waits for it.
        let deadline: ContinuousClock.Instant
        /// Seconds within which the name has to be looked up, waiting for a place to do so included, and again as many within which the connection has
        /// to be made; nil where only the deadline counts, and nothing waits for a place.
        var stepSecondsMax: Double?

        fileprivate var step: ContinuousClock.Instant? { stepSecondsMax.map { min(deadline, .now + .seconds($0)) } }
    }

    /// Addresses of one host that are tried. One name may have hundreds, and we do not knock on as many doors for a stranger.
    private static let addressesTriedMax = 3

    private let policy: AddressPolicy
    private let resolver: any HostResolver
    private let lookups: AsyncSemaphore
    private let trust: OutboundTrust
    private let logger: Logger

    /// - Parameter lookupsMax: names that are looked up at once, shared by account.
    init(policy: AddressPolicy, resolver: any HostResolver, lookupsMax: Int, trust: OutboundTrust, logger: Logger) {
        self.policy = policy
        self.resolver = resolver
        self.trust = trust
        self.logger = logger
        lookups = AsyncSemaphore(count: lookupsMax)
    }

    /// How many more names could be looked up at this moment. One that was given up counts until the system answers.
    var freeLookups: Int { lookups.free }

    /// Asks one host, at the first of its addresses that takes the connection.
    /// - Parameters:
    ///   - request: what to ask; its URL is not looked at.
    ///   - accountID: whose share of what is shared is used.
    ///   - closing: gets the closing of connections, so that no exchange waits for it.
    ///   - read: reads the answer.
    /// - Throws: `HostProblem`, what `read` throws, and errors of the libraries.
    func exchange<Answer>(
        _ request: HTTPClientRequest, with url: DownloadURL, for accountID: Identifier, within times: Times,
        closing: inout DiscardingTaskGroup, read: (HTTPClientResponse) async throws -> Answer
    ) async throws -> Answer {
        let addresses = try await vettedAddresses(of: url.host, for: accountID, before: times.step).prefix(Self.addressesTriedMax)
        let connectDeadline = times.step ?? times.deadline
        for (index, address) in addresses.enumerated() {
            try Task.checkCancellation()
            let isLast = index == addresses.count - 1
            let remaining = ContinuousClock.now.duration(to: connectDeadline)
            let connection = PinnedConnection(
                to: url, at: address, tls: trust.tls,
                connectingWithin: TimeAmount(max(.milliseconds(1), isLast ? remaining : remaining / 3))
            )
            defer { closing.addTask { await connection.close() } }
            do {
                return try await read(connection.send(request, to: url))
            } catch  where !isLast && !connection.isConnected {
                // The next address may have a better way: of hosts with two families, often one alone can be reached.
                continue
            }
        }
        throw HostProblem.unknownName
    }

    /// Whether a host could be asked, as far as its name tells now.
    func vet(_ host: DownloadURL.Host, for accountID: Identifier, within times: Times) async throws {
        _ = try await vettedAddresses(of: host, for: accountID, before: times.step)
    }

    /// The addresses of a host, if all of them are allowed; at least one.
    private func vettedAddresses(
        of host: DownloadURL.Host, for accountID: Identifier, before deadline: ContinuousClock.Instant?
    ) async throws -> [IPAddress] {
        switch host {
        case .address(let address):
            guard policy.allows(address) else { throw HostProblem.forbiddenAddress }
            return [address]
        case .name(let name):
            let addresses = try await lookUp(name, for: accountID, before: deadline)
            guard !addresses.isEmpty else { throw HostProblem.unknownName }
            // A mixed answer is refused whole: an honest host has no reason to give one.
            guard addresses.allSatisfy(policy.allows) else { throw HostProblem.forbiddenName }
            return addresses
        }
    }

    /// The addresses of a name; none where it has none. A lookup outlasts its cancellation, so it is left behind then: the account gets its
    /// place for another only when the system has answered.
    private func lookUp(
        _ name: String, for accountID: Identifier, before deadline: ContinuousClock.Instant?
    ) async throws -> [IPAddress] {
        let turn = if let deadline { await lookups.enter(accountID, before: deadline) } else { lookups.tryEnter(accountID) }
        guard turn == .admitted else { throw HostProblem.noPlace(turn) }
        let found = DeadlineResult<[IPAddress], any Error>(overdue: HostProblem.lookupFailed)
        if let deadline { found.arm(until: deadline) }
        Task {
            let result: Result<[IPAddress], any Error>
            do {
                result = .success(try await resolver.addresses(of: name))
            } catch {
                logger.debug("host not found", metadata: ["host": "\(name)", "cause": "\(error)"])
                let isSilent = (error as? SystemHostResolver.LookupProblem)?.isTemporary ?? false
                result = isSilent ? .failure(HostProblem.lookupFailed) : .success([])
            }
            lookups.leave(accountID)
            found.resolve(result)
        }
        return try await found.wait().get()
    }
}
