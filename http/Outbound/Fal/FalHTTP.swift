import AsyncHTTPClient
package import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Personas
import Synchronization

/// Calls fal over HTTP: the operator's choice of hosts, so no guard is needed against them, but whatever they answer is bounded, and no redirect is
/// followed.
package final class FalHTTP: Sendable {
    /// One call.
    struct Call: Sendable {
        let method: HTTPMethod
        let url: String
        /// The value of `Authorization`; nil for whom the key is none of their business.
        var authorization: String?
        var body: [UInt8]?
        /// Whether a connection is made for it alone. One that was used before may be closed by the other side in the very moment, and then nobody knows
        /// whether the call has come through.
        var isAlone = false
        var bodyBytesMax = FalRules.bodyBytesMax
        var secondsMax = Double(FalRules.callSecondsMax)
    }

    /// What came back.
    enum Reply: Sendable {
        case nothingSent
        case lost
        /// The body is nil where it is longer than is read.
        case answer(status: Int, retryAfter: String?, body: [UInt8]?)
    }

    private struct Overdue: Error {}

    private struct Clients {
        var shared: HTTPClient?
        var alone: HTTPClient?
        var isClosed = false
    }

    /// Seconds that a connection may take to be made.
    private static let connectSecondsMax: Int64 = 10
    /// Connections to one host at once; calls are bounded by their callers.
    private static let connectionsMax = 32

    private let trust: OutboundTrust
    private let logger: Logger
    private let clients = Mutex(Clients())

    /// Connects to nobody yet.
    package init(trust: OutboundTrust, logger: Logger) {
        self.trust = trust
        self.logger = logger
    }

    /// Closes all connections. Calls that follow come to nothing.
    package func close() async {
        let open = clients.withLock { clients in
            defer { clients = Clients(isClosed: true) }
            return [clients.shared, clients.alone]
        }
        for client in open { try? await client?.shutdown() }
    }

    /// Makes a call, and reads the whole answer in the time that it has.
    func reply(to call: Call) async -> Reply {
        guard let client = client(isAlone: call.isAlone) else { return .nothingSent }
        let result = await DeadlineResult<Reply, Overdue>.of(
            overdue: Overdue(), before: .now + .seconds(call.secondsMax)
        ) { [logger] _ in
            do {
                return .success(try await Self.reply(to: call, by: client))
            } catch {
                // The path and the query are left out, because they may be secrets.
                logger.debug("no answer of fal", metadata: ["method": "\(call.method.rawValue)", "cause": "\(error)"])
                return .success(Self.provesNothingSent(error) ? .nothingSent : .lost)
            }
        } ended: {
        }
        return (try? result.get()) ?? .lost
    }

    private static func reply(to call: Call, by client: HTTPClient) async throws -> Reply {
        var request = HTTPClientRequest(url: call.url)
        request.method = call.method
        request.headers = ["accept": "application/json", "user-agent": "personas"]
        if let authorization = call.authorization { request.headers.add(name: "authorization", value: authorization) }
        if let body = call.body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(body)
        }
        let response = try await client.execute(request, deadline: .distantFuture)
        let (status, retryAfter) = (Int(response.status.code), response.headers.first(name: "retry-after"))
        do {
            let body = try await response.body.collect(upTo: call.bodyBytesMax)
            return .answer(status: status, retryAfter: retryAfter, body: Array(body.readableBytesView))
        } catch is NIOTooManyBytesError {
            return .answer(status: status, retryAfter: retryAfter, body: nil)
        }
    }

    private func client(isAlone: Bool) -> HTTPClient? {
        clients.withLock { clients in
            guard !clients.isClosed else { return nil }
            if let client = isAlone ? clients.alone : clients.shared { return client }
            var configuration = HTTPClient.Configuration(
                tlsConfiguration: trust.tls, redirectConfiguration: .disallow,
                timeout: .init(connect: .seconds(Self.connectSecondsMax)), decompression: .disabled)
            configuration.httpVersion = .http1Only
            configuration.connectionPool.retryConnectionEstablishment = false
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.connectionsMax
            if isAlone { configuration.maximumUsesPerConnection = 1 }
            // Headers that describe a trace are for our own services, not for a stranger's.
            configuration.tracing.tracer = nil
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
            if isAlone { clients.alone = client } else { clients.shared = client }
            return client
        }
    }

    /// Whether an error can only have come before a byte of a request was sent: no connection was made, or no secure one.
    static func provesNothingSent(_ error: any Error) -> Bool {
        switch error {
        case let error as HTTPClientError:
            [.connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout, .alreadyShutdown].contains(error)
        case ChannelError.connectTimeout, is NIOConnectionError: true
        case let error as IOError: [ECONNREFUSED, ENETUNREACH, EHOSTUNREACH].contains(error.errnoCode)
        case let error as NIOSSLExtraError: error == .failedToValidateHostname
        case NIOSSLError.handshakeFailed(_): true
        default: false
        }
    }
}
