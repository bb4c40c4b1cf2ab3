package import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import Hummingbird
import Logging
import NIOCore
package import Personas
import ServiceLifecycle
import Synchronization

/// One line of the answer to a request that takes long: how far it has come, and at last its reply or its failure.
package struct AdministrationLine: Sendable, Codable {
    /// How far it has come.
    package let progress: WorkProgress?
    /// The reply, in the last line.
    package let reply: AdministrationReply?
    /// The failure, in the last line.
    package let error: ErrorBody?

    /// Takes what the line holds.
    package init(progress: WorkProgress? = nil, reply: AdministrationReply? = nil, error: ErrorBody? = nil) {
        self.progress = progress
        self.reply = reply
        self.error = error
    }
}

/// Carries out a request that takes long, and tells meanwhile how far it has come.
struct AdministrationProgress: Sendable {
    /// What the answer is made of: a JSON document a line.
    static let contentType = "application/x-ndjson"
    /// How often it says something. That is also how soon it notices that nobody listens any more.
    private static let pause = Duration.milliseconds(200)

    let administration: Administration
    let logger: Logger

    /// The body of the answer. When the client is gone or the server stops, the request is cancelled.
    func body(for request: AdministrationRequest) -> ResponseBody {
        ResponseBody { writer in
            let latest = Latest()
            try await withThrowingTaskGroup(of: AdministrationLine?.self) { group in
                group.addTask { await cancelWhenGracefulShutdown { await outcome(of: request, latest) } }
                group.addTask {
                    try await Task.sleep(for: Self.pause)
                    return nil
                }
                while let line = try await group.next() {
                    if let line {
                        group.cancelAll()
                        try await Self.write(line, to: &writer)
                        break
                    }
                    // Said again when nothing has changed, because only writing tells whether somebody is there.
                    try await Self.write(AdministrationLine(progress: latest.progress), to: &writer)
                    group.addTask {
                        try await Task.sleep(for: Self.pause)
                        return nil
                    }
                }
            }
            try await writer.finish(nil)
        }
    }

    private func outcome(of request: AdministrationRequest, _ latest: Latest) async -> AdministrationLine {
        do throws(Failure) {
            return AdministrationLine(reply: try await administration.perform(request) { latest.set($0) })
        } catch {
            let failure = error.envelopeError
            if failure.cause != nil { logger.error("a command failed", metadata: ["reason": "\(error)"]) }
            return AdministrationLine(error: ErrorBody(code: failure.code, message: failure.message, details: failure.details))
        }
    }

    private static func write(_ line: AdministrationLine, to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(ByteBuffer(bytes: try JSONEncoder().encode(line) + Data("\n".utf8)))
    }

    /// The last that was heard of the work.
    private final class Latest: Sendable {
        private let value = Mutex<WorkProgress?>(nil)
        var progress: WorkProgress? { value.withLock { $0 } }
        func set(_ progress: WorkProgress) { value.withLock { $0 = progress } }
    }
}
