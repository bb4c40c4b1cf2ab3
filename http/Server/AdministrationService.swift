import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import Hummingbird
package import Logging
import NIOCore
package import Personas
import ServiceLifecycle

/// The way in for the operator's commands beside a running server: a Unix socket that only the server's user can open. Never a TCP port.
package struct AdministrationService: Service {
    /// The one call; request and answer are an `AdministrationRequest` and an `AdministrationReply` as JSON,
    /// or, where the request takes long, lines of `AdministrationLine`.
    package static let path = "/administration"
    /// Bytes of one request: a seed's item with its images.
    private static let bodyBytesMax = 64 * 1_024 * 1_024

    private let socketPath: String
    private let administration: Administration
    private let logger: Logger

    /// Takes the path of the socket, at most 100 bytes or so, as the kernel has it.
    package init(socketPath: String, administration: Administration, logger: Logger) {
        self.socketPath = socketPath
        self.administration = administration
        self.logger = logger
    }

    /// Serves until graceful shutdown, with which the socket goes.
    /// - Throws: `Failure.configuration` when something is in its place that is not a socket that a killed server left.
    package func run() async throws {
        try SocketFile.requireFree(socketPath)
        let router = Router(context: EnvelopeContext.self)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.post(RouterPath(Self.path)) { request, _ in try await perform(request) }
        var quiet = logger
        quiet.logLevel = .warning
        let application = Application(
            responder: router.buildResponder(),
            configuration: ApplicationConfiguration(address: .unixDomainSocket(path: socketPath), serverName: nil),
            // The folder is closed to others already; this makes the socket safe by itself.
            onServerRunning: { _ in chmod(socketPath, 0o600) },
            logger: quiet)
        try await application.run()
    }

    private func perform(_ request: Request) async throws -> Response {
        let bytes = try await request.bodyBytes(upTo: Self.bodyBytesMax)
        // Sender and receiver are one program, so that Foundation's decoder may be trusted with what arrives here.
        guard let command = try? JSONDecoder().decode(AdministrationRequest.self, from: Data(bytes)) else {
            throw Failure.invalid([Violation(field: "body", message: "the command is of another version than the server")])
        }
        if command.isLong {
            let body = AdministrationProgress(administration: administration, logger: logger).body(for: command)
            return Response(status: .ok, headers: [.contentType: AdministrationProgress.contentType], body: body)
        }
        let reply = try await administration.perform(command)
        let body = ByteBuffer(bytes: try JSONEncoder().encode(reply))
        return Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: body))
    }
}
