import Foundation
import TestSupport

/// A store of objects with the API of S3 on loopback, which checks signatures, digests and times: OpenStack Swift, in a process of its own. One
/// serves all tests of a process; each makes a bucket of its own.
package final class ObjectStoreServer: Sendable {
    /// The region that it is in.
    package static let region = "us-east-1"
    /// A bucket of it, in which each test takes names that begin otherwise.
    package static let bucket = "tests"
    /// Who may do everything, as variables of the environment.
    package static let owner = ["AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"]
    /// Whom it knows, and who may do nothing.
    package static let stranger = ["AWS_ACCESS_KEY_ID": "test:stranger", "AWS_SECRET_ACCESS_KEY": "strange"]

    private static let shared = Task.detached { try ObjectStoreServer() }

    private let process: ServerProcess

    /// Where it listens, on 127.0.0.1 and as `localhost`.
    package var port: Int { process.port }

    /// The one of this process, which is started when it is first asked for and ends with the process, however that ends.
    /// - Throws: `MeasurementFailed` where what it needs is not installed, or it does not start.
    package static func running() async throws -> ObjectStoreServer { try await shared.value }

    private init() throws {
        // Not in memory: file systems there may be without extended attributes, in which Swift keeps what it knows of objects.
        let folder = try TemporaryFolder.make("objects")
        process = try ServerProcess(
            try TestTools.path(of: "python"), ["\(TestTools.tests)/Support/ObjectStore/server.py", folder, "0", Self.bucket],
            logPath: "\(folder)/server.log")
        Self.folder.withLock { $0 = folder }
        atexit {
            ChildProcesses.endAll()
            ObjectStoreServer.folder.withLock { folder in
                if let folder { try? FileManager.default.removeItem(atPath: folder) }
            }
        }
    }

    /// For the end of the process, to which nothing can be handed.
    private static let folder = Shared<String?>(nil)
}
