import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Personas

/// Archives over the socket of operators: what is answered to an export is the archive itself, and the body of an import is one. Both go as fast as the
/// other side takes them, and neither is held in memory.
struct AdministrationArchives: Sendable {
    /// Bytes of what asks for an export.
    private static let requestBytesMax = 65_536
    /// Bytes of an archive that are put together before they go to the disk.
    private static let spooledBytes = 262_144

    let administration: Administration
    let logger: Logger

    /// Answers an export: with the archive in `ArchiveFrames`, behind which stands how it ended, or with why there is none.
    func export(_ request: Request) async throws -> Response {
        guard
            let wish = try? JSONDecoder().decode(
                ExportRequest.self, from: Data(try await request.bodyBytes(upTo: Self.requestBytesMax)))
        else { throw AdministrationService.otherVersion }
        let account: Account
        do throws(Failure) {
            account = try await administration.account(of: wish)
        } catch {
            let message = AdministrationMessage<Confirmation>(failure: error)
            return Response(
                status: .init(code: error.envelopeError.code.status), headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: try JSONEncoder().encode(message))))
        }
        let body = ResponseBody { writer in
            var reason: Failure?
            do {
                try await administration.export(account) { try await writer.write(ArchiveFrames.frame($0)) }
            } catch let failure as Failure {
                logger.error("an export could not go on", metadata: ["reason": "\(failure)"])
                reason = failure
            }
            try await writer.write(try ArchiveFrames.end(reason))
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: ArchiveFrames.contentType], body: body)
    }

    /// Answers an import with lines of `AdministrationMessage`: how far it has come, what items came to, and at last what all of them did, or why it
    /// could not go on.
    func takeIn(_ request: Request) async throws -> Response {
        guard let header = request.headers[.administrationOperation], let json = Data(base64Encoded: header),
            let wish = try? JSONDecoder().decode(ImportRequest.self, from: json)
        else { throw AdministrationService.otherVersion }
        let archive = request.body
        let body = ResponseBody { writer in
            do {
                let prepared = try await prepare(wish, archive, telling: &writer)
                let latest = LatestProgress()
                let totals = try await prepared.perform(progress: { latest.set($0) }) { items in
                    let message = AdministrationMessage(progress: latest.value, reply: ImportNews(items: items))
                    try await Self.write(message, to: &writer)
                }
                try await Self.write(AdministrationMessage(reply: ImportNews(totals: totals)), to: &writer)
            } catch let failure as Failure {
                if failure.envelopeError.cause != nil { logger.error("an import could not go on", metadata: ["reason": "\(failure)"]) }
                try await Self.write(AdministrationMessage<ImportNews>(failure: failure), to: &writer)
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: AdministrationProgress.contentType], body: body)
    }

    /// Takes the archive in, and says how far that has come often enough for either side to see that the other is there.
    private func prepare(
        _ wish: ImportRequest, _ archive: RequestBody, telling writer: inout any ResponseBodyWriter
    ) async throws -> PreparedImport {
        let latest = LatestProgress()
        return try await withThrowingTaskGroup(of: PreparedImport?.self) { group in
            group.addTask {
                try await administration.prepare(wish, progress: { latest.set($0) }) { spool in
                    var part: [UInt8] = []
                    for try await buffer in archive {
                        part += buffer.readableBytesView
                        guard part.count >= Self.spooledBytes else { continue }
                        try await spool.append(part)
                        part = []
                    }
                    try await spool.append(part)
                }
            }
            defer { group.cancelAll() }
            while true {
                group.addTask {
                    try await Task.sleep(for: AdministrationProgress.pause)
                    return nil
                }
                if let prepared = try await group.next() ?? nil { return prepared }
                try await Self.write(AdministrationMessage<ImportNews>(progress: latest.value), to: &writer)
            }
        }
    }

    private static func write(_ message: AdministrationMessage<ImportNews>, to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(ByteBuffer(bytes: try JSONEncoder().encode(message) + Data("\n".utf8)))
    }
}
