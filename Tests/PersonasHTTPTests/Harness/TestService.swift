import CoreMetrics
import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import Personas
import PersonasDB
import PersonasHTTP
import PersonasMetrics
import Testing

/// A whole service: real use cases over a real store in a temporary folder, with nothing replaced but the internet.
///
/// Nothing is trained by itself: tests lease, complete and fail jobs step by step, so that every status holds as long as it is looked at.
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
    let storage: Storage
    let fetcher: TestFetcher
    let log: LogRecorder
    /// What takes away the bytes of images that no row names; it runs when a test says so.
    let collector: BlobCollector
    let catalog: Catalog
    let training: Training
    let administration: Administration
    let useCases: HTTPUseCases
    let registry: MetricsRegistry
    /// The key of the account `studio`, with scopes `read` and `write`.
    let key: String
    let client: any TestClientProtocol

    /// Starts a service, hands it to a test and takes everything away again.
    static func run(
        _ transport: Transport = .router, configuration: HTTPConfiguration = HTTPConfiguration(), policy: LeasePolicy = LeasePolicy(),
        fetcher: TestFetcher = TestFetcher(), decodingPlaces: Int = 2, decodingThreads: (any TaskExecutor)? = nil,
        baseURL: String? = Self.baseURL, _ test: @Sendable (TestService) async throws -> Void
    ) async throws {
        // In memory where there is such a folder, because a new store waits for the disk some hundred times.
        let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
        let directory = parent + "personas-http-tests-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let registry = MetricsRegistry()
        let storage = try Storage.open(Storage.Configuration(directory: directory, readers: 2, mediaThreads: 3, metrics: registry))
        defer { storage.close() }
        _ = try await storage.migrate()
        let signals = WorkSignals()
        let log = LogRecorder()
        let decoding =
            decodingThreads.map { BodyDecoding(places: decodingPlaces, threads: $0) { _ in } }
            ?? BodyDecoding(places: decodingPlaces, metrics: registry)
        let images = ImageLibrary(index: storage.images, blobs: storage.blobs, signals: signals)
        let catalog = Catalog(
            store: storage.pikzonalities, images: images, fetcher: fetcher, decoding: decoding,
            policy: ContentPolicy(terms: storage.terms), signals: signals, clock: .system, keepsImageMetadata: false)
        let training = Training(
            jobs: storage.jobs, images: images, decoding: decoding, signals: signals, policy: policy, clock: .system,
            keepsImageMetadata: false)
        let administration = Administration(stores: storage, catalog: catalog, signals: signals, clock: .system)
        let useCases = HTTPUseCases(
            catalog: catalog, training: training, authentication: Authentication(keys: storage.keys),
            idempotency: Idempotency(records: storage.idempotency, clock: .system), decoding: decoding, maintenance: storage.maintenance,
            schema: storage.schema
        )
        let http = HTTPService(
            configuration: configuration, useCases: useCases, publicURL: PublicURL(baseURL), logger: log.logger,
            metrics: MetricsSource(registry: registry, queueDepths: storage.queueDepths, queueDepthsAgeMax: .zero, textAgeMax: .zero))
        let key = try await administration.newKey(account: "studio")
        @Sendable func run(_ client: some TestClientProtocol) async throws {
            try await test(
                TestService(
                    directory: directory, storage: storage, fetcher: fetcher, log: log,
                    collector: BlobCollector(index: storage.images, blobs: storage.blobs, clock: .system), catalog: catalog,
                    training: training,
                    administration: administration, useCases: useCases, registry: registry, key: key, client: client))
        }
        switch transport {
        case .router: try await http.application().test(.router) { try await run($0) }
        case .live: try await http.application().test(.live) { try await run($0) }
        }
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
        let buffer = body.map { ByteBuffer(bytes: $0.bytes) }
        let response = try await client.executeRequest(uri: target, method: method, headers: fields, body: buffer)
        let answer = Answer(status: response.status.code, headers: response.headers, bytes: [UInt8](buffer: response.body))
        answer.check(method, isFailureExpected: isFailureExpected, sourceLocation: sourceLocation)
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
        let items = try await administration.perform(ListItems(limit: 10_000))
        return Footprint(items: items, files: mediaFiles(), fetched: fetcher.fetched)
    }

    /// Runs calls which must leave no trace: no row changed, no file stored, nothing fetched.
    func withoutTrace(sourceLocation: SourceLocation = #_sourceLocation, _ calls: () async throws -> Void) async throws {
        let before = try await footprint()
        try await calls()
        #expect(try await footprint() == before, sourceLocation: sourceLocation)
    }

    /// Takes a stored image file away behind the service's back.
    func removeMediaFile(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(directory)/media/\(name)") }

    /// The names of all stored image files.
    func mediaFiles() -> [String] {
        let media = directory + "/media"
        return (FileManager.default.subpaths(atPath: media) ?? []).filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(media)/\(name)", isDirectory: &isFolder) && !isFolder.boolValue
        }.sorted()
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
        try await perform(CreateKey(accountName: account, label: nil, scopes: scopes))
    }
}

/// The body of a request.
struct TestBody: Sendable, ExpressibleByStringInterpolation {
    let bytes: [UInt8]

    init(stringLiteral text: String) { bytes = Array(text.utf8) }

    init(_ text: String) { bytes = Array(text.utf8) }

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// A create with three small images as bare base64.
    static func create(_ name: String) -> TestBody { TestBody(#"{"name":"\#(name)","image_base64s":\#(TestImage.base64List)}"#) }
}

extension HTTPField.Name {
    static let apiKey = HTTPField.Name("X-Api-Key")!
    static let requestID = HTTPField.Name("X-Request-Id")!
    static let link = HTTPField.Name("Link")!
    static let traceParent = HTTPField.Name("traceparent")!
}

/// How many times slower than usual the tested build is; .ci/sanitize sets it.
let patienceFactor = ProcessInfo.processInfo.environment["PERSONAS_TEST_PATIENCE_FACTOR"].flatMap(Int.init) ?? 1

/// Waits until something holds, and fails the test if it does not come to hold in time.
func eventually(
    _ what: Comment, within limit: Duration = Duration.seconds(10) * patienceFactor, sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what, sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}
