import AsyncHTTPClient
import CoreMetrics
import Crypto
import NIOCore
import NIOHTTP1
import Personas
import TestObjectStore
import TestSupport
import Testing

@testable import PersonasS3

/// Stores as the tests need them.
enum StoreFixture {
    /// Bounds that no test has to wait for.
    static let shortBounds = {
        var bounds = S3Bounds()
        bounds.pauseMilliseconds = 1
        return bounds
    }()

    /// Pseudorandom bytes.
    static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 7)
        while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes += $0 } }
        return Array(bytes[..<count])
    }

    /// The key of bytes, with an object of its own.
    static func key(of bytes: [UInt8]) -> BlobKey { BlobKey(digest: Array(SHA256.hash(data: bytes)), object: .random()) }

    /// A store at a server of which nothing is known.
    static func withStore<Value>(
        at server: FaultyStore, bounds: S3Bounds = shortBounds, query: String = "", clock: WallClock = .system,
        factory: any MetricsFactory = NOOPMetricsHandler.instance, _ body: (S3ObjectStore) async throws -> Value
    ) async throws -> Value {
        try await withStore(
            at: "s3://bucket/p?endpoint=http://127.0.0.1:\(server.port)\(query)",
            credentials: ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret-words"], bounds: bounds, clock: clock,
            factory: factory, body)
    }

    /// A store at an address, which is closed at the end.
    static func withStore<Value>(
        at location: String, credentials: [String: String], client: HTTPClient? = nil, bounds: S3Bounds = shortBounds,
        clock: WallClock = .system, factory: any MetricsFactory = NOOPMetricsHandler.instance, _ body: (S3ObjectStore) async throws -> Value
    ) async throws -> Value {
        let store = S3ObjectStore(
            location: try S3Location(location), credentials: try S3Credentials(environment: credentials), client: client, bounds: bounds,
            clock: clock, factory: factory)
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(store))
        } catch {
            result = .failure(error)
        }
        await store.close()
        return try result.get()
    }

    /// A new bucket in the real store. Returns its address.
    static func bucket(query: String = "") async throws -> String {
        let server = try await ObjectStoreServer.running()
        let text = "s3://b\(Identifier.random().text)/some/images?endpoint=http://127.0.0.1:\(server.port)\(query)"
        let location = try S3Location(text)
        let status = try await send("PUT", location.path(), to: location)
        try #require(status == 200)
        return text
    }

    /// Writes an object of any name into a bucket of the real store.
    static func plant(_ bytes: [UInt8], _ name: String, in bucket: String) async throws {
        let location = try S3Location(bucket)
        let status = try await send("PUT", location.path(name), bytes, to: location)
        try #require(status == 200)
    }

    private static func send(_ method: String, _ path: String, _ body: [UInt8] = [], to location: S3Location) async throws -> UInt {
        let (date, digest) = (Signature.text(of: .now), hexadecimal(Array(SHA256.hash(data: body))))
        let headers: [(name: String, value: String)] = [("host", location.host), ("x-amz-content-sha256", digest), ("x-amz-date", date)]
        let subject = Signature.Subject(method: method, path: path, query: [], headers: headers, payloadDigest: digest)
        let signature = Signature(
            of: subject, by: try S3Credentials(environment: ObjectStoreServer.owner), region: location.region, at: date)
        var request = HTTPClientRequest(url: location.origin + path)
        request.method = HTTPMethod(rawValue: method)
        request.headers = HTTPHeaders(headers.map { ($0.name, $0.value) })
        request.headers.add(name: "authorization", value: signature.authorization)
        request.body = .bytes(ByteBuffer(bytes: body))
        return try await HTTPClient.shared.execute(request, timeout: .seconds(30)).status.code
    }
}

extension BlobStore {
    /// All bytes of a range that a blob is said to have.
    func bytes(_ range: Range<Int>, of key: BlobKey) async throws -> [UInt8] { try await open(key).bytes(range) }
}

extension Blob {
    /// All bytes of a range, which come in chunks as they should.
    func bytes(_ range: Range<Int>) async throws -> [UInt8] {
        var chunks: [[UInt8]] = []
        let count = try await send(range) { chunks.append($0) }
        let bytes = chunks.flatMap(\.self)
        #expect(count == bytes.count)
        #expect(chunks.dropLast().allSatisfy { $0.count == Limits.blobChunkBytesMax })
        #expect(chunks.allSatisfy { 1...Limits.blobChunkBytesMax ~= $0.count })
        return bytes
    }
}

/// Whether an error is a failure of a kind whose text holds some words.
func isFailure(_ error: any Error, _ kind: (Failure) -> String?, holding words: String...) -> Bool {
    guard let failure = error as? Failure, let text = kind(failure) else { return false }
    return words.allSatisfy(text.contains)
}

/// The text of `unexpected`.
func unexpected(_ failure: Failure) -> String? { if case .unexpected(let text) = failure { text } else { nil } }

/// The text of `storeBusy`.
func storeBusy(_ failure: Failure) -> String? { if case .storeBusy(let text) = failure { text } else { nil } }

/// The text of `mediaNotRemoved`.
func mediaNotRemoved(_ failure: Failure) -> String? { if case .mediaNotRemoved(let text) = failure { text } else { nil } }
