import ErrorEnvelopeHummingbird
import Foundation
import Hummingbird
package import Logging
import NIOCore
package import Personas

/// A request of a command, which comes over a Unix socket.
struct OperatorContext: EnvelopeRequestContext {
    var coreContext: CoreRequestContextStorage
    var requestID = ""
    private let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// The kernel's `struct ucred`: three numbers of four bytes. The header has it for those only who ask for what is not POSIX, which Swift does not.
    private struct PeerCredentials {
        let processID: Int32
        let userID: UInt32
        let groupID: UInt32
    }

    /// The user of the process that connected, as the kernel wrote it down when it did (`SO_PEERCRED` of unix(7)): no process can claim to be another's.
    func uid() async throws -> UInt32 {
        guard let socket = channel as? any SocketOptionProvider else {
            throw Failure.unexpected("A command did not come over a socket")
        }
        let option = NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        let credentials: PeerCredentials = try await socket.unsafeGetSocketOption(level: .socket, name: option).get()
        return credentials.userID
    }
}

extension Operator {
    /// One of whose changes a server's log tells as the audit does.
    package init(logging logger: Logger, uid: UInt32) {
        self.init(uid: uid) { notice in
            switch notice {
            case .written(let entry): logger.notice("audit", metadata: Self.metadata(of: entry))
            case .lost(let entry, let failure):
                let reason: Logger.Metadata = ["reason": "the audit could not be written: \(failure)"]
                logger.error("audit", metadata: Self.metadata(of: entry).merging(reason) { first, _ in first })
            }
        }
    }

    private static func metadata(of entry: AuditEntry) -> Logger.Metadata {
        ["action": .string(entry.action), "target": .string(entry.target), "uid": .stringConvertible(entry.uid)]
    }
}
