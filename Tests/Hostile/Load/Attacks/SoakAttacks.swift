import Foundation
import Synchronization
import TestImages
import TestSupport

/// The hosts that the attacks of a soak name.
final class SoakHosts: Sendable {
    let slow: SlowHost

    init() throws { slow = try SlowHost(image: Pictures.bytes) }

    func stop() { slow.stop() }
}

/// One of each attack at all times. Each comes and goes, for spans that a seed decides, so that every mixture of them occurs.
final class SoakAttacks: Sendable {
    /// One kind of attack.
    private struct Lane {
        let attack: any Attack
        /// Seconds of each time.
        let spans: ClosedRange<Double>
    }

    /// The accounts that they need.
    static let accounts = ["victim", "worst 1", "worst 2", "slow", "hang 1", "hang 2", "body 1", "body 2", "phone", "header", "flood"]

    /// Of those that are read slowly, so that several are read to their end.
    private static let largeSide = 3_066
    private static let pauseSeconds = 0.0...2.0
    /// An attack looks up only between two requests, and may wait long for an answer.
    private static let endSecondsMax = 400.0

    private let lanes: [Lane]
    private let seed: UInt64
    private let counts = Mutex<[String: [String: Int]]>([:])
    private let runs = Mutex<[AttackRun]>([])

    /// Publishes what they ask for.
    init(_ service: Service, hosts: SoakHosts, seed: UInt64) throws {
        self.seed = seed
        let large = NoiseImage(width: Self.largeSide, height: Self.largeSide + 1, seed: seed).variant(1)
        let medium = NoiseImage(width: 700, height: 701, seed: seed).variant(2)
        let paths = try service.published(by: "victim", name: "Large", images: [large.base64, medium.base64] + Pictures.small(1))
        lanes =
            Self.readers(paths, large: large.bytes, medium: medium.bytes) + Self.bodies(seed: seed) + Self.downloads(hosts)
            + Self.requests(mediaPath: paths[2])
    }

    private static func readers(_ paths: [String], large: [UInt8], medium: [UInt8]) -> [Lane] {
        [
            // Below half of the connections, so that the images of others are served.
            Lane(attack: StalledReaders(connections: 150, path: paths[0], isReturning: true), spans: 10...60),
            Lane(attack: StalledReaders(connections: 10, path: "/metrics", times: 50, isReturning: true), spans: 10...60),
            Lane(
                attack: SlowReaders(
                    [
                        .init(count: 4, path: paths[0], image: large, bytesPerSecond: 100_000),
                        .init(count: 4, path: paths[0], image: large, bytesPerSecond: 100_000, receiveBufferBytes: 65_536),
                        .init(count: 2, path: paths[1], image: medium, bytesPerSecond: 11_000),
                        .init(count: 2, path: paths[1], image: medium, bytesPerSecond: 11_000, receiveBufferBytes: 4_096),
                    ], isReturning: true), spans: 100_000...100_000),
        ]
            + IdleConnections.Kind.allCases.map {
                Lane(attack: IdleConnections(connections: 100, kind: $0, isReturning: true), spans: 10...60)
            }
    }

    private static func bodies(seed: UInt64) -> [Lane] {
        let (large, small) = (Scenario.create(imageSide: 707, seed: seed), Scenario.create(imageSide: 274, seed: seed))
        return [
            Lane(
                attack: WorstBodies(
                    accounts: ["worst 1", "worst 2"], bodies: WorstBody.all(textBytes: 60_000_000, imageBytes: 10_400_000), pauseSeconds: 2),
                spans: 30...120),
            Lane(attack: AnnouncedBodies(accounts: ["body 1", "body 2"], connections: 4), spans: 10...60),
            Lane(
                attack: SlowUploads(
                    [
                        .init(account: "phone", bytesPerSecond: 20_000, body: large),
                        .init(account: "phone", bytesPerSecond: 9_000) { small($0 + 1_000_000) },
                    ], isReturning: true), spans: 100_000...100_000),
            Lane(attack: DrippedChunks(account: "flood", connections: 10), spans: 10...60),
        ]
    }

    private static func downloads(_ hosts: SoakHosts) -> [Lane] {
        [
            Lane(
                attack: SlowDownloads.attack(
                    "slow addresses", accounts: ["slow"], connections: 10, manner: .drip, host: hosts.slow, padding: 1_100_000),
                spans: 15...60),
            Lane(
                attack: SlowDownloads.attack(
                    "hanging hosts", accounts: ["hang 1", "hang 2"], connections: 10, manner: .silent, host: hosts.slow, padding: 0),
                spans: 15...60),
        ]
    }

    private static func requests(mediaPath: String) -> [Lane] {
        [
            Lane(attack: LongHeaders(account: "header", mediaPath: mediaPath, pauseSeconds: 0.1), spans: 10...60),
            Lane(
                attack: RepeatedRequests(name: "too large bodies", connections: 5, pauseSeconds: 0.5) { number, service in
                    RepeatedRequests.bytes(
                        "POST", "/v2/personas", key: service.key("flood"),
                        json: [UInt8](repeating: 0x20, count: number.isMultiple(of: 2) ? 100 : 2_000_000), announcing: 67_108_865)
                }, spans: 10...60),
        ]
    }

    /// Starts all of them.
    func start(on service: Service) {
        for (number, lane) in lanes.enumerated() {
            let run = AttackRun.start(secondsMax: 200_000) { run in self.repeatedly(lane, number, service, run) }
            runs.withLock { $0.append(run) }
        }
    }

    /// Ends all of them. Returns what each came to.
    func end() throws -> [(name: String, counts: [String: Int])] {
        for run in runs.withLock({ $0 }) { try run.end(within: Self.endSecondsMax) }
        return counts.withLock { counts in counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }

    private func repeatedly(_ lane: Lane, _ number: Int, _ service: Service, _ run: AttackRun) {
        var random = SplitMix64(seed: seed &+ UInt64(number))
        repeat {
            let attack = lane.attack.start(on: service, secondsMax: Double.random(in: lane.spans, using: &random))
            // An attack ends by itself when its time is over.
            while run.pause(0.2), !attack.hasEnded {}
            try? attack.end(within: Self.endSecondsMax / 2)
            counts.withLock { $0[lane.attack.name, default: [:]].merge(attack.counts, uniquingKeysWith: +) }
        } while run.pause(Double.random(in: Self.pauseSeconds, using: &random))
    }
}
