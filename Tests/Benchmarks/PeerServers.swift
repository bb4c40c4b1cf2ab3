import Foundation
import TestSupport

/// Programs of other languages that answer the same reads from the same database; see Peers.
struct PeerServers {
    /// What a peer is called, here and as an executable.
    static let names = ["Go", "Rust"]
    private static let samples = 20

    /// The folder of the executables.
    let folder: String

    /// Starts all of them on a store.
    func start(on store: BenchmarkStore) throws -> [(name: String, server: ServerProcess)] {
        try Self.names.map { name in
            // A port of its own choice is told in its log, as by the service.
            let arguments = [store.databasePath, "0"]
            return (name, try ServerProcess("\(folder)/\(name.lowercased())", arguments, logPath: "\(store.directory).\(name).log"))
        }
    }

    /// Makes sure that a peer does the same work: its answers are those of the service, byte for byte but for request ids and the port in URLs.
    static func check(_ name: String, _ peer: ServerProcess, against service: ServerProcess, paths: [String], key: String?) throws {
        for path in stride(from: 0, to: paths.count, by: max(1, paths.count / samples)).map({ paths[$0] }) {
            let (theirs, ours) = (try answer(of: peer, path, key), try answer(of: service, path, key))
            guard theirs == ours else {
                throw MeasurementFailed("\(name) answers GET \(path) with\n\(theirs)\nrather than\n\(ours)")
            }
        }
    }

    private static func answer(of server: ServerProcess, _ path: String, _ key: String?) throws -> String {
        let answer = try Connection(port: server.port).exchange("GET", path, key: key)
        let body = String(decoding: answer.body, as: UTF8.self).replacing(":\(server.port)/", with: ":PORT/")
        return "\(answer.status) \(body.replacing(/"request_id":"[^"]*"/, with: "\"request_id\":\"…\""))"
    }
}
