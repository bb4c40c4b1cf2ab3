import CoreMetrics
import Crypto
import Personas
import TestSupport
import Testing

@testable import PersonasS3

/// The objects of a service under test, as its store of objects has them.
final class TestBucket: Sendable {
    private let client: S3Client

    init(_ location: S3Location, _ credentials: S3Credentials) {
        client = S3Client(
            location: location, credentials: credentials, client: nil, bounds: S3Bounds(), clock: .system,
            metrics: S3Metrics(factory: NOOPMetricsHandler.instance))
    }

    /// Ends its connections. No call may follow.
    func close() async { await client.close() }

    /// The names of all objects, `<digest>/<object>`, in their order.
    func names() async throws -> [String] {
        var (names, token): ([String], String?) = ([], nil)
        repeat {
            let document = try await done(.list(prefix: client.location.prefix, count: 1_000, after: token))
            let page = try #require(ListingPage(document, in: client.location))
            names += page.blobs.map { "\(hexadecimal($0.key.digest))/\($0.key.object?.text ?? "")" }
            token = page.nextToken
        } while token != nil
        return names.sorted()
    }

    /// The bytes of an object.
    func bytes(of name: String) async throws -> [UInt8] { try await done(.get(path(name), nil)) }

    /// Removes an object.
    func remove(_ name: String) async throws { _ = try await done(.delete(path(name))) }

    /// Puts other bytes in the place of an object's, as no service does.
    func replace(_ name: String, with bytes: [UInt8]) async throws {
        try await remove(name)
        _ = try await done(.put(bytes, digest: Array(SHA256.hash(data: bytes)), name: path(name), encryption: nil))
    }

    private func path(_ name: String) -> String { "\(client.location.prefix)\(name.prefix(2))/\(name)" }

    private func done(_ request: S3Request) async throws -> [UInt8] {
        switch try await client.answer(to: request, bytesMax: Limits.imageBytesMax) {
        case .done(let bytes): return bytes
        case .refused(let refusal): throw MeasurementFailed(refusal.text)
        }
    }
}
