import Foundation
import Synchronization
import TestSupport
import Testing

/// What was acknowledged survives a power cut, which kill -9 cannot show, because the kernel keeps what a killed program has written.
///
/// A service works under `FaultInjector`, which records every write, sync and answer. From the record the states are made in which a cut
/// could have left the files at any moment, and looked at. `PERSONAS_IMAGES` sets how many, `PERSONAS_SEED` which.
@Suite("Power loss", .timeLimit(.minutes(30)))
struct PowerLossTests {
    private static let images = ProcessInfo.processInfo.environment["PERSONAS_IMAGES"].flatMap(Int.init) ?? 300
    private static let seed = ProcessInfo.processInfo.environment["PERSONAS_SEED"].flatMap(UInt64.init) ?? 20_261_121
    private static let clients = 16
    private static let requestsEach = 12

    @Test("Whatever a power cut leaves of the files, everything acknowledged is there, with its images, and the database is sound")
    func powerCut() async throws {
        let report = try await Self.report(images: Self.images, lying: [])
        print("Power loss: \(report); seed \(Self.seed)")
        #expect(report.damaged == 0 && report.lossy == 0 && report.withoutImages == 0)
        #expect(report.acknowledged > Self.clients * Self.requestsEach / 2, "too little happened for this to prove anything")
    }

    @Test("A service that does not wait for its database is found out")
    func unsyncedDatabase() async throws {
        let report = try await Self.report(images: 90, lying: [.database])
        #expect(report.lossy > 30, "\(report)")
    }

    @Test("A service that does not wait for its images is found out")
    func unsyncedImages() async throws {
        let report = try await Self.report(images: 90, lying: [.media])
        #expect(report.withoutImages > 30, "\(report)")
    }

    /// What was found.
    private struct Report: CustomStringConvertible {
        var acknowledged = 0
        var images = 0
        var damaged = 0
        var lossy = 0
        var withoutImages = 0
        var first: String?

        var description: String {
            "\(images) crash images of \(acknowledged) acknowledged requests, \(damaged) damaged, \(lossy) with losses, "
                + "\(withoutImages) with missing images" + (first.map { "; first: \($0)" } ?? "")
        }
    }

    /// Has clients work on a service, and looks at what cuts would have left.
    /// - Parameter lying: files whose syncs are left out without the service's knowledge.
    private static func report(images: Int, lying: Set<FaultInjector.Target>) async throws -> Report {
        try await Stage.run { stage in
            let before = try await stage.serve()
            let key = try await stage.key()
            _ = try await before.client(key).trained(try await before.client(key).create(name: "Before").id)
            #expect(try await before.stop() == .status(0))
            let faults = try FaultInjector(stage, isTracing: true)
            let root = try #require(faults.environment["FAULTS_FOLDER"])
            let replay = try PowerLossReplay(root)
            if lying.isEmpty {
                // As slow as a disk, so that others use an image between its renaming and the sync of its folder.
                faults.set(.delay(milliseconds: 50), on: [.sync], of: [.media])
            } else {
                faults.set(.skip, on: [.sync], of: lying)
            }
            let service = try await stage.serve(faults: faults)
            let promises = Promises()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<clients {
                    group.addTask { try await work(service.client(key), number, faults, promises) }
                }
                try await group.waitForAll()
            }
            try await service.process.kill()
            let events = try TraceEvent.read(try #require(faults.trace))
            return try examine(events, replay, promises, images: images, in: stage.folder)
        }
    }

    /// Creates, changes and deletes, and notes when it was told so.
    private static func work(_ client: Client, _ number: Int, _ faults: FaultInjector, _ promises: Promises) async throws {
        var random = SplitMix64(seed: seed &+ UInt64(number))
        var own: [String] = []
        for step in 0..<requestsEach {
            let choice = Int.random(in: 0..<10, using: &random)
            guard let id = own.randomElement(using: &random), choice >= 5 else {
                // Most items have images that all clients send at about the same time, and that one may be deleting while another stores them.
                let seed = step % 3 == 2 ? number * 1_000 + step : 100_000 + step
                let answer = try await client.create(name: "Item \(number) \(step)", seed: seed)
                own.append(try answer.id)
                continue
            }
            if choice < 9 {
                let answer = try await client.patch("/v2/personas/\(id)", ["special_instructions": "\(step)"])
                #expect(answer.status == 200)
                promises.note(id, .changed(step), at: faults.tracedCount)
            } else {
                promises.note(id, .mayGo, at: faults.tracedCount)
                let answer = try await client.delete("/v2/personas/\(id)")
                guard answer.status == 200 else { continue }
                promises.note(id, .gone, at: faults.tracedCount)
                own.removeAll { $0 == id }
            }
        }
    }

    private static func examine(
        _ events: [TraceEvent], _ replay: PowerLossReplay, _ promises: Promises, images: Int, in folder: String
    ) throws -> Report {
        var random = SplitMix64(seed: seed)
        let remainders = PowerLossReplay.Remainder.allCases
        let points = Set((0..<images / remainders.count).map { _ in Int.random(in: 1...events.count, using: &random) })
        let place = folder + "/cut"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        var report = Report()
        var created: Set<String> = []
        for (index, event) in events.enumerated() {
            replay.take(event)
            if case .answer(let id) = event { created.insert(id) }
            // The moment of an answer is where nothing may be left to chance: what it promises was waited for, or is not there.
            var cuts: [PowerLossReplay.Remainder] = []
            if case .answer = event { cuts = [.nothing] }
            if points.contains(index + 1) { cuts = remainders }
            for remainder in cuts {
                let image = try replay.cut(remainder, in: place, &random)
                let broken = promises.broken(by: image, created: created, before: index + 1)
                report.images += 1
                if image.damage != nil { report.damaged += 1 }
                if !broken.isEmpty { report.lossy += 1 }
                if image.missingImages > 0 { report.withoutImages += 1 }
                if report.first == nil { report.first = image.damage ?? broken.first }
            }
        }
        report.acknowledged = created.count + promises.count
        return report
    }
}

/// What clients were told of items after their creation, and at which event of the record at the latest.
private final class Promises: Sendable {
    enum Promise {
        /// The special instructions are this number, or a later one.
        case changed(Int)
        /// A deletion was asked for.
        case mayGo
        /// A deletion was answered.
        case gone
    }

    private let all = Mutex<[(position: Int, id: String, promise: Promise)]>([])

    /// How many of them were answers.
    var count: Int {
        all.withLock { promises in
            promises.count { promise in
                if case .mayGo = promise.promise { false } else { true }
            }
        }
    }

    func note(_ id: String, _ promise: Promise, at position: Int) { all.withLock { $0.append((position, id, promise)) } }

    /// What is not as it was promised.
    func broken(by image: PowerLossImage, created: Set<String>, before position: Int) -> [String] {
        var (least, mayGo, gone): ([String: Int], Set<String>, Set<String>) = ([:], [], [])
        for promise in all.withLock({ $0 }) where promise.position <= position {
            switch promise.promise {
            case .changed(let number): least[promise.id] = max(number, least[promise.id] ?? 0)
            case .mayGo: mayGo.insert(promise.id)
            case .gone: gone.insert(promise.id)
            }
        }
        return created.compactMap { id in
            let found = image.items[id.replacing("-", with: "")]
            if gone.contains(id) { return found == nil ? nil : "the deleted item \(id) is back" }
            guard let found else { return mayGo.contains(id) ? nil : "the item \(id) is lost" }
            guard let number = least[id] else { return nil }
            return Int(found) ?? -1 >= number ? nil : "the change of \(id) to \(number) is lost: \(found)"
        }
    }
}
