import AsyncHTTPClient
import Foundation
import NIOSSL
import TestSupport
import Testing

/// Debian's nginx with `http/samples/nginx.conf`, on ports and in a folder of its own.
///
/// The sample is run as it stands, but for what an operator fits as well (the service's port, the places of certificate, log and files) and
/// for the ports that nginx listens on, of 127.0.0.1 alone. A text to be replaced that is not there any more is a failure.
struct Nginx: Sendable {
    /// The name that the sample has for the service, and the certificate.
    static let host = "personas.example"

    private let folder: String
    private let process: ChildProcess
    /// Where it listens, by TLS.
    let address: String
    /// Where it listens without.
    let plainAddress: String

    /// Where nginx is going to listen, which the service has to know before it is started itself.
    struct Ports: Sendable {
        let secure: Int
        let plain: Int

        /// Two that are free.
        init() throws {
            let taken = try [Socket.bind(.port(0)), Socket.bind(.port(0))]
            for socket in taken { close(socket.descriptor) }
            (secure, plain) = (taken[0].port, taken[1].port)
        }

        /// What the service is told of the proxy, as the sample says.
        var flags: [String] {
            ["--public-url", "https://\(Nginx.host):\(secure)", "--trust-request-id", "--trusted-proxies", "127.0.0.1/32"]
        }
    }

    /// Starts it in front of a port, and waits until it listens.
    /// - Parameter changes: what else is replaced in the sample.
    static func start(on stage: Stage, _ ports: Ports, before port: Int, changes: [String: String] = [:]) async throws -> Nginx {
        let folder = "\(stage.folder)/nginx"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try makeCertificate(in: folder)
        var sample = try String(contentsOfFile: "\(TestTools.tests)/../http/samples/nginx.conf", encoding: .utf8)
        let fitted = [
            "server 127.0.0.1:8080;": "server 127.0.0.1:\(port);", "listen 80;": "listen 127.0.0.1:\(ports.plain);",
            "listen 443 ssl http2;": "listen 127.0.0.1:\(ports.secure) ssl http2;", "listen [::]:80;": "", "listen [::]:443 ssl http2;": "",
            "/etc/letsencrypt/live/\(host)/": "\(folder)/", "/var/log/nginx/": "\(folder)/",
            "/var/www/html": "\(folder)/www",
        ]
        for (text, replacement) in fitted.merging(changes, uniquingKeysWith: { $1 }) {
            try #require(sample.contains(text), "the sample does not hold \(text)")
            sample = sample.replacingOccurrences(of: text, with: replacement)
        }
        try Data(sample.utf8).write(to: URL(fileURLWithPath: "\(folder)/personas.conf"))
        try Data(main(folder).utf8).write(to: URL(fileURLWithPath: "\(folder)/nginx.conf"))
        let process = try stage.start(program: try TestTools.nginx(), ["-p", folder, "-c", "\(folder)/nginx.conf"], environment: [:])
        for port in [ports.secure, ports.plain] {
            try await eventually("nginx listens", detail: { process.standardError }) {
                try #require(process.exit == nil, "nginx ended: \(process.standardError)")
                return (try? Socket(.port(port), within: 1)) != nil
            }
        }
        return Nginx(
            folder: folder, process: process, address: "https://\(host):\(ports.secure)", plainAddress: "http://\(host):\(ports.plain)")
    }

    /// What stands around the sample, as Debian's /etc/nginx/nginx.conf does; where operators compress everything. One process, so that nothing
    /// outlives it.
    private static func main(_ folder: String) -> String {
        let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(folder)/\($0);" }
        return """
            daemon off;
            master_process off;
            pid \(folder)/nginx.pid;
            error_log stderr info;
            events { worker_connections 4096; }
            http {
                \(places.joined(separator: " "))
                gzip on;
                gzip_types *;
                gzip_proxied any;
                gzip_min_length 1;
                include \(folder)/personas.conf;
            }

            """
    }

    private static func makeCertificate(in folder: String) throws {
        _ = try Program.output(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=\(host)",
                "-addext", "subjectAltName=DNS:\(host)", "-keyout", "\(folder)/privkey.pem", "-out", "\(folder)/fullchain.pem",
            ])
    }

    /// Runs a test with clients that trust the certificate and find the name on this machine.
    /// - Parameters:
    ///   - version: of HTTP, where both sides can it.
    ///   - source: the address that they connect from, so that it can be told from that of nginx.
    func withClient<Value>(
        _ key: Key? = nil, version: HTTPClient.Configuration.HTTPVersion = .automatic, from source: String? = nil,
        _ body: (Client) async throws -> Value
    ) async throws -> Value {
        var security = TLSConfiguration.makeClientConfiguration()
        security.trustRoots = .file("\(folder)/fullchain.pem")
        var configuration = HTTPClient.Configuration(tlsConfiguration: security, redirectConfiguration: .disallow)
        configuration.dnsOverride = [Self.host: "127.0.0.1"]
        configuration.httpVersion = version
        configuration.localAddress = source
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(Client(base: address, key: key?.secret, http: http)))
        } catch {
            result = .failure(error)
        }
        try await http.shutdown()
        return try result.get()
    }

    /// The lines of its log, by the id of the request.
    func logged(_ requestID: String) async throws -> JSONValue {
        try await eventually("a line of nginx's log for \(requestID)") {
            try log.first { $0["request_id"]?.string == requestID }
        }
    }

    /// All lines of its log.
    var log: [JSONValue] {
        get throws {
            try String(contentsOfFile: "\(folder)/personas.log", encoding: .utf8).split(separator: "\n").compactMap {
                try? JSONValue(parsing: $0.utf8)
            }
        }
    }

    /// The files that it has made of bodies and answers.
    var files: [String] {
        ["client_body", "proxy"].flatMap { place in
            (FileManager.default.subpaths(atPath: "\(folder)/\(place)") ?? []).map { "\(place)/\($0)" }
        }
    }
}
