import Foundation
import TestSupport

extension Scenario {
    /// Row 3: bodies that cost much, each sent by two accounts at once.
    /// - Parameters:
    ///   - textBytes: of the texts among them.
    ///   - imageBytes: of each of three images, before base64.
    ///   - nanosecondsMax: of processor time for each byte, beyond what plain bodies cost; nil to measure without a limit.
    ///   - healthSecondsMax: within which health answers throughout.
    package static func worstBodies(
        textBytes: Int = 60_000_000, imageBytes: Int = 10_400_000, nanosecondsMax: Double? = 15, healthSecondsMax: Double = 0.1
    ) -> Scenario {
        Scenario(row: "3", name: "worst bodies") { arena in
            let accounts = ["first", "second"]
            return try arena.withService(accounts: accounts + ["other"]) { service in
                var number = 0
                func measure(_ body: WorstBody) throws -> (nanoseconds: Double, health: Latencies, answers: String) {
                    number += 1
                    let kept = Prober(port: service.port, Prober.Question("/healthz"), isFresh: false, pause: 0.01)
                    let fresh = Prober(port: service.port, Prober.Question("/healthz"), isFresh: true, pause: 0.01)
                    let before = try service.server.processorSeconds()
                    let probes = Stopwatch()
                    let sent = Counter()
                    let attack = AttackRun.start { [number] run in
                        let attack = WorstBodies(accounts: accounts, bodies: [body], pauseSeconds: 0)
                        sent.add(try attack.send(body, number: number, to: service, run))
                    }
                    try attack.awaitEnd(within: 300)
                    let spent = try service.server.processorSeconds() - before
                    // What the probes themselves cost, as measured on an idle service, is a few per cent of a core.
                    let own = probes.seconds * Self.probeShare
                    var health = try kept.end()
                    health.add(try fresh.end())
                    return (max(0, spent - own) / Double(max(1, sent.value)) * 1e9, health, attack.summary)
                }
                let plain = try WorstBody.plain(textBytes: textBytes, imageBytes: imageBytes).map { ($0.name, try measure($0)) }
                let base = plain.map(\.1.nanoseconds).max() ?? 0
                let rows = plain + (try WorstBody.all(textBytes: textBytes, imageBytes: imageBytes).map { ($0.name, try measure($0)) })
                let checks = rows.flatMap { name, seen in
                    let isPlain = name.hasPrefix("plain")
                    let bound = nanosecondsMax.map { $0 + base }
                    let cost = Check(
                        "\(name): " + (isPlain || bound == nil ? "cost" : "less than \(Report.number(bound ?? 0)) ns of processor a byte"),
                        seen: "\(Report.number(seen.nanoseconds)) ns; answered \(seen.answers)",
                        holds: isPlain || bound == nil || seen.nanoseconds < bound ?? 0)
                    let health = Check(
                        "\(name): health within \(Latencies.milliseconds(healthSecondsMax))", seen: seen.health.text,
                        holds: seen.health.failureCount == 0 && seen.health.longest < healthSecondsMax)
                    return [cost, health]
                }
                return Outcome(
                    sent: "texts of \(textBytes / 1_000_000) MB, three images of \(imageBytes / 100_000 * 100) kB, each body twice at once",
                    checks: checks)
            }
        }
    }

    /// The share of a core that two probes cost an idle service.
    private static let probeShare = 0.03
}
