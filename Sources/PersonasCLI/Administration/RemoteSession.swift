import AsyncHTTPClient
import ErrorEnvelope
import Foundation
import NIOCore
import NIOHTTP1
import Personas
import PersonasHTTP

/// The server of the data folder, reached by its socket.
struct RemoteSession: AdministrationSession {
    /// Seconds that the server gets for an operation that takes a moment: three images have to reach the disk.
    private static let secondsMax: Int64 = 120
    /// Bytes of the largest answer: a listing of `Limits.administrationRowsMax` rows.
    private static let replyBytesMax = 64 * 1_024 * 1_024

    private let client: HTTPClient
    private let url: String

    /// Nil while no server listens.
    static func open(socketPath: String) async -> RemoteSession? {
        guard SocketFile.isAnswered(socketPath), let url = URL(httpURLWithSocketPath: socketPath, uri: AdministrationService.path) else {
            return nil
        }
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        // A server that works on a long operation says so several times a second.
        configuration.timeout.read = .seconds(secondsMax)
        return RemoteSession(client: HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration), url: url.absoluteString)
    }

    func perform<Operation: AdministrationOperation>(
        _ operation: Operation, progress: @escaping ProgressHandler
    ) async throws(CommandFailure) -> Operation.Reply {
        let status: HTTPResponseStatus
        let bytes: [UInt8]
        do {
            var call = HTTPClientRequest(url: url)
            call.method = .POST
            call.headers.add(name: "Content-Type", value: "application/json")
            call.headers.add(name: AdministrationService.operationHeader, value: Operation.name)
            call.body = .bytes(try JSONEncoder().encode(operation))
            let response = try await client.execute(call, deadline: Operation.isLong ? .distantFuture : .now() + .seconds(Self.secondsMax))
            status = response.status
            if Operation.isLong, status == .ok { return try await Self.lastReply(in: response.body, status, progress) }
            bytes = Array(buffer: try await response.body.collect(upTo: Self.replyBytesMax))
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            if Task.isCancelled { throw CommandFailure(Failure.cancelled) }
            throw CommandFailure(
                .unavailable,
                "the server did not answer; what it was asked for may have been done all the same (\(CommandFailure.reason(of: error)))")
        }
        if let message = try? JSONDecoder().decode(AdministrationMessage<Operation.Reply>.self, from: Data(bytes)),
            let reply = try Self.reply(of: message)
        {
            return reply
        }
        // A server of another version says so in an envelope, the one form that all of them have.
        guard let envelope = try? ErrorEnvelope(decoding: bytes) else { throw Self.misunderstood(status) }
        throw CommandFailure(envelope.error)
    }

    /// The reply that a message holds, nil if it says only that the server is at work.
    private static func reply<Reply>(of message: AdministrationMessage<Reply>) throws(CommandFailure) -> Reply? {
        if let failure = message.failure { throw CommandFailure(failure) }
        return message.reply
    }

    /// What an answer that is no success says.
    private static func failure(_ status: HTTPResponseStatus, _ body: HTTPClientResponse.Body) async throws -> CommandFailure {
        let bytes = Array(buffer: try await body.collect(upTo: replyBytesMax))
        if let failure = try? JSONDecoder().decode(AdministrationMessage<Confirmation>.self, from: Data(bytes)).failure {
            return CommandFailure(failure)
        }
        guard let envelope = try? ErrorEnvelope(decoding: bytes) else { return misunderstood(status) }
        return CommandFailure(envelope.error)
    }

    func export(_ request: ExportRequest, to sink: ([UInt8]) async throws -> Void) async throws(CommandFailure) {
        do {
            var call = HTTPClientRequest(url: url + "/export")
            call.method = .POST
            call.headers.add(name: "Content-Type", value: "application/json")
            call.body = .bytes(try JSONEncoder().encode(request))
            let response = try await client.execute(call, deadline: .distantFuture)
            guard response.status == .ok else { throw try await Self.failure(response.status, response.body) }
            var frames = ArchiveFrames()
            for try await part in response.body {
                frames.add(part)
                while let part = try frames.next() {
                    switch part {
                    case .archive(let bytes): try await sink(bytes)
                    case .end(let reason):
                        if let reason { throw CommandFailure(reason) }
                        return
                    }
                }
            }
            throw Self.goneAway
        } catch {
            throw CommandFailure(ofArchive: error)
        }
    }

    func takeIn(
        _ request: ImportRequest, _ archive: GivenArchive, progress: @escaping ProgressHandler, _ sink: ([ImportedItem]) -> Void
    ) async throws(CommandFailure) -> ImportTotals {
        do {
            var call = HTTPClientRequest(url: url + "/import")
            call.method = .POST
            call.headers.add(name: "Content-Type", value: "application/x-tar")
            call.headers.add(name: AdministrationService.operationHeader, value: try JSONEncoder().encode(request).base64EncodedString())
            call.body = .stream(archive, length: request.byteCount.map { .known(Int64($0)) } ?? .unknown)
            let response = try await client.execute(call, deadline: .distantFuture)
            guard response.status == .ok else { throw try await Self.failure(response.status, response.body) }
            var totals: ImportTotals?
            try await Self.lines(in: response.body) { line in
                guard let message = try? JSONDecoder().decode(AdministrationMessage<ImportNews>.self, from: line) else {
                    throw Self.misunderstood(response.status)
                }
                if let news = try Self.reply(of: message) {
                    sink(news.items)
                    totals = news.totals
                }
                if let state = message.progress { progress(state) }
                return totals == nil
            }
            guard let totals else { throw Self.goneAway }
            return totals
        } catch {
            throw CommandFailure(ofArchive: error)
        }
    }

    private static let goneAway = CommandFailure(.unavailable, "the server went away before it was done")

    private static func misunderstood(_ status: HTTPResponseStatus) -> CommandFailure {
        CommandFailure(.unavailable, "the server answered with status \(status.code) and nothing that this version understands")
    }

    /// Reads the lines of a long operation's answer up to the one that ends it.
    private static func lastReply<Reply: Sendable & Codable>(
        in body: HTTPClientResponse.Body, _ status: HTTPResponseStatus, _ progress: ProgressHandler
    ) async throws -> Reply {
        var found: Reply?
        try await lines(in: body) { line in
            guard let message = try? JSONDecoder().decode(AdministrationMessage<Reply>.self, from: line) else {
                throw misunderstood(status)
            }
            found = try reply(of: message)
            if let state = message.progress { progress(state) }
            return found == nil
        }
        guard let found else { throw goneAway }
        return found
    }

    /// Hands out the lines of an answer until the body has seen enough.
    /// - Parameter take: says whether it wants more.
    private static func lines(in body: HTTPClientResponse.Body, _ take: (Data) throws -> Bool) async throws {
        var rest = ByteBuffer()
        for try await part in body {
            rest.writeImmutableBuffer(part)
            guard rest.readableBytes <= replyBytesMax else { return }
            while let length = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")).map({ $0 - rest.readerIndex }) {
                guard try take(Data(rest.readBytes(length: length + 1) ?? [])) else { return }
            }
            rest.discardReadBytes()
        }
    }

    func close() async {
        try? await client.shutdown()
    }
}
