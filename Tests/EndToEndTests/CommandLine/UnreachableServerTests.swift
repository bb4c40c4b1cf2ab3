import Foundation
import TestSupport
import Testing

/// A server that commands cannot talk to, and one that cannot listen: 69 and a line that says why, and no command that waits for ever.
@Suite("A server out of reach", .timeLimit(.minutes(10)))
struct UnreachableServerTests {
    private static let mayHaveBeenDone = "the server did not answer; what it was asked for may have been done all the same"
    private static let misunderstood = "and nothing that this version understands"

    private static func expectUnavailable(_ result: CommandResult, _ words: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(result.exit == .status(69), "\(result)", sourceLocation: sourceLocation)
        #expect(result.output.isEmpty, "\(result)", sourceLocation: sourceLocation)
        let lines = result.error.split(separator: "\n").filter { !$0.hasPrefix("{") }
        #expect(lines.count == 1 && lines[0].hasPrefix("personas: "), "\(result)", sourceLocation: sourceLocation)
        #expect(result.error.contains(words), "\(result)", sourceLocation: sourceLocation)
    }

    /// A server that runs, with its socket taken away from under it.
    private static func withoutSocket(_ body: (Stage, RunningService, _ socket: String) async throws -> Void) async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let socket = stage.data + "/admin.sock"
            try await eventually("the socket") { FileManager.default.fileExists(atPath: socket) }
            try FileManager.default.removeItem(atPath: socket)
            try await body(stage, service, socket)
        }
    }

    @Test(
        "A server that goes away under a command, or answers half or nonsense",
        arguments: [
            ("accounts create acme", Gateway.Ruling.cut, mayHaveBeenDone), ("check", .cut, mayHaveBeenDone),
            ("accounts list", .half("HTTP/1.1 200 OK\r\nContent-Len"), mayHaveBeenDone),
            ("accounts list", .half("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"acc"), mayHaveBeenDone),
            ("check", .half("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n"), mayHaveBeenDone),
            ("check", .answer(200, Array("{}\n".utf8)), "the server went away before it was done"),
            ("check", .answer(200, Array("no JSON\n".utf8)), misunderstood), ("accounts list", .answer(200, json: [1]), misunderstood),
            ("accounts list", .answer(502, Array("Bad gateway".utf8)), misunderstood), ("check", .answer(404, []), misunderstood),
        ])
    func goesAway(command: String, trouble: Gateway.Ruling, words: String) async throws {
        try await Self.withoutSocket { stage, service, socket in
            try await Gateway.run(to: service.port, at: socket, rule: { _, _ in trouble }) { gateway in
                Self.expectUnavailable(try await stage.command(command.split(separator: " ").map(String.init)), words)
                // What may have been done is not asked for again.
                #expect(gateway.calls == ["administration"])
            }
        }
    }

    @Test("A server that is killed while a command waits for its answer")
    func killed() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let socket = stage.data + "/admin.sock"
            try await eventually("the socket") { FileManager.default.fileExists(atPath: socket) }
            service.process.signal(SIGSTOP)
            let arguments = ["accounts", "create", "acme"]
            let command = try stage.start(arguments, data: stage.data)
            // One connection to find out whether a server listens, and one that carries the request.
            try await eventually("the command's connections", detail: { command.standardError }) {
                try ConnectionList.waitingCount(at: socket) == 2
            }
            try await service.process.kill()
            Self.expectUnavailable(try await CommandResult(of: command, arguments), Self.mayHaveBeenDone)
            #expect(try await stage.command(arguments).exit == .status(0))
        }
    }

    @Test("A socket at which no server listens, while another process holds the folder")
    func nobodyListens() async throws {
        try await Self.withoutSocket { stage, _, path in
            close(try Socket.bind(.path(path)).descriptor)
            try #require(FileManager.default.fileExists(atPath: path))
            let result = try await stage.command("accounts", "list")
            Self.expectUnavailable(result, "the data folder \(stage.data) is in use, and no server answers on its admin.sock")
        }
    }

    private static let privilegedPort = (try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding: .utf8))
        .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }.flatMap { $0 > 1 ? 1 : nil }

    /// Takes the right to listen on any port from root, which has it; other users have none to take.
    private static let withoutPrivilege =
        geteuid() == 0 ? ["/usr/bin/setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"] : []

    @Test(
        "An address that the server cannot listen on is named with the reason, and leaves nothing behind",
        arguments: [
            ("192.0.2.1", 0, "cannot listen on http://192.0.2.1:0: Cannot assign requested address"),
            // Longer than a label may be, so that no name server is asked for it.
            (String(repeating: "a", count: 64), 0, ":0: there is no such address"),
            ("127.0.0.1", privilegedPort ?? -1, "cannot listen on http://127.0.0.1:1: Permission denied"),
        ].filter { $0.1 >= 0 })
    func cannotListen(host: String, port: Int, words: String) async throws {
        try await Stage.run { stage in
            let arguments = ["serve", "--host", host, "--port", "\(port)", "--log-level", "warning"]
            let launcher = port > 0 ? Self.withoutPrivilege : []
            let process = try stage.start(arguments, data: stage.data, launcher: launcher)
            Self.expectUnavailable(try await CommandResult(of: process, arguments), words)
            #expect(!FileManager.default.fileExists(atPath: stage.data + "/admin.sock"))
            // The folder is free again.
            #expect(try await stage.command("accounts", "list").exit == .status(0))
        }
    }
}
