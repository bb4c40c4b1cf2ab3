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
    /// The call that is answered with an archive; what is asked for is an `ExportRequest` as JSON.
    package static let exportPath = "/administration/export"
    /// The call whose body is an archive; what is asked for is an `ImportRequest` as JSON in base64, in the header `operationHeader`.
    package static let importPath = "/administration/import"
    /// The header that holds the name of the operation that the body is. Not a part of the path, so that a server and a command of other versions
    /// say so of each other, and not that there is no such path.
    package static let operationHeader = "Personas-Operation"
    /// Bytes of one request: an item with its images, as base64.
    private static let bodyBytesMax = 64 * 1_024 * 1_024
    /// Bytes of requests that come whenever they like. What is larger holds images, a multiple of whose bytes it takes in memory.
    private static let smallBodyBytesMax = BodyDecoding.smallBytesMax

    private let socketPath: String
    private let administration: Administration
    private let registry: AdministrationRegistry
    private let decoding: BodyDecoding
    private let bodySecondsMax: Int
    private let logger: Logger
    /// Requests with images come one at a time, from before their bodies are read until they are answered: so an operator's script that creates many
    /// at once takes no more memory than one that creates one after the other, and no command without images waits for those.
    private let largeRequests = AsyncMutex()
    /// In whose name bodies are decoded beside those of accounts.
    private let decodingShare = Identifier.random()

    /// - Parameters:
    ///   - socketPath: the path of the socket, at most 100 bytes or so, as the kernel has it.
    ///   - registry: the operations that may be asked for.
    ///   - decoding: where bodies with images are decoded.
    ///   - bodySecondsMax: seconds within which such a body has to arrive once it is read: a command that was stopped in the middle of it must not
    ///     keep the others waiting.
    package init(
        socketPath: String, administration: Administration, registry: AdministrationRegistry, decoding: BodyDecoding,
        bodySecondsMax: Int = 30, logger: Logger
    ) {
        self.socketPath = socketPath
        self.administration = administration
        self.registry = registry
        self.decoding = decoding
        self.bodySecondsMax = bodySecondsMax
        self.logger = logger
    }

    /// Serves until graceful shutdown, with which the socket goes.
    /// - Throws: `Failure.configuration` when something is in its place that is not a socket that a killed server left.
    package func run() async throws {
        try SocketFile.requireFree(socketPath)
        let router = Router(context: OperatorContext.self)
        router.add(middleware: ErrorEnvelopeMiddleware())
        router.post(RouterPath(Self.path)) { request, context in
            try await perform(request, for: Operator(logging: logger, uid: try await context.uid()))
        }
        router.post(RouterPath(Self.exportPath)) { request, context in
            try await archives(for: Operator(logging: logger, uid: try await context.uid())).export(request)
        }
        router.post(RouterPath(Self.importPath)) { request, context in
            try await archives(for: Operator(logging: logger, uid: try await context.uid())).takeIn(request)
        }
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

    private func archives(for author: Operator) -> AdministrationArchives {
        AdministrationArchives(administration: administration.acting(as: author), logger: logger)
    }

    private func perform(_ request: Request, for author: Operator) async throws -> Response {
        let declared = request.headers[.contentLength].flatMap { Int($0) }
        guard declared.map({ $0 > Self.smallBodyBytesMax }) ?? (request.headers[.transferEncoding] != nil) else {
            return try await answer(
                try await operation(in: Data(try await request.bodyBytes(upTo: Self.smallBodyBytesMax)), of: request), for: author)
        }
        return try await largeRequests.withLock {
            try await answer(try await operation(in: try await largeBody(of: request), of: request), for: author)
        }
    }

    /// A body with images, unless it takes too long to arrive.
    private func largeBody(of request: Request) async throws -> Data {
        try await withThrowingTaskGroup(of: Data?.self) { group in
            group.addTask { Data(try await request.bodyBytes(upTo: Self.bodyBytesMax)) }
            group.addTask {
                try await Task.sleep(for: .seconds(bodySecondsMax))
                return nil
            }
            defer { group.cancelAll() }
            guard let body = try await group.next() ?? nil else {
                throw Failure.invalid([Violation(field: "body", message: "the body took longer than \(bodySecondsMax) seconds")])
            }
            return body
        }
    }

    /// What a request asks for. Sender and receiver are one program, so that Foundation's decoder may be trusted with what arrives here.
    private func operation(in body: Data, of request: Request) async throws -> any AdministrationOperation {
        let type = request.headers[.administrationOperation].flatMap(registry.operation)
        let operation = try await decoding.perform(on: body.count, for: decodingShare) { () throws(Failure) in
            type.flatMap { try? JSONDecoder().decode($0, from: body) }
        }
        guard let operation else {
            throw Self.otherVersion
        }
        return operation
    }

    /// What a command is told whose wish the server does not understand.
    static let otherVersion = Failure.invalid([Violation(field: "body", message: "the command is of another version than the server")])

    private func answer<Operation: AdministrationOperation>(_ operation: Operation, for author: Operator) async throws -> Response {
        let run = AdministrationRun(operation: operation, administration: administration.acting(as: author), logger: logger)
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
