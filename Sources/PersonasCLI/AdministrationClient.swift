import AsyncHTTPClient
import ErrorEnvelope
import Foundation
import NIOCore
import NIOHTTP1
import Personas
import PersonasDB
import PersonasHTTP

/// Carries out what an operator asks for: through the server that holds the data folder, or in this process when none does.
enum AdministrationClient {
    /// How long a server that starts or stops, or another command, is waited for.
    private static let timeout = Duration.seconds(10)
    private static let pause = Duration.milliseconds(50)

    /// Opens the way to the data, does something with it and closes it again.
    /// - Parameter migrating: whether pending migrations are applied first, as a server would.
    static func withSession<Result>(
        _ settings: Settings, migrating: Bool = true, _ body: (any AdministrationSession) async throws(CommandFailure) -> Result
    ) async throws(CommandFailure) -> Result {
        let session = try await open(settings, migrating: migrating)
        do throws(CommandFailure) {
            let result = try await body(session)
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }

    /// Carries out one request.
    static func perform(_ request: AdministrationRequest, _ settings: Settings) async throws(CommandFailure) -> AdministrationReply {
        try await withSession(settings) { (session) throws(CommandFailure) in try await session.perform(request) }
    }

    /// Carries out one request that may take long, on data that must be there: a mistyped folder is not to pass for an empty one.
    static func performLong(_ request: AdministrationRequest, _ settings: Settings) async throws(CommandFailure) -> AdministrationReply {
        let directory = settings.dataDirectory
        guard DataFolder(directory).hasDatabase else {
            throw CommandFailure(.unavailable, "there is no database in the data folder \(directory)")
        }
        return try await Interruption.cancelling { () throws(CommandFailure) in
            let bar = WorkProgressBar()
            defer { bar.finish() }
            return try await withSession(settings) { (session) throws(CommandFailure) in
                try await session.perform(request) { bar.show($0) }
            }
        }
    }

    private static func open(_ settings: Settings, migrating: Bool) async throws(CommandFailure) -> any AdministrationSession {
        let deadline = ContinuousClock.now + timeout
        let directory = settings.dataDirectory
        while true {
            do throws(Failure) {
                if let lock = try DataFolderLock.acquireUnlessServed(directory) {
                    return try await LocalSession.open(settings, lock: lock, migrating: migrating)
                }
                if let session = await RemoteSession.open(socketPath: try AdministrationSocket.path(in: directory)) { return session }
            } catch {
                throw CommandFailure(opening: directory, error)
            }
            guard ContinuousClock.now < deadline else {
                throw CommandFailure(
                    .unavailable, "the data folder \(directory) is in use, and nobody answers on its \(DataFolder.socketName)")
            }
            try? await Task.sleep(for: pause)
        }
    }
}

/// A way to the data of a folder.
protocol AdministrationSession: Sendable {
    /// Carries out a request.
    /// - Parameter progress: told how far requests have come that take long.
    func perform(_ request: AdministrationRequest, progress: @escaping ProgressHandler) async throws(CommandFailure) -> AdministrationReply
    /// Ends the session.
    func close() async
}

extension AdministrationSession {
    /// Carries out a request that takes a moment.
    func perform(_ request: AdministrationRequest) async throws(CommandFailure) -> AdministrationReply {
        try await perform(request) { _ in }
    }
}

/// The data, opened by this process under the folder's lock.
private struct LocalSession: AdministrationSession {
    let app: Application
    let lock: DataFolderLock

    static func open(_ settings: Settings, lock: DataFolderLock, migrating: Bool) async throws(Failure) -> LocalSession {
        let app = try Application(settings, logger: Application.silentLogger)
        if migrating {
            do throws(Failure) {
                _ = try await app.migrate()
            } catch {
                app.close()
                throw error
            }
        }
        return LocalSession(app: app, lock: lock)
    }

    func perform(_ request: AdministrationRequest, progress: @escaping ProgressHandler) async throws(CommandFailure) -> AdministrationReply
    {
        do throws(Failure) {
            let reply = try await app.administration.perform(request, progress: progress)
            switch request {
            // What a server does in the background, no other process will do soon.
            case .deleteItem, .deleteAccount: _ = try await app.collector.collect()
            default: break
            }
            return reply
        } catch {
            throw CommandFailure(error)
        }
    }

    func close() async {
        app.close()
        withExtendedLifetime(lock) {}
    }
}

/// The server of the data folder, reached by its socket.
private struct RemoteSession: AdministrationSession {
    /// Seconds that the server gets for one request: three images have to reach the disk.
    private static let secondsMax: Int64 = 120
    /// Bytes of the largest answer: a listing of `Limits.administrationRowsMax` rows.
    private static let replyBytesMax = 64 * 1_024 * 1_024

    let client: HTTPClient
    let url: String

    /// Nil while no server listens.
    static func open(socketPath: String) async -> RemoteSession? {
        guard SocketFile.isAnswered(socketPath), let url = URL(httpURLWithSocketPath: socketPath, uri: "/administration") else {
            return nil
        }
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        // A server that works on a long request says so several times a second.
        configuration.timeout.read = .seconds(secondsMax)
        return RemoteSession(client: HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration), url: url.absoluteString)
    }

    func perform(_ request: AdministrationRequest, progress: @escaping ProgressHandler) async throws(CommandFailure) -> AdministrationReply
    {
        let status: HTTPResponseStatus
        let bytes: [UInt8]
        do {
            var call = HTTPClientRequest(url: url)
            call.method = .POST
            call.headers.add(name: "Content-Type", value: "application/json")
            call.body = .bytes(try JSONEncoder().encode(request))
            let response = try await client.execute(call, deadline: request.isLong ? .distantFuture : .now() + .seconds(Self.secondsMax))
            status = response.status
            if request.isLong, status == .ok { return try await Self.reply(from: response.body, status, progress) }
            bytes = Array(buffer: try await response.body.collect(upTo: Self.replyBytesMax))
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            if Task.isCancelled { throw Interruption.failure }
            throw CommandFailure(
                .unavailable,
                "the server did not answer; what it was asked for may have been done all the same (\(CommandFailure.reason(of: error)))")
        }
        if status == .ok, let reply = try? JSONDecoder().decode(AdministrationReply.self, from: Data(bytes)) { return reply }
        guard let envelope = try? ErrorEnvelope(decoding: bytes) else { throw Self.misunderstood(status) }
        throw CommandFailure(envelope.error)
    }

    private static func misunderstood(_ status: HTTPResponseStatus) -> CommandFailure {
        CommandFailure(.unavailable, "the server answered with status \(status.code) and nothing that this version understands")
    }

    /// Reads the lines of a long request's answer up to the one that ends it.
    private static func reply(
        from body: HTTPClientResponse.Body, _ status: HTTPResponseStatus, _ progress: ProgressHandler
    ) async throws -> AdministrationReply {
        var rest = ByteBuffer()
        for try await part in body {
            rest.writeImmutableBuffer(part)
            guard rest.readableBytes <= replyBytesMax else { break }
            while let length = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")).map({ $0 - rest.readerIndex }) {
                let text = rest.readBytes(length: length + 1) ?? []
                guard let line = try? JSONDecoder().decode(AdministrationLine.self, from: Data(text)) else { throw misunderstood(status) }
                if let error = line.error { throw CommandFailure(error) }
                if let reply = line.reply { return reply }
                if let state = line.progress { progress(state) }
            }
            rest.discardReadBytes()
        }
        throw CommandFailure(.unavailable, "the server went away before it was done")
    }

    func close() async {
        try? await client.shutdown()
    }
}

extension CommandFailure {
    /// A failure to open a data folder, which is the database's and not the request's.
    init(opening directory: String, _ failure: Failure) {
        let own = CommandFailure(failure)
        // A setting at fault is named already.
        self =
            own.status == .configuration
            ? own : CommandFailure(.unavailable, code: own.code, "\(directory) cannot be opened: \(own.message)")
    }
}
