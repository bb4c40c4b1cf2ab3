import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// What replicas do whose bucket is away, refuses, or answers nonsense: they say so, go on with all that needs no image, and store again when it does.
@Suite("Faults of the bucket", .timeLimit(.minutes(20)))
struct BucketFaultTests {
    /// What stands in the place of the bucket's answers.
    private enum Fault: String, CaseIterable {
        case wrong, dripping, away, refusing

        /// Whether a request that was not done is not said to be done.
        var saysSo: Bool { self == .away || self == .refusing }

        var ruling: Gateway.Ruling {
            switch self {
            case .away: .cut
            case .refusing: .answer(503, Array("<Error><Code>SlowDown</Code><Message>Later</Message></Error>".utf8))
            case .wrong: .half("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"0\"\r\n\r\nWrong")
            case .dripping:
                .parts(
                    AsyncStream { continuation in
                        let task = Task {
                            continuation.yield("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nETag: \"0\"\r\n\r\n")
                            while !Task.isCancelled {
                                try? await Task.sleep(for: .milliseconds(200))
                                continuation.yield("x")
                            }
                        }
                        continuation.onTermination = { _ in task.cancel() }
                    })
            }
        }
    }

    @Test("The bucket is away, refuses, sends wrong bytes, drips: creates are refused and may be sent again, and all else goes on")
    func faults() async throws {
        let fault = Shared<Fault?>(nil)
        let socket = try Socket.bind(.port(0))
        close(socket.descriptor)
        try await Gateway.run(to: socket.port, rule: { _, _ in fault.value?.ruling ?? .pass }) { gateway in
            try await RunningCluster.run("--store-port", "\(socket.port)", "--store-proxy", "\(gateway.port)") { cluster in
                let client = cluster.client
                let kept = try await client.create(name: "Kept", seed: 5).id
                _ = try await client.trained(kept)
                let item = try await client.get("/v2/personas/\(kept)").json
                for next in Fault.allCases {
                    fault.withLock { $0 = next }
                    // Whatever comes of it, it is not taken for the image.
                    let image = try? await client.get(Ledger.path(of: try #require(item["portrait_url"]?.string)))
                    #expect(image.map { [500, 503].contains($0.status) } ?? true, "\(next): \(String(describing: image?.status))")
                    #expect(try await client.get("/v2/personas/\(kept)").json == item, "\(next)")
                    #expect(try await client.get("/readyz").status == 200, "\(next)")
                    // A store that says that it has stored what it has not is believed.
                    if next.saysSo { try await Self.create(client, "Item \(next)") { fault.withLock { $0 = nil } } }
                }
                fault.withLock { $0 = nil }
                let whole = try await client.get(Ledger.path(of: try #require(item["portrait_url"]?.string)))
                #expect(whole.body == Picture.three(seed: 5)[0])
            }
        }
    }

    /// Creates an item while the bucket fails, and again when it does not.
    private static func create(_ client: Client, _ name: String, mending: () -> Void) async throws {
        let key = [(name: "Idempotency-Key", value: UUID().uuidString)]
        let body: JSONValue = ["name": .string(name), "image_base64s": Picture.threeBase64(seed: name.count)]
        let refused = try await client.send(.POST, "/v2/personas", json: body, headers: key)
        #expect([500, 503].contains(refused.status), "\(name): \(refused.status) \(refused.text)")
        mending()
        let again = try await client.send(.POST, "/v2/personas", json: body, headers: key)
        #expect(again.status == 201, "\(name): \(again.text)")
        #expect(try await client.trained(try again.id)["status"] == "completed")
    }
}
