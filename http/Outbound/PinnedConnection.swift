import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Personas
import Synchronization

/// One request to one address that was vetted before, under the name that the URL has.
///
/// The client pins names to addresses by its configuration (`dnsOverride`), so each request has a client of its own.
final class PinnedConnection: Sendable {
    private let client: HTTPClient
    private let channel: ChannelBox

    /// Prepares the connection; it is made by `send`. The caller must `close` it.
    init(to url: DownloadURL, at address: IPAddress, tls: TLSConfiguration, connectingWithin connectTime: TimeAmount) {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls,
            redirectConfiguration: .disallow,
            timeout: .init(connect: connectTime),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        // The name goes into SNI, the check of the certificate and the Host header, the address is what is connected to. A key that
        // misses the URL's host falls back to the system's lookup without a word, hence the check of the peer below.
        if case .name(let name) = url.host { configuration.dnsOverride = [name: address.description] }
        // By default a refused connection is tried again until the time to connect is over.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.maximumUsesPerConnection = 1
        // Headers that describe a trace are for our own services, not for a stranger's.
        configuration.tracing.tracer = nil
        let box = ChannelBox()
        configuration.http1_1ConnectionDebugInitializer = { channel in
            guard channel.remoteAddress.flatMap(IPAddress.init) == address else {
                channel.close(promise: nil)
                return channel.eventLoop.makeFailedFuture(HostProblem.forbiddenAddress)
            }
            box.set(channel)
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        channel = box
        client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
    }

    /// Whether the connection was made, TLS included.
    var isConnected: Bool { channel.channel != nil }

    /// Sends a request; the body of the answer is still to be read.
    func send(_ request: HTTPClientRequest, to url: DownloadURL) async throws -> HTTPClientResponse {
        var request = request
        request.url = url.text
        // The client's deadline would end at the head of the answer; the caller keeps the time and cancels.
        return try await client.execute(request, deadline: .distantFuture)
    }

    /// Closes the connection and gives the client's resources back. Returns when nothing is left.
    func close() async {
        channel.closeAtOnce()
        try? await client.shutdown()
    }
}

/// Holds the channel of a connection from the moment it is made.
private final class ChannelBox: Sendable {
    private let state = Mutex<(any Channel)?>(nil)

    var channel: (any Channel)? { state.withLock { $0 } }

    func set(_ channel: any Channel) {
        state.withLock { $0 = channel }
    }

    /// Closes the socket without the farewell of TLS, for which the other side could let us wait 5 s.
    func closeAtOnce() {
        guard let channel else { return }
        channel.eventLoop.execute {
            // Closing from the TLS handler's own place goes around that handler.
            if let context = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLClientHandler.self) {
                context.close(promise: nil)
            } else {
                channel.close(promise: nil)
            }
        }
    }
}
