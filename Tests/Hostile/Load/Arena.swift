package import Foundation
package import TestSupport

/// Where services are started for scenarios, each on a data folder of its own.
package struct Arena: Sendable {
    /// The executable.
    package let personas: String
    /// For the data folders and the logs, which are removed when a service is stopped.
    package let directory: String
    /// What all chance depends on.
    package let seed: UInt64
    /// Variables that services get beside those of this process.
    package let environment: [String: String]
    /// Told of every service that was started.
    package let onStart: @Sendable (pid_t) -> Void

    /// Takes all members.
    package init(
        personas: String, directory: String, seed: UInt64, environment: [String: String] = [:],
        onStart: @escaping @Sendable (pid_t) -> Void = { _ in }
    ) {
        self.personas = personas
        self.directory = directory
        self.seed = seed
        self.environment = environment
        self.onStart = onStart
    }

    /// Runs a body on a new service.
    /// - Parameters:
    ///   - accounts: their names; each gets a key.
    ///   - trainers: names of accounts whose key has the scope `trainer`.
    ///   - descriptorsMax: the hard limit of file descriptors; nil for a soft limit of 1,024, the usual one, and the hard one of this process.
    package func withService<Value>(
        accounts: [String], trainers: [String] = [], flags: [String] = [], descriptorsMax: Int? = nil, _ body: (Service) throws -> Value
    ) throws -> Value {
        let data = "\(directory)/\(UUID().uuidString.prefix(8).lowercased())"
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { for path in [data, data + ".log"] { try? FileManager.default.removeItem(atPath: path) } }
        var keys: [String: String] = [:]
        _ = try Program.output(personas, ["migrate", "up", "--data", data])
        for (names, scopes) in [(accounts, "read,write"), (trainers, "trainer")] {
            for name in names {
                _ = try Program.output(personas, ["accounts", "create", name, "--data", data])
                keys[name] = try Program.output(personas, ["keys", "create", "--account", name, "--scopes", scopes, "--data", data])
                    .trimmingCharacters(in: .whitespacesAndNewlines)
            }
        }
        let limit = descriptorsMax.map { "\($0):\($0)" } ?? "1024:"
        let server = try ServerProcess.personas(
            personas, data: data, flags: flags, launcher: [try Program.path(of: "prlimit"), "--nofile=\(limit)"],
            environment: environment)
        defer { server.stop() }
        onStart(server.id)
        return try body(Service(server: server, keys: keys))
    }
}

/// A running service with accounts.
package final class Service: Sendable {
    /// Its process.
    package let server: ServerProcess
    private let keys: [String: String]

    init(server: ServerProcess, keys: [String: String]) {
        self.server = server
        self.keys = keys
    }

    /// Where it listens.
    package var port: Int { server.port }

    /// Resident memory in MB, of a million bytes.
    package var megabytes: Double { Double((try? server.memoryBytes("VmRSS")) ?? 0) / 1_000_000 }

    /// The key of an account; empty for one that there is not.
    package func key(_ account: String) -> String { keys[account] ?? "" }

    /// A new connection.
    package func connection(timeoutSeconds: Double = 60) throws -> Connection {
        try Connection(port: port, timeoutSeconds: timeoutSeconds)
    }

    /// Creates a persona from three images and waits until it is trained. Returns the paths of its published images.
    func published(by account: String, name: String, images: [[UInt8]]) throws -> [String] {
        let connection = try connection()
        let created = try connection.exchange("POST", "/v2/personas", key: key(account), json: Bodies.create(name: name, images: images))
        guard created.status == 201, let id = created.member("id") else {
            throw MeasurementFailed("a create came to \(created.status): \(String(decoding: created.body.prefix(300), as: UTF8.self))")
        }
        let watch = Stopwatch()
        while watch.seconds < 60 {
            let item = try connection.exchange("GET", "/v2/personas/\(id)", key: key(account))
            if let references = item.object["reference"] as? [String] { return references.compactMap { URL(string: $0)?.path } }
            usleep(20_000)
        }
        throw MeasurementFailed("an item was not trained within 60 s")
    }
}

/// Bodies of requests.
enum Bodies {
    /// That of a create.
    /// - Parameters:
    ///   - images: as base64.
    ///   - padding: bytes of a member that is not asked for.
    static func create(name: String, images: [[UInt8]], padding: Int = 0) -> [UInt8] {
        var body = Array("{\"name\":\"\(name)\",".utf8)
        if padding > 0 { body += Array("\"padding\":\"".utf8) + repeated("x", bytes: padding) + Array("\",".utf8) }
        return body + Array("\"image_base64s\":".utf8) + array(images) + [UInt8(ascii: "}")]
    }

    /// That of a create by addresses.
    static func create(name: String, addresses: [String], padding: Int = 0) -> [UInt8] {
        var body = Array("{\"name\":\"\(name)\",".utf8)
        if padding > 0 { body += Array("\"padding\":\"".utf8) + repeated("x", bytes: padding) + Array("\",".utf8) }
        return body + Array("\"image_urls\":".utf8) + array(addresses.map { Array($0.utf8) }) + [UInt8(ascii: "}")]
    }

    private static func array(_ texts: [[UInt8]]) -> [UInt8] {
        var bytes = [UInt8(ascii: "[")]
        for (index, text) in texts.enumerated() {
            bytes += Array((index == 0 ? "\"" : ",\"").utf8)
            bytes += text
            bytes.append(UInt8(ascii: "\""))
        }
        return bytes + [UInt8(ascii: "]")]
    }
}
