import Foundation
import Personas
import Synchronization
import TestImages
import TestSupport
import Testing

/// What one account does leaves the others their share.
@Suite("Shares of accounts", .timeLimit(.minutes(10)))
struct SharesEndToEndTests {
    private static let megabyte = 1_048_576

    /// A create by URL with a body of about a megabyte.
    private static func padded(_ name: String, _ urls: [String]) -> JSONValue {
        [
            "name": .string(name), "image_urls": .array(urls.map(JSONValue.string)),
            "padding": .string(String(repeating: "x", count: 1_200_000)),
        ]
    }

    @Test("Creates that wait for ten slow ones of another account are answered before any of these")
    func slowHosts() async throws {
        let signal = WakeSignal()
        try await LocalImageServer.run({ path in
            path == "/held" ? .held(until: signal, Picture.png()) : .content(Picture.png(seed: 1))
        }) { server in
            try await Stage.run { stage in
                let service = try await stage.serve("--development-downloads")
                let keys = [try await stage.key(account: "slow"), try await stage.key(account: "slow")]
                let answered = Tally()
                let held = Array(repeating: server.url("/held"), count: 3)
                let client = service.client(try await stage.key(account: "other"))
                try await withThrowingTaskGroup(of: ClientAnswer.self) { group in
                    for index in 0..<10 {
                        let slow = service.client(keys[index % 2])
                        group.addTask {
                            let answer = try await slow.post("/v2/personas", Self.padded("Slow \(index)", held))
                            answered.add()
                            return answer
                        }
                    }
                    try await eventually("the slow account's downloads") { server.paths.count >= 6 }
                    let good = Array(repeating: server.url("/good"), count: 3)
                    #expect(try await client.post("/v2/personas", Self.padded("Fetched", good)).status == 201)
                    let large = (0..<3).map { JSONValue.string(Picture.base64(Picture.png(byteCount: 500_000, seed: $0))) }
                    #expect(try await client.post("/v2/personas", ["name": "Sent", "image_base64s": .array(large)]).status == 201)
                    #expect(answered.count == 0, "before any of the slow ones")
                    #expect(server.paths.count { $0 == "/held" } == 6, "half of the downloads")
                    signal.notify()
                    for try await answer in group { #expect(answer.status == 201, "\(answer.text)") }
                }
            }
        }
    }

    @Test("Bodies that are announced and not sent keep no caller out")
    func announcedBodies() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let keys = [try await stage.key(account: "first"), try await stage.key(account: "second")]
            let client = service.client(try await stage.key(account: "other"))
            let id = try await client.create(name: "Nova").id
            let isOver = WakeSignal()
            try await withThrowingTaskGroup(of: RawExchange.self) { group in
                let begun = Tally()
                for index in 0..<8 {
                    let key = keys[index % 2]
                    group.addTask {
                        try await rawExchange(.port(service.port), until: { _ in isOver.count > 0 }) { writer in
                            try await writer.write(Self.head(key, "POST /v2/personas", contentLength: 64 * Self.megabyte))
                            try await writer.write(String(repeating: " ", count: 100))
                            begun.add()
                            await isOver.wait(after: 0, atMost: timeout)
                            throw CancellationError()
                        }
                    }
                }
                try await eventually("the announcements") { begun.count == 8 }
                let image = JSONValue.string(Picture.base64(Picture.png(byteCount: 500_000)))
                for name in ["Orion", "Vega", "Lyra"] {
                    let created = try await client.post("/v2/personas", ["name": .string(name), "image_base64s": [image, image, image]])
                    #expect(created.status == 201, "\(created.text)")
                    #expect(try await client.patch("/v2/personas/\(id)", [:]).status == 200)
                }
                // Those who announced so much are themselves still served.
                #expect(try await service.client(keys[0]).create(name: "Small").status == 201)
                isOver.notify()
                group.cancelAll()
            }
        }
    }

    @Test("Two keys of one account share its memory, and another account has its own")
    func oneShare() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--body-bytes-in-flight-max", "\(8 * Self.megabyte)")
            let (first, second) = (try await stage.key(account: "studio"), try await stage.key(account: "studio"))
            let other = service.client(try await stage.key(account: "other"))
            let isOver = WakeSignal()
            try await withThrowingTaskGroup(of: RawExchange.self) { group in
                group.addTask {
                    try await rawExchange(.port(service.port), until: { _ in isOver.count > 0 }) { writer in
                        try await writer.write(Self.head(first, "POST /v2/personas", contentLength: 8 * Self.megabyte))
                        try await writer.write([UInt8](repeating: UInt8(ascii: " "), count: 4 * Self.megabyte))
                        await isOver.wait(after: 0, atMost: timeout)
                        throw CancellationError()
                    }
                }
                func send(_ client: Client, _ name: String) async throws -> ClientAnswer {
                    let images = (0..<3).map { JSONValue.string(Picture.base64(Picture.png(byteCount: 200_000, seed: $0))) }
                    return try await client.post("/v2/personas", ["name": .string(name), "image_base64s": .array(images)])
                }
                // Refused as soon as most of the other key's body has arrived.
                let studio = service.client(second)
                var number = 0
                let refused = try await eventually("a refusal") { () async throws -> ClientAnswer? in
                    number += 1
                    let answer = try await send(studio, "Studio \(number)")
                    return answer.status == 201 ? nil : answer
                }
                #expect((refused.status, refused.code) == (429, "TOO_MANY_REQUESTS"), "\(refused.text)")
                #expect(refused.header("Retry-After") == "1")
                for name in ["Orion", "Vega"] { #expect(try await send(other, name).status == 201) }
                #expect(try await studio.create(name: "Small").status == 201, "a small body counts for nothing")
                isOver.notify()
                group.cancelAll()
            }
            let studio = service.client(second)
            try await eventually("the share is free again") {
                let answer = try await studio.post(
                    "/v2/personas",
                    [
                        "name": "After",
                        "image_base64s": .array((0..<3).map { .string(Picture.base64(Picture.png(byteCount: 200_000, seed: $0))) }),
                    ])
                return answer.status == 201
            }
        }
    }

    @Test(
        "What large creates took is given back to the system",
        .enabled(if: timeoutFactor == 1, "instrumented builds keep what was freed for a while"))
    func memoryGoesBack() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            _ = try await client.create(name: "Small")
            let before = try service.memoryBytes()
            let images = JSONValue.array(Picture.largest.map { .string(Picture.base64($0)) })
            for name in ["Nova", "Orion"] {
                #expect(try await client.post("/v2/personas", ["name": .string(name), "image_base64s": images]).status == 201)
            }
            #expect(try service.peakMemoryBytes() - before < 3 * 42 * Self.megabyte)
            try await eventually("the memory is given back") { try service.memoryBytes() - before < 30 * Self.megabyte }
        }
    }

    private static func head(_ key: Key, _ request: String, contentLength: Int) -> String {
        """
        \(request) HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: \(key.secret)\r\nContent-Type: application/json\r\n\
        Content-Length: \(contentLength)\r\n\r\n
        """
    }
}

/// How often something happened.
private final class Tally: Sendable {
    private let state = Mutex(0)
    var count: Int { state.withLock { $0 } }
    func add() { state.withLock { $0 += 1 } }
}
