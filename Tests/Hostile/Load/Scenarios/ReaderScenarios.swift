import Foundation
import TestImages
import TestSupport

extension Scenario {
    /// Row 1: readers that read nothing.
    /// - Parameters:
    ///   - connections: how many.
    ///   - imageSide: of the square image of a byte for each pixel.
    ///   - holdSeconds: how long they stay.
    ///   - mediaConnectionsMax: how many of them may be given an image.
    ///   - megabytesMax: what they may cost in memory, and how much of it may stay, in MB.
    ///   - secondsMax: within which others are answered meanwhile; nil where the time is no matter.
    package static func stalledReaders(
        connections: Int = 400, imageSide: Int = 3_066, holdSeconds: Double = 20, flags: [String] = [], mediaConnectionsMax: Int = 256,
        megabytesMax: (held: Double, left: Double) = (100, 30), secondsMax: Double? = 1
    ) -> Scenario {
        Scenario(row: "1", name: "stalled readers") { arena in
            try arena.withService(accounts: ["victim", "other"], flags: flags) { service in
                let image = NoiseImage(width: imageSide, height: imageSide + 1, seed: arena.seed).variant(1)
                let paths = try service.published(by: "victim", name: "Large", images: Pictures.small(2) + [image.base64])
                let before = service.megabytes
                let (attacks, others) = try Others.watch(
                    service, seed: arena.seed, [StalledReaders(connections: connections, path: paths[2])], seconds: holdSeconds,
                    megabytesMax: megabytesMax.held, secondsMax: secondsMax)
                let attack = attacks[0]
                let released = try awaitLess(than: before + megabytesMax.left, within: 60) { service.megabytes }
                let counts = attack.counts
                let (given, refused) = (counts["200"] ?? 0, counts["503 with Retry-After"] ?? 0)
                return Outcome(
                    sent:
                        "\(connections) connections ask for an image of \(image.bytes.count / 100_000 * 100_000 / 1_000) kB and read nothing",
                    checks: others + [
                        Check(
                            "within 60 s of their end at most \(Int(megabytesMax.left)) MB of it stay", seen: "\(Int(released)) MB",
                            holds: released <= before + megabytesMax.left),
                        Check(
                            "at most \(mediaConnectionsMax) get an image, the others 503 with Retry-After", seen: attack.summary,
                            holds: given <= mediaConnectionsMax && (given + refused == connections || connections <= mediaConnectionsMax)),
                    ])
            }
        }
    }

    /// Row 2: readers that are slow and steady.
    /// - Parameters:
    ///   - imageSides: of a large square image and of a small one.
    ///   - readers: how many of each kind.
    ///   - bytesPerSecond: of the quick ones, of the middling ones, and of the slowest.
    ///   - slowSeconds: how long the slowest are slow with a large image, of which they then take the rest at once.
    package static func slowReaders(
        imageSides: (large: Int, small: Int) = (3_066, 1_000), readers: (steady: Int, slow: Int) = (30, 4),
        bytesPerSecond: (quick: Int, middling: Int, slow: Int) = (100_000, 60_000, 11_000), slowSeconds: Double = 120, flags: [String] = []
    ) -> Scenario {
        Scenario(row: "2", name: "slow readers") { arena in
            try arena.withService(accounts: ["victim"], flags: flags) { service in
                let images = [imageSides.large, imageSides.small].map { side in
                    NoiseImage(width: side, height: side + 1, seed: arena.seed).variant(1)
                }
                let paths = try service.published(by: "victim", name: "Large", images: images.map(\.base64) + Pictures.small(1))
                func group(_ count: Int, image: Int, _ bytesPerSecond: Int, window: Int? = nil, secondsMax: Double = .infinity)
                    -> SlowReaders.Group
                {
                    SlowReaders.Group(
                        count: count, path: paths[image], image: images[image].bytes, bytesPerSecond: bytesPerSecond,
                        receiveBufferBytes: window, secondsMax: secondsMax)
                }
                // What the kernel has room for is on its way whatever the service does; so some have less room.
                let groups = [
                    group(readers.steady, image: 0, bytesPerSecond.quick),
                    group(readers.steady, image: 0, bytesPerSecond.middling, window: 65_536),
                    group(readers.slow, image: 0, bytesPerSecond.slow, secondsMax: slowSeconds),
                    group(readers.slow, image: 0, bytesPerSecond.slow, window: 65_536, secondsMax: slowSeconds),
                    group(readers.slow, image: 1, bytesPerSecond.slow, window: 4_096),
                    group(readers.slow, image: 1, bytesPerSecond.slow, window: 2_304),
                ]
                let slowest = groups.map { min(Double($0.image.count) / Double($0.bytesPerSecond), $0.secondsMax) }.max() ?? 0
                let attack = SlowReaders(groups).start(on: service)
                try attack.awaitReady()
                // Small windows may make it somewhat slower than was meant.
                try? attack.awaitEnd(within: slowest * 1.5 + 30)
                try attack.end()
                let whole = attack.counts.filter { $0.key.hasSuffix(": whole") }.values.reduce(0, +)
                let all = groups.map(\.count).reduce(0, +)
                let speeds = [bytesPerSecond.quick, bytesPerSecond.middling, bytesPerSecond.slow].map { "\($0 / 1_000)" }
                return Outcome(
                    sent: "\(all) readers take an image at \(speeds.joined(separator: ", ")) kB/s, some with small windows",
                    checks: [Check("every byte comes to all", seen: attack.summary, holds: whole == all)])
            }
        }
    }

    /// Row 7: connections that say nothing.
    /// - Parameters:
    ///   - connections: how many of each kind, one kind after another.
    ///   - tries: new connections that are made meanwhile.
    ///   - secondsMax: within which each of these is answered.
    package static func idleConnections(
        connections: Int = 1_000, tries: Int = 20, secondsMax: Double = 0.1, flags: [String] = []
    ) -> Scenario {
        Scenario(row: "7", name: "idle connections") { arena in
            try arena.withService(accounts: ["other"], flags: flags) { service in
                var checks: [Check] = []
                for kind in IdleConnections.Kind.allCases {
                    let attack = IdleConnections(connections: connections, kind: kind).start(on: service)
                    try attack.awaitReady()
                    let log = LatencyLog()
                    for _ in 0..<tries {
                        for question in [
                            Prober.Question("/healthz"), Prober.Question("/v2/personas?limit=1", key: service.key("other")),
                        ] {
                            question.askAfresh(port: service.port, timeoutSeconds: 5, log)
                        }
                        // Who waits in vain once waits in vain always; a minute of that is enough.
                        if log.latencies.failureCount > 6 { break }
                        usleep(50_000)
                    }
                    try attack.end()
                    let seen = log.latencies
                    checks.append(
                        Check(
                            "\(kind.rawValue): health and a read on new connections within \(Latencies.milliseconds(secondsMax))",
                            seen: seen.text, holds: seen.failureCount == 0 && seen.longest < secondsMax))
                }
                return Outcome(sent: "\(connections) connections of each kind that stay open", checks: checks)
            }
        }
    }

    /// Waits until a figure is small enough, and returns it in any case.
    static func awaitLess(than bound: Double, within seconds: Double, _ figure: () throws -> Double) throws -> Double {
        let watch = Stopwatch()
        while true {
            let value = try figure()
            if value <= bound || watch.seconds > seconds { return value }
            usleep(200_000)
        }
    }
}

extension Prober.Question {
    /// Asks once on a connection of its own and notes how long that took.
    func askAfresh(port: Int, timeoutSeconds: Double, number: Int = 0, _ log: LatencyLog) {
        let watch = Stopwatch()
        do {
            let connection = try Connection(port: port, timeoutSeconds: timeoutSeconds)
            if let problem = try ask(connection, number: number) { log.add(failure: problem) } else { log.add(watch.seconds) }
        } catch {
            log.add(failure: "\(error)")
        }
    }
}

/// What others do while an attack lasts: they ask for health and for their items, and create.
struct Others {
    private let health: Prober
    private let reads: Prober
    private let creates: Prober

    init(of service: Service, account: String, seed: UInt64, timeoutSeconds: Double = 10) {
        let picture = NoiseImage(width: 141, height: 142, seed: seed ^ 0xA)
        let key = service.key(account)
        health = Prober(port: service.port, Prober.Question("/healthz"), isFresh: true, timeoutSeconds: timeoutSeconds)
        reads = Prober(port: service.port, Prober.Question("/v2/personas?limit=5", key: key), isFresh: true, timeoutSeconds: timeoutSeconds)
        creates = Prober(
            port: service.port,
            Prober.Question("/v2/personas", method: "POST", key: key, statuses: [201]) { number in
                Bodies.create(name: "O\(number)", images: (0..<3).map { picture.variant(UInt64(number), UInt64($0)).base64 })
            }, isFresh: true, pause: 0.2, timeoutSeconds: timeoutSeconds)
    }

    /// Attacks a service while they go on, and tells what became of them, and of the service's memory.
    static func watch(
        _ service: Service, seed: UInt64, _ attacks: [any Attack], seconds: Double, megabytesMax: Double, secondsMax: Double?
    ) throws -> (runs: [AttackRun], checks: [Check]) {
        let before = service.megabytes
        let runs = attacks.map { $0.start(on: service) }
        for run in runs { try run.awaitReady() }
        let others = Others(of: service, account: "other", seed: seed)
        var most = before
        let watch = Stopwatch()
        while watch.seconds < seconds {
            most = max(most, service.megabytes)
            usleep(100_000)
        }
        let checks = try others.end(within: secondsMax)
        for run in runs { try run.end() }
        let grown = Check(
            "memory grows by less than \(Int(megabytesMax)) MB", seen: "from \(Int(before)) to \(Int(most)) MB",
            holds: most - before < megabytesMax)
        return (runs, checks + [grown])
    }

    /// Stops them and tells whether all of them were served.
    /// - Parameter secondsMax: within which; nil where the time is no matter.
    func end(within secondsMax: Double?) throws -> [Check] {
        try [("health", health), ("reads", reads), ("creates", creates)].map { name, prober in
            let seen = try prober.end()
            return Check(
                "\(name) of others go on" + (secondsMax.map { ", within \(Report.number($0)) s" } ?? ""), seen: seen.text,
                holds: seen.failureCount == 0 && !seen.seconds.isEmpty && seen.longest < secondsMax ?? .infinity)
        }
    }
}

/// Images as base64.
enum Pictures {
    /// A small one as it is.
    static let bytes = NoiseImage(width: 31, height: 32, seed: 5).variant(0).bytes

    /// Small ones, no two alike.
    static func small(_ count: Int, number: UInt64 = 0) -> [[UInt8]] {
        let picture = NoiseImage(width: 31, height: 32, seed: 5)
        return (0..<count).map { picture.variant(number, UInt64($0)).base64 }
    }
}
