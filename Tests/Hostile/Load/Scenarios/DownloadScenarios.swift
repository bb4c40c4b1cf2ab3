import Foundation
import TestImages
import TestSupport

extension Scenario {
    /// Row 5: one key's creates that wait for slow addresses, each a large body.
    /// - Parameters:
    ///   - creates: how many at once.
    ///   - seconds: how long others are watched.
    ///   - secondsMax: within which the creates of others are answered; nil where the time is no matter.
    ///   - imageSide: of the images in these, which make them large bodies as well.
    package static func slowAddresses(
        creates: Int = 10, seconds: Double = 25, secondsMax: Double? = 2, imageSide: Int = 600
    ) -> Scenario {
        Scenario(row: "5", name: "slow addresses") { arena in
            let host = try SlowHost(image: Pictures.bytes)
            defer { host.stop() }
            return try arena.withService(accounts: ["attacker", "other"], flags: ["--development-downloads"]) { service in
                let attack = SlowDownloads.attack(
                    "slow addresses", accounts: ["attacker"], connections: creates, manner: .drip, host: host, padding: 1_100_000
                ).start(on: service)
                try attack.awaitReady()
                try awaitTrue("a slow address was asked for", within: 30) { host.wasAsked }
                let seen = try watch(service, creates: "other", imageSide: imageSide, seconds: seconds, seed: arena.seed)
                try attack.end()
                return Outcome(
                    sent: "\(creates) creates of one key at once, each with three addresses of a host that drips, and 1.1 MB of padding",
                    checks: [
                        Check(
                            "creates of another account\(secondsMax.map { " within \(Int($0)) s" } ?? ""), none refused", seen: seen.text,
                            holds: seen.failureCount == 0 && !seen.seconds.isEmpty && seen.longest < secondsMax ?? .infinity),
                        Check("what the attacker got", seen: attack.summary, holds: true),
                    ])
            }
        }
    }

    /// Row 9: two keys' creates that wait for hosts which never answer.
    /// - Parameters:
    ///   - creates: how many at once, of both together.
    ///   - seconds: how long others are watched.
    ///   - secondsMax: within which a create of another account by addresses of a quick host is done; nil where the time is no matter.
    package static func hangingHosts(creates: Int = 20, seconds: Double = 40, secondsMax: Double? = 5) -> Scenario {
        Scenario(row: "9", name: "hanging hosts") { arena in
            let host = try SlowHost(image: Pictures.bytes)
            let quick = try SlowHost(image: Pictures.bytes)
            defer { for host in [host, quick] { host.stop() } }
            return try arena.withService(accounts: ["first", "second", "other"], flags: ["--development-downloads"]) { service in
                let attack = SlowDownloads.attack(
                    "hanging hosts", accounts: ["first", "second"], connections: creates, manner: .silent, host: host, padding: 0
                ).start(on: service)
                try attack.awaitReady()
                try awaitTrue("a hanging host was asked", within: 30) { host.wasAsked }
                let question = Prober.Question("/v2/personas", method: "POST", key: service.key("other"), statuses: [201]) { number in
                    Bodies.create(name: "Q\(number)", addresses: (0..<3).map { quick.address(.quick, "\(number)/\($0)") })
                }
                let prober = Prober(port: service.port, question, isFresh: true, pause: 1, timeoutSeconds: 60)
                usleep(UInt32(seconds * 1_000_000))
                let seen = try prober.end()
                try attack.end()
                let unjustified = attack.counts[SlowDownloads.unjustified] ?? 0
                let bare = attack.counts.filter { $0.key.hasSuffix("without Retry-After") }
                return Outcome(
                    sent: "\(creates) creates of two keys at once, each with three addresses of a host that never answers",
                    checks: [
                        Check(
                            "creates of another account by addresses\(secondsMax.map { " within \(Int($0)) s" } ?? ""), all 201",
                            seen: seen.text,
                            holds: seen.failureCount == 0 && !seen.seconds.isEmpty && seen.longest < secondsMax ?? .infinity),
                        Check(
                            "who gets no place is told so: 429 or 503 with Retry-After", seen: attack.summary,
                            holds: unjustified == 0 && bare.isEmpty),
                    ])
            }
        }
    }

    /// Row 6: bodies that are announced and do not come.
    /// - Parameters:
    ///   - connections: of each of two keys.
    ///   - seconds: how long others are watched.
    ///   - imageSide: of the three images of their creates.
    package static func announcedBodies(connections: Int = 4, seconds: Double = 20, imageSide: Int = 700) -> Scenario {
        Scenario(row: "6", name: "announced bodies") { arena in
            try arena.withService(accounts: ["first", "second", "other"]) { service in
                let connection = try service.connection()
                let made = try connection.exchange(
                    "POST", "/v2/personas", key: service.key("other"), json: Bodies.create(name: "Mine", images: Pictures.small(3)))
                guard let id = made.member("id") else { throw MeasurementFailed("a create came to \(made.status)") }
                let attack = AnnouncedBodies(accounts: ["first", "second"], connections: connections).start(on: service)
                try attack.awaitReady()
                usleep(300_000)
                let patch = Prober.Question("/v2/personas/\(id)", method: "PATCH", key: service.key("other")) { _ in Array("{}".utf8) }
                let patches = Prober(port: service.port, patch, isFresh: true, pause: 0.2)
                let creates = try watch(service, creates: "other", imageSide: imageSide, seconds: seconds, seed: arena.seed)
                let seen = try patches.end()
                try attack.end()
                return Outcome(
                    sent: "\(connections) connections of each of two keys announce 64 MiB, send 100 bytes, and 100 more each second",
                    checks: [
                        Check(
                            "creates of others are taken", seen: creates.text,
                            holds: creates.failureCount == 0 && !creates.seconds.isEmpty),
                        Check("their PATCH {} is, too", seen: seen.text, holds: seen.failureCount == 0 && !seen.seconds.isEmpty),
                        Check("what the attackers got", seen: attack.summary, holds: true),
                    ])
            }
        }
    }

    /// Row P: telephones that send their pictures slowly.
    /// - Parameter uploads: sides of the three images, and bytes a second.
    package static func slowUploads(
        _ uploads: [(imageSide: Int, bytesPerSecond: Int)] = [(707, 20_000), (274, 8_000)], flags: [String] = []
    )
        -> Scenario
    {
        Scenario(row: "P", name: "slow uploads") { arena in
            try arena.withService(accounts: ["phone"], flags: flags) { service in
                let bodies = uploads.map { create(imageSide: $0.imageSide, seed: arena.seed) }
                let attack = SlowUploads(
                    zip(uploads, bodies).map { .init(account: "phone", bytesPerSecond: $0.bytesPerSecond, body: $1) }
                ).start(on: service)
                let lengths = bodies.map { $0(0).count }
                let longest = zip(uploads, lengths).map { Double($1) / Double($0.bytesPerSecond) }.max() ?? 0
                try? attack.awaitEnd(within: longest * 1.2 + 30)
                try attack.end()
                let done = attack.counts.filter { $0.key.hasSuffix(": 201") }.values.reduce(0, +)
                let texts = zip(uploads, lengths).map { "\($1 / 1_000) kB at \($0.bytesPerSecond / 1_000) kB/s" }
                return Outcome(
                    sent: "creates of " + texts.joined(separator: " and of "),
                    checks: [Check("201 for each", seen: attack.summary, holds: done == uploads.count)])
            }
        }
    }

    /// Watches creates of an account with images in them for some time.
    static func watch(_ service: Service, creates account: String, imageSide: Int, seconds: Double, seed: UInt64) throws -> Latencies {
        let body = create(imageSide: imageSide, seed: seed)
        let question = Prober.Question("/v2/personas", method: "POST", key: service.key(account), statuses: [201], body: body)
        let prober = Prober(port: service.port, question, isFresh: true, pause: 0.5, timeoutSeconds: 60)
        usleep(UInt32(seconds * 1_000_000))
        return try prober.end()
    }

    /// Bodies of creates with three images of their own.
    static func create(imageSide: Int, seed: UInt64) -> @Sendable (Int) -> [UInt8] {
        let picture = NoiseImage(width: imageSide, height: imageSide + 1, seed: seed ^ 0xB)
        return { number in
            Bodies.create(name: "C\(number)", images: (0..<3).map { picture.variant(UInt64(number), UInt64($0)).base64 })
        }
    }

    /// Waits for a condition.
    static func awaitTrue(_ what: String, within seconds: Double, _ holds: () throws -> Bool) throws {
        let watch = Stopwatch()
        while try !holds() {
            guard watch.seconds < seconds else { throw MeasurementFailed("it did not come about within \(Int(seconds)) s that \(what)") }
            usleep(10_000)
        }
    }
}
