import Foundation
import Hummingbird
import NIOCore
import Personas
import ServiceLifecycle
import Synchronization

/// The answer to an operation that takes long, which tells meanwhile how far it has come.
enum AdministrationProgress {
    /// What the answer is made of: a JSON document a line.
    static let contentType = "application/x-ndjson"
    /// How often it says something. That is also how soon it notices that the client is gone.
    static let pause = Duration.milliseconds(200)

    /// The body of the answer. When the client is gone or the server stops, the operation is cancelled.
    static func body<Operation>(of run: AdministrationRun<Operation>) -> ResponseBody {
        ResponseBody { writer in
            let latest = LatestProgress()
            try await withThrowingTaskGroup(of: AdministrationMessage<Operation.Reply>?.self) { group in
                group.addTask { await cancelWhenGracefulShutdown { await run.outcome { latest.set($0) } } }
                group.addTask {
                    try await Task.sleep(for: pause)
                    return nil
                }
                while let message = try await group.next() {
                    if let message {
                        group.cancelAll()
                        try await write(message, to: &writer)
                        break
                    }
                    // Said again when nothing has changed, because only writing tells whether the client is there.
                    try await write(AdministrationMessage<Operation.Reply>(progress: latest.value), to: &writer)
                    group.addTask {
                        try await Task.sleep(for: pause)
                        return nil
                    }
                }
            }
            try await writer.finish(nil)
        }
    }

    private static func write(_ message: AdministrationMessage<some Any>, to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(ByteBuffer(bytes: try JSONEncoder().encode(message) + Data("\n".utf8)))
    }
}

/// The last that was heard of some work.
final class LatestProgress: Sendable {
    private let latest = Mutex<WorkProgress?>(nil)
    var value: WorkProgress? { latest.withLock { $0 } }
    func set(_ progress: WorkProgress) { latest.withLock { $0 = progress } }
}
