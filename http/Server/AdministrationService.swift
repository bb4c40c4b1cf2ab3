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
    /// The one call. The request is an operation, named by the header `operationHeader`, the answer an `AdministrationMessage`, or, where the
    /// operation takes long, a document of lines of them; all as JSON.
    package static let path = "/administration"
    /// The header that holds the name of the operation that the body is. Not a part of the path, so that a server and a command of other versions
    /// say so of each other, and not that there is no such path.
    package static let operationHeader = "Personas-Operation"
    /// Bytes of one request: a seed's item with its images.
    private static let bodyBytesMax = 64 * 1_024 * 1_024

    private let socketPath: String
    private let administration: Administration
    private let registry: AdministrationRegistry
    private let logger: Logger

    /// Takes the path of the socket, at most 100 bytes or so, as the kernel has it, and the operations that may be asked for.
    package init(socketPath: String, administration: Administration, registry: AdministrationRegistry, logger: Logger) {
        self.socketPath = socketPath
        self.administration = administration
        self.registry = registry
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
        let body = Data(try await request.bodyBytes(upTo: Self.bodyBytesMax))
        // Sender and receiver are one program, so that Foundation's decoder may be trusted with what arrives here.
        guard let name = request.headers[.administrationOperation], let type = registry.operation(named: name),
            let response = try await respond(to: body, as: type)
        else {
            throw Failure.invalid([Violation(field: "body", message: "the command is of another version than the server")])
        }
        return response
    }

    /// The answer to one operation, nil if it is not of the form that this version knows.
    private func respond<Operation: AdministrationOperation>(to body: Data, as type: Operation.Type) async throws -> Response? {
        guard let operation = try? JSONDecoder().decode(Operation.self, from: body) else { return nil }
        let run = AdministrationRun(operation: operation, administration: administration, logger: logger)
        if Operation.isLong {
            return Response(
                status: .ok, headers: [.contentType: AdministrationProgress.contentType], body: AdministrationProgress.body(of: run))
        }
        let message = await run.outcome()
        let status = message.failure.map { $0.envelopeError.code.status } ?? 200
        let bytes = ByteBuffer(bytes: try JSONEncoder().encode(message))
        return Response(
            status: .init(code: status), headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: bytes))
    }
}

/// One operation as the server carries it out.
struct AdministrationRun<Operation: AdministrationOperation>: Sendable {
    let operation: Operation
    let administration: Administration
    let logger: Logger

    /// How it ends. What is wrong with the server, and not with what was asked for, is told to its log as well.
    func outcome(_ progress: @escaping ProgressHandler = { _ in }) async -> AdministrationMessage<Operation.Reply> {
        do throws(Failure) {
            return AdministrationMessage(reply: try await administration.perform(operation, progress: progress))
        } catch {
            if error.envelopeError.cause != nil { logger.error("a command failed", metadata: ["reason": "\(error)"]) }
            return AdministrationMessage(failure: error)
        }
    }
}
