import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import Logging
import Personas
import PersonasHTTP
import ServiceLifecycle
import TestImages
import TestSupport
import Testing

/// The operator's socket beside a running server.
@Suite("The operator's socket", .serialized)
struct AdministrationServiceTests {
    /// What the sockets of these tests take.
    private static let registry = AdministrationRegistry([
        CreateAccount.self, ListAccounts.self, ShowAccount.self, SetSuspended.self, SetAPIAccess.self, DeleteAccount.self, PrepareKey.self,
        CreateKey.self, ListKeys.self, SetKeyState.self, PrepareRotation.self, RotateKey.self, ShowKey.self, CreateItem.self,
        ReserveNames.self, ReleaseNames.self,
        ListNames.self, SetMaintenance.self, ShowMaintenance.self,
        ListItems.self, ShowItem.self, DeleteItem.self, CheckSeed.self, LoadSeed.self, ListMigrations.self, BackUp.self, BlockTerms.self,
        ReleaseTerms.self, ListTerms.self, ListAudit.self,
    ])

    /// Runs the socket of a service, hands its path to a test and stops it.
    private func serve(_ service: TestService, bodySecondsMax: Int = 30, _ test: @Sendable (String) async throws -> Void) async throws {
        let path = service.directory + "/admin.sock"
        let socket = AdministrationService(
            socketPath: path, administration: service.administration, registry: Self.registry,
            decoding: service.useCases.decoding, bodySecondsMax: bodySecondsMax, logger: service.log.logger)
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

    private func exchange(_ path: String, _ line: String, operation: String? = nil, body: String = "") async throws -> Answer {
        let head = "\(line)\r\n" + (operation.map { "\(AdministrationService.operationHeader): \($0)\r\n" } ?? "")
        let text =
            "\(head)Host: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
        let exchange = try await rawExchange(.path(path)) { try await $0.write(text) }
        return try #require(exchange.answers.first)
    }

    private func send<Operation: AdministrationOperation>(_ path: String, _ operation: Operation) async throws -> Answer {
        let body = String(decoding: try JSONEncoder().encode(operation), as: UTF8.self)
        return try await exchange(path, "POST \(AdministrationService.path) HTTP/1.1", operation: Operation.name, body: body)
    }

    private func json(_ reply: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(reply), as: UTF8.self)
    }

    /// The reply to an operation that is done.
    private func reply<Operation: AdministrationOperation>(_ path: String, to operation: Operation) async throws -> Operation.Reply {
        let answer = try await send(path, operation)
        #expect(answer.status == 200, "\(operation): \(answer.text)")
        #expect(answer.headers[.contentType] == "application/json")
        let message = try JSONDecoder().decode(AdministrationMessage<Operation.Reply>.self, from: Data(answer.bytes))
        #expect(message.failure == nil && message.progress == nil)
        return try #require(message.reply)
    }

    /// Has an operation carried out through the socket and in process, which are to agree.
    private func compare(_ path: String, _ service: TestService, _ operation: some AdministrationOperation) async throws {
        #expect(
            try json(await reply(path, to: operation)) == json(try await service.administration.perform(operation)), "\(operation)")
    }

    @Test("answers as the use cases do in process")
    func replies() async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(.persona, "Nova")
            let gone = try await service.createCompleted(.style, "Paper")
            let key = try await service.key(scopes: [.read])
            let seed = try JSONDecoder().decode(
                SeedDocument.self, from: Data(#"{"reserved_names":["Root"],"accounts":[{"name":"seeded"}]}"#.utf8))
            let reserved = try await service.administration.perform(ReserveNames(["Admin", "Me", "ME"]))
            #expect(reserved.reserved == ["Admin", "Me"] && reserved.alreadyReserved == [])
            try await serve(service) { path in
                // What changes something answers the same a second time.
                for operation in [
                    SetSuspended(true, accountName: "studio"), SetSuspended(false, accountName: "studio"),
                    SetAPIAccess(true, accountName: "studio"), SetKeyState(.disabled, id: key.id.text),
                    SetKeyState(.active, id: key.id.text), ReserveNames(["Admin", "Me"]),
                    SetMaintenance(isOn: true, retryAfterSeconds: 90), SetMaintenance(isOn: false, retryAfterSeconds: nil),
                    ShowKey(id: key.id.text), ShowMaintenance(), ListNames(), ListAccounts(), ShowAccount(name: "studio"),
                    ListKeys(accountName: nil),
                    ListKeys(accountName: "studio"), ListItems(limit: 10), ListItems(accountName: "studio", status: .completed, limit: 1),
                    ShowItem(id: id), ReleaseTerms(["good"]), ListTerms(), ListAudit(limit: 10), ListMigrations(), LoadSeed(SeedDocument()),
                    CheckSeed(seed),
                ] as [any AdministrationOperation] {
                    try await compare(path, service, operation)
                }
                // And what does not, has done it.
                #expect(try await send(path, CreateAccount(name: "new")).status == 200)
                #expect(try await send(path, BlockTerms(["Worse"])).text.contains(#""changed":[{"term":"worse"}]"#))
                #expect(try await send(path, LoadSeed(seed)).text.contains(#""reservedNames":1"#))
                let report = try await reply(path, to: PrepareKey(accountName: "new", label: "x", scopes: [.read]))
                #expect(try await service.send(.get, "/v2/personas", key: .text(report.key)).status == 401, "it is made up, and not stored")
                #expect(try await send(path, CreateKey(report)).status == 200)
                #expect(try await service.send(.get, "/v2/personas", key: .text(report.key)).status == 200)
                #expect(try await send(path, DeleteItem(id: gone)).text.contains("Style deleted"))
                #expect(try await service.send(.get, "/v2/styles/\(gone)").status == 404)
                let some = try await reply(path, to: ReserveNames(["me", "Chief"]))
                #expect(some.reserved == ["Chief"] && some.alreadyReserved == ["me"])
                let released = try await reply(path, to: ReleaseNames(["Me", "nobody"]))
                #expect(released.message == "1 name released" && released.released == ["Me"] && released.notReserved == ["nobody"])
                #expect(try await send(path, DeleteAccount(name: "new")).status == 200)
                #expect(try await service.send(.get, "/v2/personas", key: .text(report.key)).status == 404)
            }
        }
    }

    @Test("answers failures of the use cases as they are, and calls of another version with an envelope")
    func failures() async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            let missing = Identifier.random().text
            let rows: [(any AdministrationOperation, Int, ErrorCode)] = [
                (ShowAccount(name: "nobody"), 404, .notFound), (CreateAccount(name: "studio"), 409, .conflict),
                (CreateAccount(name: " "), 400, .validationError),
                (PrepareKey(accountName: "nobody", label: nil, scopes: [.read]), 404, .notFound),
                (PrepareKey(accountName: "studio", label: nil, scopes: [.read], expiresAt: .now), 400, .validationError),
                (PrepareRotation(id: "x"), 400, .validationError), (PrepareRotation(id: missing), 404, .notFound),
                (PrepareRotation(id: missing, overlapHours: 721), 400, .validationError), (ShowKey(id: missing), 404, .notFound),
                (CreateItem(accountName: "nobody", mode: .style, name: "Ink", specialInstructions: nil, imageBase64s: []), 404, .notFound),
                (
                    CreateItem(accountName: "studio", mode: .style, name: "", specialInstructions: nil, imageBase64s: []), 400,
                    .validationError
                ),
                (SetKeyState(.active, id: "x"), 400, .validationError), (SetKeyState(.active, id: missing), 404, .notFound),
                (ReserveNames(["no/name"]), 400, .validationError),
                (SetMaintenance(isOn: true, retryAfterSeconds: 0), 400, .validationError),
                (DeleteItem(id: id), 400, .cannotDeleteProcessing), (ShowItem(id: missing), 404, .notFound),
                (DeleteAccount(name: "nobody"), 404, .notFound),
            ]
            try await serve(service) { path in
                try await service.withoutTrace {
                    for (operation, status, code) in rows {
                        let answer = try await send(path, operation)
                        #expect(answer.status == status, "\(operation): \(answer.text)")
                        let failure = try #require(
                            JSONDecoder().decode(AdministrationMessage<Nothing>.self, from: Data(answer.bytes)).failure)
                        #expect(failure.envelopeError.code == code)
                        await #expect(throws: failure) { _ = try await service.administration.perform(operation) }
                    }
                    let odd: [(String?, String)] = [
                        (nil, ""), (nil, "{}"), (nil, "nonsense"), (nil, #"{"unknownCommand":{}}"#), (nil, #"{"createAccount":{}}"#),
                        (nil, #"{"name":"ListNames","operation":{}}"#), ("BrewCoffee", "{}"), ("", "{}"), ("listnames", "{}"),
                        ("CreateAccount", ""), ("CreateAccount", "nonsense"), ("CreateAccount", "{}"), ("BackUp", #"{"directory":1}"#),
                    ]
                    for (operation, body) in odd {
                        try await exchange(path, "POST \(AdministrationService.path) HTTP/1.1", operation: operation, body: body)
                            .expectViolations([("body", "the command is of another version than the server")])
                    }
                    for line in ["GET / HTTP/1.1", "GET /v2/personas HTTP/1.1", "POST /v2/personas HTTP/1.1", "GET /healthz HTTP/1.1"] {
                        try await exchange(path, line).expect(404, .notFound, "Not found")
                    }
                }
            }
        }
    }

    @Test("An item is created with images of the largest size, through the socket, and images that are refused are refused by their places")
    func createItem() async throws {
        try await TestService.run { service in
            try await serve(service) { path in
                func create(_ name: String, _ images: [[UInt8]]) -> CreateItem {
                    CreateItem(
                        accountName: " studio", mode: .style, name: name, specialInstructions: "Warm",
                        imageBase64s: images.map(Picture.base64))
                }
                let report = try await reply(path, to: create("  Ink  wash ", Picture.largest))
                #expect(report.account == "studio" && report.mode == .style && report.name == "Ink wash" && report.status == .processing)
                #expect(report.specialInstructions == "Warm")
                try await compare(path, service, ShowItem(id: report.id.text))
                try await service.train()
                #expect(try await service.send(.get, "/v2/styles/\(report.id)").text.contains(#""status":"completed""#))
                try await service.withoutTrace {
                    let large = Picture.largest[0] + [0]
                    let rows: [([[UInt8]], Failure)] = [
                        ([Picture.png(), large, Picture.png()], .imageTooLarge(ImagePosition(field: .imageBase64s, index: 1))),
                        (
                            [Picture.png(), Picture.png(), Picture.png().dropLast()],
                            .invalidImage(ImagePosition(field: .imageBase64s, index: 2), reason: "is truncated")
                        ),
                        (Picture.three(), .nameTaken(.style, report.id)),
                    ]
                    for (images, failure) in rows {
                        let name = failure == .nameTaken(.style, report.id) ? "INK WASH" : "Other"
                        let answer = try await send(path, create(name, images))
                        let message = try JSONDecoder().decode(AdministrationMessage<Nothing>.self, from: Data(answer.bytes))
                        #expect(message.failure == failure)
                    }
                }
            }
        }
    }

    @Test(
        "A command that stops in the middle of its images keeps those with images waiting for a while, and no others",
        .timeLimit(.minutes(1)))
    func stalledImages() async throws {
        try await TestService.run { service in
            try await serve(service, bodySecondsMax: 1) { path async throws in
                let isStalled = WakeSignal()
                async let stalled = rawExchange(.path(path), until: { $0.contains("took longer") }) { writer in
                    let head = "POST \(AdministrationService.path) HTTP/1.1\r\n\(AdministrationService.operationHeader): CreateItem\r\n"
                    try await writer.write(head + "Host: localhost\r\nContent-Length: 1000000\r\n\r\n{")
                    isStalled.notify()
                }
                await isStalled.wait(after: 0, atMost: .seconds(30))
                let images = [Picture.png(byteCount: 100_000), Picture.png(), Picture.png()].map(Picture.base64)
                async let created = reply(
                    path,
                    to: CreateItem(accountName: "studio", mode: .persona, name: "Ann", specialInstructions: nil, imageBase64s: images))
                let account = try await reply(path, to: ShowAccount(name: "studio"))
                #expect(account.name == "studio")
                let refusal = try await stalled
                #expect(refusal.statuses == [400])
                let item = try await created
                #expect(item.name == "Ann")
            }
        }
    }

    @Test("Lists are answered a page at a time, whose end is told by a page that is not full")
    func pages() async throws {
        try await TestService.run { service in
            for name in ["b", "a", "c"] { _ = try await service.administration.perform(CreateAccount(name: name)) }
            for name in ["a", "b", "c", "a"] { _ = try await service.administration.issueKey(account: name, scopes: [.read]) }
            func pages<Operation: PagedOperation>(_ first: Operation) async throws -> [[Operation.Row]] {
                var pages: [[Operation.Row]] = []
                try await service.administration.walk(first) { page in
                    pages.append(page)
                    return true
                }
                return pages
            }
            #expect(try await pages(ListAccounts(limit: 3)).map { $0.map(\.name) } == [["a", "b", "c"], ["studio"]])
            #expect(try await pages(ListAccounts(limit: 2)).map { $0.map(\.name) } == [["a", "b"], ["c", "studio"], []])
            let keys = try await service.administration.perform(ListKeys(accountName: nil))
            #expect(keys.map(\.account).sorted { $0 ?? "" < $1 ?? "" } == ["a", "a", "b", "c", "studio"])
            #expect(try await pages(ListKeys(accountName: nil, limit: 2)) == [Array(keys[0..<2]), Array(keys[2..<4]), [keys[4]]])
            let own = keys.filter { $0.account == "a" }
            #expect(try await pages(ListKeys(accountName: " a", limit: 1)) == own.map { [$0] } + [[]])
            await #expect(throws: Failure.notFound) { try await pages(ListKeys(accountName: "nobody")) }
            var seen = 0
            try await service.administration.walk(ListAccounts(limit: 1)) { page in
                seen += page.count
                return seen < 2
            }
            #expect(seen == 2)
        }
    }

    @Test("What is made is dated by the clock that was handed in")
    func clock() async throws {
        try await TestService.run { service in
            let moment = Timestamp(milliseconds: 1_000_000_000_000)
            let administration = Administration(
                stores: service.storage, catalog: service.catalog, collector: service.collector, archives: service.archives,
                signals: WorkSignals(), presence: ServerPresence(), clock: WallClock { moment })
            #expect(try await administration.perform(CreateAccount(name: "old")).createdAt == moment.text)
            let issued = try await administration.issueKey(PrepareKey(accountName: "old", label: nil, scopes: [.read]))
            #expect(try await administration.perform(SetKeyState(.disabled, id: issued.id.text)).createdAt == moment.text)
        }
    }

    @Test("A list's limit is held within bounds once, so that the largest page that is given is known for a full one")
    func limits() async throws {
        try await TestService.run { service in
            let account = try await service.administration.perform(ShowAccount(name: "studio"))
            let page = Array(repeating: account, count: Limits.administrationRowsMax)
            #expect(ListAccounts(limit: Limits.administrationRowsMax + 1).next(after: page) != nil)
            #expect(ListAccounts(limit: Limits.administrationRowsMax + 1).next(after: Array(page.dropLast())) == nil)
            _ = try await service.key(scopes: [.read])
            let keys = try await service.administration.perform(ListKeys(accountName: nil, limit: 0))
            #expect(keys.count == 1)
            #expect(ListKeys(accountName: nil, limit: 0).next(after: keys) != nil)
            let keyPage = Array(repeating: keys[0], count: Limits.administrationRowsMax)
            #expect(ListKeys(accountName: nil, limit: .max).next(after: keyPage) != nil)
        }
    }

    @Test("A store without backups of its own says so")
    func backupsElsewhere() async throws {
        try await TestService.run { service in
            var stores = OtherStores(service.storage)
            stores.backups = nil
            let administration = Administration(
                stores: stores, catalog: service.catalog, collector: service.collector, archives: service.archives,
                signals: WorkSignals(), presence: ServerPresence(), clock: .system)
            await #expect(throws: Failure.backupsElsewhere) {
                try await administration.perform(BackUp(directory: service.directory + "/backup"))
            }
            let stored = try await administration.perform(ShowStatus()).stored
            #expect(stored != nil && stored?.lastBackup == nil)
        }
    }

    @Test("A key is shown with its account's name when its state changes, and without when the account is gone")
    func keyState() async throws {
        try await TestService.run { service in
            let issued = try await service.key(scopes: [.read])
            let disabled = try await service.administration.perform(SetKeyState(.disabled, id: issued.id.text))
            #expect(disabled.account == "studio" && disabled.state == .disabled)
            _ = try await service.administration.perform(DeleteAccount(name: "studio"))
            #expect(try await service.administration.perform(SetKeyState(.active, id: issued.id.text)).account == nil)
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
                #expect(try await send(path, ListAccounts()).status == 200)
            }
        }
    }

    @Test(
        "leaves what it did not bind: another process's socket that is answered, and what is no socket", .timeLimit(.minutes(1)),
        arguments: [true, false])
    func notOurs(isSocket: Bool) async throws {
        try await TestService.run { service in
            let path = service.directory + "/admin.sock"
            let listener = isSocket ? try Socket.bind(.path(path), waitingMax: 8).descriptor : -1
            defer { if isSocket { close(listener) } }
            if !isSocket { try Data([1]).write(to: URL(fileURLWithPath: path)) }
            let socket = AdministrationService(
                socketPath: path, administration: service.administration, registry: Self.registry,
                decoding: service.useCases.decoding, logger: service.log.logger)
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

/// A reply that is not looked at.
private struct Nothing: Codable, Sendable {}
