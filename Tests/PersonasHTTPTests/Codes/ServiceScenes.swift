import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

extension TestService {
    /// The path of the portrait of a new item.
    func portraitPath(_ image: [UInt8] = Picture.png()) async throws -> String {
        let text = Picture.base64(image)
        let body = TestBody(#"{"name":"Portrayed","image_base64s":\#(Picture.list([text, text, text]))}"#)
        let id = try #require(try await send(.post, "/v2/personas", body).string("id"))
        try await train()
        let url = try #require(try await send(.get, "/v2/personas/\(id)").string("portrait_url"))
        return String(url.dropFirst(Self.baseURL.count))
    }
}

/// What goes wrong in the service, or what it cannot do at the moment.
extension CodeScene {
    static let fileThatIsNone = refusal("an image whose file cannot be opened") { service in
        let path = try await service.portraitPath()
        for name in try await service.mediaFiles() {
            try await service.data.removeMediaFile(name)
            // Not even root can open what leads to itself.
            let file = "\(service.directory)/media/\(name)"
            try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: file)
        }
        return try await service.send(.get, path, key: .none, isFailureExpected: true)
    }

    static let noRoomForFiles = refusal("a create whose images cannot be stored") { service in
        try service.data.breakImages()
        return try await service.send(.post, "/v2/personas", .create("Nova"), isFailureExpected: true)
    }

    static let maintenance = refusal("maintenance") { service in
        _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 9))
        return try await service.send(.get, "/v2/personas", isFailureExpected: true)
    }

    static let manyReaders: CodeScene = {
        var configuration = HTTPConfiguration()
        configuration.connections.connectionsMax = 4
        return refusal("more images being sent than there are places", .live, configuration: configuration) { service in
            let path = try await service.portraitPath(Picture.png(byteCount: 9_000_000))
            let port = try #require(service.client.port)
            let readers = [try await StalledReader(port: port, path: path), try await StalledReader(port: port, path: path)]
            defer { withExtendedLifetime(readers) {} }
            return try await service.send(.get, path, key: .none, isFailureExpected: true)
        }
    }()
}

/// Operators' commands.
extension CodeScene {
    static let fileThatStays = command("personas check --repair of a file that cannot be removed") { service in
        // A folder in its place is not removed as files are.
        let file = "\(service.directory)/media/00/\(String(repeating: "a", count: 62))"
        try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: true)
        return CheckIntegrity(isRepairing: true)
    }

    private static func command<Operation: AdministrationOperation>(
        _ words: String, _ prepare: @escaping @Sendable (TestService) throws -> Operation
    ) -> CodeScene {
        CodeScene(words) { service in
            let operation = try prepare(service)
            do throws(Failure) {
                _ = try await service.administration.perform(operation)
            } catch {
                return Sight(error)
            }
            throw Failure.unexpected("The command was done")
        }
    }
}

/// Trainings that end badly.
extension CodeScene {
    /// A worker says so.
    static func reported(_ code: ErrorCode) -> CodeScene {
        CodeScene("a worker reports it") { service in
            let worker = try await service.newKey(account: "worker", scopes: [.trainer])
            let id = try await service.create(.persona, "Nova")
            let lease = try await service.send(.post, "/v2/training/lease", key: worker)
            let (job, token) = (try #require(lease.string("job_id")), try #require(lease.string("lease_token")))
            let body = TestBody(#"{"lease_token":"\#(token)","code":"\#(code.rawValue)","message":"It went wrong"}"#)
            #expect(try await service.send(.post, "/v2/training/\(job)/fail", body, key: worker).status == 200)
            return Sight(itemIn: try await service.send(.get, "/v2/personas/\(id)"))
        }
    }

    static let lostWorker = CodeScene("the last attempt ends without a word", policy: LeasePolicy(seconds: 0, attemptsMax: 1)) { service in
        let id = try await service.create(.persona, "Nova")
        _ = try await service.lease()
        try await service.training.takeOver()
        return Sight(itemIn: try await service.send(.get, "/v2/personas/\(id)"))
    }

    static let cancel = CodeScene("its owner cancels") { service in
        let id = try await service.create(.persona, "Nova")
        #expect(try await service.send(.post, "/v2/personas/\(id)/cancel").status == 200)
        return Sight(itemIn: try await service.send(.get, "/v2/personas/\(id)"))
    }
}
