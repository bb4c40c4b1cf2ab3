import ErrorEnvelope
import Foundation
import HTTPTypes
import Logging
import Personas
import PersonasHTTP
import ServiceLifecycle
import TestSupport
import Testing

/// The operator's socket beside a running server.
@Suite("The operator's socket", .serialized)
struct AdministrationServiceTests {
    /// Runs the socket of a service, hands its path to a test and stops it.
    private func serve(_ service: TestService, _ test: @Sendable (String) async throws -> Void) async throws {
        let path = service.directory + "/admin.sock"
        let socket = AdministrationService(socketPath: path, administration: service.administration, logger: service.log.logger)
        let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: [socket], logger: service.log.logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await eventually("the socket is there") { (try? await exchange(path, "GET /x HTTP/1.1")) != nil }
            try await test(path)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    private func exchange(_ path: String, _ line: String, body: String = "") async throws -> Answer {
        let text =
            "\(line)\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
        let exchange = try await rawExchange(.path(path)) { try await $0.write(text) }
        return try #require(exchange.answers.first)
    }

    private func send(_ path: String, _ request: AdministrationRequest) async throws -> Answer {
        let body = String(decoding: try JSONEncoder().encode(request), as: UTF8.self)
        return try await exchange(path, "POST \(AdministrationService.path) HTTP/1.1", body: body)
    }

    private func json(_ reply: AdministrationReply) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(reply), as: UTF8.self)
    }

    @Test("answers as the use cases do in process")
    func replies() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let gone = try await service.createCompleted(.style, "Paper")
            let key = try await service.key(scopes: [.read])
            let seed = try JSONDecoder().decode(
                SeedDocument.self, from: Data(#"{"reserved_names":["Root"],"accounts":[{"name":"seeded"}]}"#.utf8))
            try await serve(service) { path in
                // What changes something answers the same a second time.
                for request in [
                    .setSuspended(true, accountName: "studio"), .setSuspended(false, accountName: "studio"),
                    .setAPIAccess(true, accountName: "studio"),
                    .setKeyState(.disabled, id: key.id.text), .setKeyState(.active, id: key.id.text), .reserveNames(["Admin", "Me"]),
                    .setMaintenance(isOn: true, retryAfterSeconds: 90), .setMaintenance(isOn: false, retryAfterSeconds: nil),
                    .showMaintenance, .listNames,
                    .listAccounts, .showAccount(name: "studio"), .listKeys(accountName: nil), .listKeys(accountName: "studio"),
                    .listItems(limit: 10),
                    .showItem(id: id), .listMigrations, .seed(SeedDocument()),
                ] as [AdministrationRequest] {
                    let answer = try await send(path, request)
                    #expect(answer.status == 200, "\(request): \(answer.text)")
                    #expect(answer.headers[.contentType] == "application/json")
                    let reply = try JSONDecoder().decode(AdministrationReply.self, from: Data(answer.bytes))
                    #expect(try json(reply) == json(try await service.administration.perform(request)), "\(request)")
                }
                // And what does not, has done it.
                #expect(try await send(path, .createAccount(name: "new")).status == 200)
                #expect(try await send(path, .seed(seed)).text.contains(#""reserved_names":1"#))
                let issued = try await send(path, .createKey(accountName: "new", label: "x", scopes: [.read]))
                let reply = try JSONDecoder().decode(AdministrationReply.self, from: Data(issued.bytes))
                guard case .issuedKey(let report) = reply else { throw UnexpectedReply() }
                #expect(try await service.send(.get, "/v2/personas", key: .text(report.key)).status == 200)
                #expect(try await send(path, .deleteItem(id: gone)).text.contains("Style deleted"))
                #expect(try await service.send(.get, "/v2/styles/\(gone)").status == 404)
                #expect(try await send(path, .releaseNames(["Me"])).text.contains("1 name released"))
                #expect(try await send(path, .deleteAccount(name: "new")).status == 200)
                #expect(try await service.send(.get, "/v2/personas", key: .text(report.key)).status == 404)
            }
        }
    }

    @Test("answers failures as envelopes, those of the use cases with their own codes")
    func failures() async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            let rows: [(AdministrationRequest, Int, ErrorCode)] = [
                (.showAccount(name: "nobody"), 404, .notFound), (.createAccount(name: "studio"), 409, .conflict),
                (.createAccount(name: " "), 400, .validationError),
                (.createKey(accountName: "nobody", label: nil, scopes: [.read]), 404, .notFound),
                (.setKeyState(.active, id: "x"), 400, .validationError),
                (.setKeyState(.active, id: Identifier.random().text), 404, .notFound), (.reserveNames(["no/name"]), 400, .validationError),
                (.setMaintenance(isOn: true, retryAfterSeconds: 0), 400, .validationError),
                (.deleteItem(id: id), 400, .cannotDeleteProcessing),
                (.showItem(id: Identifier.random().text), 404, .notFound), (.deleteAccount(name: "nobody"), 404, .notFound),
            ]
            try await serve(service) { path in
                try await service.withoutTrace {
                    for (request, status, code) in rows {
                        let answer = try await send(path, request)
                        #expect(answer.status == status, "\(request): \(answer.text)")
                        #expect(try answer.envelope.error.code == code)
                        #expect(try answer.envelope.requestID == answer.requestID)
                    }
                    for body in ["", "{}", "nonsense", #"{"unknownCommand":{}}"#, #"{"createAccount":{}}"#] {
                        try await exchange(path, "POST \(AdministrationService.path) HTTP/1.1", body: body)
                            .expectViolations([("body", "the command is of another version than the server")])
                    }
                    for line in ["GET / HTTP/1.1", "GET /v2/personas HTTP/1.1", "POST /v2/personas HTTP/1.1", "GET /healthz HTTP/1.1"] {
                        try await exchange(path, line).expect(404, .notFound, "Not found")
                    }
                }
            }
        }
    }

    @Test("is for the server's user alone, and takes the place of one that a crash left")
    func file() async throws {
        try await TestService.run { service in
            let path = service.directory + "/admin.sock"
            try leaveSocket(path)
            #expect(FileManager.default.fileExists(atPath: path))
            try await serve(service) { path in
                try await eventually("the mode is set") {
                    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600
                }
                #expect(try await send(path, .listAccounts).status == 200)
            }
        }
    }

    @Test(
        "leaves what it did not bind: somebody else's socket that is answered, and what is no socket", .timeLimit(.minutes(1)),
        arguments: [true, false])
    func notOurs(isSocket: Bool) async throws {
        try await TestService.run { service in
            let path = service.directory + "/admin.sock"
            let listener = isSocket ? try Socket.bind(.path(path), waitingMax: 8).descriptor : -1
            defer { if isSocket { close(listener) } }
            if !isSocket { try Data([1]).write(to: URL(fileURLWithPath: path)) }
            let socket = AdministrationService(socketPath: path, administration: service.administration, logger: service.log.logger)
            await #expect {
                try await socket.run()
            } throws: { error in
                guard case Failure.configuration(setting: "data", reason: let reason) = error else { return false }
                return reason.contains(path)
            }
            #expect(FileManager.default.fileExists(atPath: path))
            #expect(SocketFile.isAnswered(path) == isSocket)
        }
    }

    /// Makes what a killed server leaves: a socket that no process listens on.
    private func leaveSocket(_ path: String) throws { close(try Socket.bind(.path(path)).descriptor) }
}
