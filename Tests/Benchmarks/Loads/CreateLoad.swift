import Foundation
import Synchronization
import TestImages
import TestSupport

/// Creates of personas with three images each, no two images alike, so that none is stored already.
final class CreateLoad: Sendable {
    /// What a run came to.
    struct Outcome {
        /// The ids of what was created.
        let ids: [String]
        /// From the first request to the last answer.
        let seconds: Double

        /// Creates per second.
        var rate: Double { Double(ids.count) / seconds }
    }

    private let port: Int
    private let key: String
    private let images: [NoiseImage]
    /// Tells this run's names and images from those that an interrupted one may have left.
    private let run = UInt64.random(in: 0...UInt64.max)
    private let nextNumber = Atomic<UInt64>(0)

    /// Takes a server and the side of the images in pixels, each of a byte.
    init(port: Int, key: String, imageWidth: Int) {
        self.port = port
        self.key = key
        images = (0..<3).map { NoiseImage(width: imageWidth, height: imageWidth + 1, seed: UInt64($0)) }
    }

    /// The body of one more create.
    func nextBody() -> [UInt8] {
        let number = nextNumber.wrappingAdd(1, ordering: .relaxed).oldValue
        var body: [UInt8] = []
        body.reserveCapacity(bodyBytes.withLock { $0 })
        body += "{\"name\":\"B\(String(run, radix: 36)) \(number)\",\"image_base64s\":[\"".utf8
        for (index, image) in images.enumerated() {
            if index > 0 { body += "\",\"".utf8 }
            image.append(variant: (run, number), to: &body)
        }
        body += "\"]}".utf8
        bodyBytes.withLock { $0 = body.count + 64 }
        return body
    }
    private let bodyBytes = Mutex(0)

    /// One create, to its answer. Returns the new id.
    func createOne(on connection: Connection) throws -> String {
        let answer = try connection.exchange("POST", "/v2/personas", key: key, json: nextBody())
        guard answer.status == 201, let id = answer.member("id") else {
            throw MeasurementFailed(
                "a create was answered with \(answer.status): \(String(decoding: answer.body.prefix(300), as: UTF8.self))")
        }
        return id
    }

    /// Creates on that many connections at once, one after another on each, for some seconds.
    func creates(connections: Int, seconds: Double) throws -> Outcome {
        let watch = Stopwatch()
        let ids = try Threads.gather(connections) { _ in
            let connection = try Connection(port: self.port)
            var ids: [String] = []
            while watch.seconds < seconds { ids.append(try self.createOne(on: connection)) }
            return ids
        }
        return Outcome(ids: ids, seconds: watch.seconds)
    }

    /// Creates on that many connections at once, the same number on each.
    func creates(connections: Int, each count: Int) throws -> Outcome {
        let watch = Stopwatch()
        let ids = try Threads.gather(connections) { _ in
            let connection = try Connection(port: self.port)
            return try (0..<count).map { _ in try self.createOne(on: connection) }
        }
        return Outcome(ids: ids, seconds: watch.seconds)
    }

    /// Creates on that many connections at once, as fast as they are answered, whatever the answers say, for some seconds. Returns the ids of
    /// what was created, and how many were refused.
    func flood(connections: Int, seconds: Double) throws -> (ids: [String], refused: Int) {
        let watch = Stopwatch()
        let refused = Atomic<Int>(0)
        let ids = try Threads.gather(connections) { _ in
            let connection = try Connection(port: self.port)
            var ids: [String] = []
            while watch.seconds < seconds {
                let answer = try connection.exchange("POST", "/v2/personas", key: self.key, json: self.nextBody())
                if answer.status == 201, let id = answer.member("id") { ids.append(id) } else { refused.wrappingAdd(1, ordering: .relaxed) }
            }
            return ids
        }
        return (ids, refused.load(ordering: .relaxed))
    }

    /// Deletes what was created, as soon as it is trained, so that the store stays as it was.
    func delete(_ ids: [String]) throws {
        let next = Atomic<Int>(0)
        let waited = Stopwatch()
        _ = try Threads.gather(8) { _ in
            let connection = try Connection(port: self.port)
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < ids.count else { return [] }
                while try connection.exchange("DELETE", "/v2/personas/\(ids[index])", key: self.key).status != 200 {
                    guard waited.seconds < 120 else { throw MeasurementFailed("items could not be deleted within 120 s") }
                    usleep(20_000)
                }
            }
        }
    }
}
