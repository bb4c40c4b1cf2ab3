import CoreMetrics
import Crypto
import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import NIOCore
import Personas
import PersonasDB
import PersonasHTTP
import PersonasMetrics
import TestSupport
import Testing

@testable import PersonasCLI

/// A whole service, put together as the executable does, in a temporary folder, with nothing replaced but the internet.
///
/// No trainer works here: tests lease, complete and fail jobs step by step, so that every status holds as long as it is looked at.
struct TestService: Sendable {
    /// What links begin with.
    static let baseURL = "https://api.example.com"

    /// How requests reach the service.
    enum Transport {
        /// Straight into the router.
        case router
        /// Through a socket.
        case live
    }

    /// Which key a request carries.
    enum Key {
        /// That of the account which every service starts with.
        case own
        case none
        case text(String)
    }

    let directory: String
    /// What it has stored, behind its back.
    let data: StoredData
    let fetcher: TestFetcher
    let log: LogRecorder
    let accessLog: AccessLogRecorder
    private let app: Application
    let registry: MetricsRegistry
    /// The key of the account `studio`, with scopes `read` and `write`.
    let key: String
    let client: any TestClientProtocol
    /// The other way to answers, to which every read goes as well.
    let shadow: ShadowReads
    /// Every method of every path that is answered.
    let routes: [(method: String, path: String)]

    var storage: any Stores { app.storage }
    var webhooks: Webhooks { app.webhooks }
    /// What asks for top-ups; it runs when a test says so.
    var topUpEngine: TopUpEngine? { app.topUpEngine(logger: log.logger) }
    /// Where creates wait for top-ups.
    var topUpWaits: TopUpWaits? { app.toppingUp?.waits }
    var catalog: Catalog { app.catalog }
    /// What takes away the bytes of images that no row names; it runs when a test says so.
    var collector: BlobCollector { app.collector }
    var training: Training { app.training }
    /// What trains at fal, where a test has one; it runs when a test says so.
    var fal: FalParts? { app.fal }
    var archives: Archives { app.archives }
    var administration: Administration { app.administration }
    var useCases: HTTPUseCases { app.useCases }

    /// The tag of an item that has changed as often as to have a version.
    func tag(_ version: Int, base: String = Self.baseURL) -> String {
        var hash = SHA256()
        hash.update(data: storage.epoch.epoch.bytes)
        hash.update(data: Array("1\n\(base)".utf8))
        return "\"v\(version)-\(hexadecimal(Array(hash.finalize().prefix(4))))\""
    }

    /// Starts a service, hands it to a test and takes everything away again.
    /// - Parameter flags: further settings, by their names.
    static func run(
        _ transport: Transport = .router, configuration: HTTPConfiguration = HTTPConfiguration(), policy: LeasePolicy = LeasePolicy(),
        fetcher: TestFetcher = TestFetcher(), decodingPlaces: Int = 2, decodingThreads: (any TaskExecutor)? = nil,
        receiver: TestReceiver = TestReceiver(), fal: TestFalAccess? = nil, clock: WallClock = .system, baseURL: String? = Self.baseURL,
        settings flags: [String: String] = [:], payments: (any PaymentService)? = nil,
        _ test: @Sendable (TestService) async throws -> Void
    ) async throws {
        let directory = try TemporaryFolder.make("http-tests", inMemory: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var all = ["data": directory, "readers": "2", "large-bodies-max": "\(decodingPlaces)"].merging(flags) { $1 }
        if fal != nil { all.merge(try TestFalAccess.flags(in: directory)) { $1 } }
        let settings = try Settings(flags: all, configurationFile: nil, environment: [:])
        let access = try fal.map { FalAccess(settings: try FalSettings(settings), queue: $0, verifier: $0) }
        try await TestPlace.lend(directory) { place, data in
            let app = try Application(
                settings, place: place, leases: policy, decodingThreads: decodingThreads, clock: clock, sender: receiver,
                payments: payments, fal: access
            ) { _ in fetcher }
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(
                    try await run(
                        app, in: directory, data, transport, configuration, fetcher: fetcher, publicURL: PublicURL(baseURL), test))
            } catch {
                outcome = .failure(error)
            }
            await app.close()
            try outcome.get()
        }
    }

    private static func run(
        _ opened: Application, in directory: String, _ data: StoredData, _ transport: Transport, _ configuration: HTTPConfiguration,
        fetcher: TestFetcher,
        publicURL: PublicURL, _ test: @Sendable (TestService) async throws -> Void
    ) async throws {
        _ = try await opened.storage.migrate()
        try await join(opened)
        var whole = opened
        let registry = try #require(opened.metrics?.registry)
        // Tests look at once at what they did.
        whole.metrics = MetricsSource(
            registry: registry, storage: opened.storage, queueDepthsAgeMax: .zero, usageAgeMax: .zero, textAgeMax: .zero)
        let app = whole
        let (log, accessLog) = (LogRecorder(level: .trace), AccessLogRecorder())
        let http = app.http(configuration, publicURL: publicURL, logger: log.logger, accessLog: accessLog)
        let shadow = ShadowReads(of: app, configuration, publicURL)
        let key = try await app.administration.newKey(account: "studio")
        let routes = http.answeredRoutes
        @Sendable func run(_ client: some TestClientProtocol) async throws {
            try await test(
                TestService(
                    directory: directory, data: data, fetcher: fetcher, log: log, accessLog: accessLog, app: app, registry: registry,
                    key: key,
                    client: client, shadow: shadow, routes: routes))
        }
        switch transport {
        case .router: try await http.application().test(.router) { try await run($0) }
        case .live: try await http.application().test(.live) { try await run($0) }
        }
    }

    /// Has the service be one of those that share a database, as every server is: what such ones know is good as long as they hear of changes.
    private static func join(_ app: Application) async throws {
        let companions = app.storage.companions
        companions.begin(version: "test", signals: app.signals, topUpWaits: app.toppingUp?.waits)
        if companions.isShared { try await eventually("its pulse beats") { app.storage.schema.isReadyNow() == true } }
    }

    /// Sends one request; whatever comes back is held to the rules of every answer. See `Answer.check`.
    @discardableResult
    func send(
        _ method: HTTPRequest.Method, _ target: String, _ body: TestBody? = nil, key: Key = .own, headers: HTTPFields = [:],
        isFailureExpected: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        var fields = headers
        switch key {
        case .own: fields[.apiKey] = self.key
        case .none: break
        case .text(let text): fields[.apiKey] = text
        }
        if body != nil, fields[.contentType] == nil { fields[.contentType] = "application/json" }
        let request = (fields: fields, body: body.map { ByteBuffer(bytes: $0.bytes) })
        func ask() async throws -> Answer {
            let response = try await client.executeRequest(uri: target, method: method, headers: request.fields, body: request.body)
            return Answer(status: response.status.code, headers: response.headers, bytes: [UInt8](buffer: response.body))
        }
        let answer = try await ask()
        answer.check(method, isFailureExpected: isFailureExpected, sourceLocation: sourceLocation)
        if body == nil { try await shadow.expect(answer, to: method, target, fields, sourceLocation, again: ask) }
        return answer
    }

    /// Another account with a key.
    func newKey(account: String, scopes: Set<Scope> = [.read, .write]) async throws -> Key {
        .text(try await administration.newKey(account: account, scopes: scopes))
    }

    /// Another key of the account that every service starts with.
    func key(scopes: Set<Scope>) async throws -> IssuedKey {
        try await administration.issueKey(account: "studio", scopes: scopes)
    }

    /// Creates an item over HTTP, which stays in processing. Those that are created one after another have different times, because items of
    /// the same millisecond, of which an optimised build makes several, have no order that a test could expect.
    @discardableResult
    func create(_ mode: Mode = .persona, _ name: String, key: Key = .own) async throws -> String {
        let start = Timestamp.now
        while Timestamp.now == start { await Task.yield() }
        let answer = try await send(.post, "/v2/pikzonality/\(mode.rawValue)", TestBody.create(name), key: key)
        return try #require(answer.text.firstMatch(of: Answer.uuid).map { String($0.0) }, "\(answer.text)")
    }

    /// Creates an item and completes its training.
    func createCompleted(_ mode: Mode = .persona, _ name: String, key: Key = .own) async throws -> String {
        let id = try await create(mode, name, key: key)
        try await train()
        return id
    }

    /// Completes every waiting job.
    func train() async throws {
        for job in try await training.lease(limit: 1_000, waiting: .zero) {
            try await training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
        }
    }

    /// Fails every waiting job.
    func failTraining(_ error: TrainingError) async throws {
        for job in try await training.lease(limit: 1_000, waiting: .zero) {
            try await training.fail(job.id, token: job.leaseToken, error: error, retryable: false)
        }
    }

    /// What a call may have left behind.
    struct Footprint: Equatable {
        let items: [ItemReport]
        let files: [String]
        let fetched: [String]
    }

    /// Everything that the service holds at this moment.
    func footprint() async throws -> Footprint {
        let items = try await administration.perform(ListItems(limit: 10_000)).rows
        return Footprint(items: items, files: try await mediaFiles(), fetched: fetcher.fetched)
    }

    /// Runs calls which must leave no trace: no row changed, no file stored, nothing fetched.
    func withoutTrace(sourceLocation: SourceLocation = #_sourceLocation, _ calls: () async throws -> Void) async throws {
        let before = try await footprint()
        try await calls()
        #expect(try await footprint() == before, sourceLocation: sourceLocation)
    }

    /// The names of all stored image files.
    func mediaFiles() async throws -> [String] { try await data.mediaFiles() }

    /// Takes the bytes of images away that no row names, where some are held for a while as after that.
    func collect() async throws -> Int {
        try data.endHolds()
        return try await collector.collect()
    }
}

extension Administration {
    /// Creates an account and gives it a key.
    func newKey(account: String, scopes: Set<Scope> = [.read, .write]) async throws -> String {
        _ = try await perform(CreateAccount(name: account))
        return try await issueKey(account: account, scopes: scopes).key
    }

    /// Gives an account a key.
    func issueKey(account: String, scopes: Set<Scope>) async throws -> IssuedKey {
        try await issueKey(PrepareKey(accountName: account, label: nil, scopes: scopes))
    }

    /// Makes up a key and stores it.
    func issueKey(_ preparation: PrepareKey) async throws -> IssuedKey {
        let issued = try await perform(preparation)
        _ = try await perform(CreateKey(issued))
        return issued
    }

    /// Gives a key another secret.
    func rotateKey(_ preparation: PrepareRotation) async throws -> IssuedKey {
        let rotation = try await perform(preparation)
        _ = try await perform(RotateKey(rotation))
        return rotation.issued
    }
}

extension HTTPField.Name {
    static let apiKey = HTTPField.Name("X-Api-Key")!
    static let requestID = HTTPField.Name("X-Request-Id")!
    static let link = HTTPField.Name("Link")!
    static let traceParent = HTTPField.Name("traceparent")!
}
