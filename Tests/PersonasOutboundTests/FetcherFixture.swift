import CoreMetrics
import Foundation
import Logging
import NIOCore
import Personas
import Synchronization
import Testing

@testable import PersonasOutbound

/// Answers lookups from a closure and remembers them.
final class StubResolver: HostResolver {
    private let names = Mutex<[String]>([])
    private let answer: @Sendable (_ name: String, _ count: Int) async throws -> [IPAddress]

    /// - Parameter answer: gets the name and how often it was asked for before.
    init(_ answer: @escaping @Sendable (_ name: String, _ count: Int) async throws -> [IPAddress]) {
        self.answer = answer
    }

    /// The names that were looked up, in order.
    var lookups: [String] { names.withLock { $0 } }

    func addresses(of name: String) async throws -> [IPAddress] {
        let count = names.withLock { names in
            defer { names.append(name) }
            return names.count { $0 == name }
        }
        return try await answer(name, count)
    }

    /// Names below `example.test` are at 127.0.0.1, all others at 127.0.0.2.
    static func ordinary() -> StubResolver {
        StubResolver { name, _ in [name.hasSuffix(".example.test") ? .allowed : .forbidden] }
    }
}

extension IPAddress {
    /// The address that stands for the public network in these tests.
    static let allowed = IPAddress(v4: 0x7f00_0001)
    /// An address of the inside network: 127.0.0.2.
    static let forbidden = IPAddress(v4: 0x7f00_0002)
}

enum FetcherFixture {
    /// The account for which images are fetched where a test names no other.
    static let account = Identifier.random()

    /// The file of the tests' certificate authority.
    static let authorityFile: String = {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("personas-outbound-tests-authority.pem")
        try? TestCertificates.authority.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }()

    /// A strict fetcher, but for the port of a test server and the one address that stands for the public network.
    static func fetcher(
        ports: Set<Int>, resolver: any HostResolver = StubResolver.ordinary(), exempt: [AddressPrefix] = [.single(.allowed)],
        metrics: any MetricsFactory = NOOPMetricsHandler.instance,
        _ configure: (inout GuardedImageFetcher.Configuration) -> Void = { _ in }
    ) throws -> GuardedImageFetcher {
        var configuration = GuardedImageFetcher.Configuration()
        configuration.trustRootsFile = authorityFile
        configure(&configuration)
        return GuardedImageFetcher(
            configuration: configuration,
            rules: DownloadURL.Rules(acceptsPlainHTTP: false, acceptsLocalHosts: false, ports: ports.union([443])),
            policy: AddressPolicy(exempt: exempt),
            resolver: resolver,
            trust: try OutboundTrust(file: configuration.trustRootsFile),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            metrics: metrics
        )
    }

    /// Fetches with a deadline, as a result.
    static func result(
        of fetcher: GuardedImageFetcher, _ url: String, within time: Duration = .seconds(10),
        holding memory: MemoryReservation = .unlimited(for: account)
    ) async -> Result<[UInt8], ImageFetchProblem> {
        do {
            return .success(try await fetcher.fetch(url, holding: memory, before: .now + time))
        } catch {
            return .failure(error)
        }
    }
}

extension Result where Success == [UInt8], Failure == ImageFetchProblem {
    static func unavailable(_ reason: String) -> Self { .failure(.unavailable(reason: reason)) }
    static let ownShareUsedUp = Self.failure(.refused(.tooManyRequests(.downloads, retryAfterSeconds: 1)))
    static let allUsedUp = Self.failure(.refused(.usedUp(.downloads, retryAfterSeconds: 1)))
    static func image(_ text: String) -> Self { .success(Array(text.utf8)) }
}
