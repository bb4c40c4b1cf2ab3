import Foundation
import NIOCore
import NIOPosix
import TestFal
import TestImages
import TestSupport
import Testing

/// A service that trains at a fal of the tests, at an address that it keeps over restarts.
struct FalStage: Sendable {
    static let key = "fal-id:fal-secret"

    let stage: Stage
    let fal: FakeFal
    /// Where portraits are.
    let portraits: LocalImageServer
    private let port: Int
    private let apiKey: Key

    /// Starts everything but the service.
    /// - Parameters:
    ///   - reply: what fal makes of each request that comes.
    ///   - portrait: what is at an address of a portrait.
    static func run(
        reply: @escaping @Sendable (_ number: Int) -> FakeFal.Reply = { _ in .accept },
        portrait: @escaping @Sendable (_ path: String) -> LocalImageServer.Reply = { _ in .content(Picture.png(seed: 77)) },
        _ body: @escaping @Sendable (FalStage) async throws -> Void
    ) async throws {
        try await FakeFal.run(reply: reply) { fal in
            try await LocalImageServer.run(portrait) { portraits in
                try await Stage.run { stage in
                    try stage.write(
                        Array(#"{"prompt": "{{name}}: {{special_instructions}}", "images": "{{reference_urls}}", "steps": 1.0}"#.utf8),
                        to: "input.json")
                    let probe = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0)
                        .get()
                    let port = try #require(probe.localAddress?.port)
                    try await probe.close()
                    try await body(
                        FalStage(stage: stage, fal: fal, portraits: portraits, port: port, apiKey: try await stage.key()))
                }
            }
        }
    }

    /// The settings of a service that is whole.
    func flags(pollSeconds: Int = 3_600, timeoutSeconds: Int = 3_600) -> [String: String] {
        [
            "trainer": "fal", "fal-model": "acme/portrait", "fal-input": "\(stage.folder)/input.json",
            "fal-portrait-pointer": "/images/0/url", "fal-queue-url": fal.queueURL, "fal-jwks-url": fal.keysURL,
            "fal-poll-seconds": "\(pollSeconds)", "fal-timeout-seconds": "\(timeoutSeconds)", "public-url": "http://127.0.0.1:\(port)",
        ]
    }

    /// Starts the service.
    func serve(pollSeconds: Int = 3_600, timeoutSeconds: Int = 3_600) async throws -> RunningService {
        let flags = flags(pollSeconds: pollSeconds, timeoutSeconds: timeoutSeconds).flatMap { ["--\($0.key)", $0.value] }
        return try await stage.serve(flags + ["--development-downloads"], port: port, environment: ["PERSONAS_FAL_KEY": Self.key])
    }

    /// A client of the service.
    func client(_ service: RunningService) -> Client { service.client(apiKey) }

    /// A result whose portrait is at a path.
    func result(_ path: String = "/portrait.png") -> FakeFal.Standing {
        .completed("{\"images\":[{\"url\":\"\(portraits.url(path))\"}],\"seed\":42}")
    }

    /// Waits until so many requests were taken by fal, and returns the last.
    func request(_ count: Int = 1) async throws -> FakeFal.Request {
        try await eventually("request \(count) at fal") { fal.requests.count >= count ? fal.requests[count - 1] : nil }
    }

    /// Waits until the service has written down that fal has a request.
    func accepted(_ service: RunningService, _ count: Int = 1) async throws {
        try await eventually("the answer to request \(count)", detail: { service.process.standardError }) {
            service.log("sent to fal").count >= count
        }
    }
}
