import Foundation
import Synchronization
import TestSupport

/// All attacks at once, for a long time, beside ordinary traffic, of which the same was measured alone before.
package struct Soak: Sendable {
    /// What must hold.
    private enum Bound {
        static let readsTimes = 10.0
        static let createsTimes = 5.0
        /// Of memory and of descriptors, over the last two thirds of the attack, as a share of their mean.
        static let growth = 0.1
        static let healthSeconds = 0.1
    }

    /// What was measured once a second.
    private struct Sample {
        let seconds: Double
        let megabytes: Double
        let descriptors: Double
    }

    private static let baselineShare = 0.1
    private static let baselineSeconds = 20.0...180.0
    private static let sampleSeconds = 1.0

    let minutes: Double
    let note: @Sendable (String) -> Void

    /// - Parameters:
    ///   - minutes: in all, a tenth of it, and at most three, without attacks.
    ///   - note: told of every minute.
    package init(minutes: Double, note: @escaping @Sendable (String) -> Void) {
        self.minutes = minutes
        self.note = note
    }

    /// Runs it to its end.
    package func run(_ arena: Arena) throws -> Outcome {
        let hosts = try SoakHosts()
        defer { hosts.stop() }
        let accounts = OrdinaryTraffic.accounts + SoakAttacks.accounts
        return try arena.withService(accounts: accounts, flags: ["--development-downloads"]) { service in
            let attacks = try SoakAttacks(service, hosts: hosts, seed: arena.seed)
            let traffic = try OrdinaryTraffic(service, seed: arena.seed)
            defer { traffic.end() }
            let baselineSeconds = min(
                max(minutes * 60 * Self.baselineShare, Self.baselineSeconds.lowerBound), Self.baselineSeconds.upperBound)
            // The first moments fill caches and connections.
            usleep(3_000_000)
            _ = traffic.take()
            let alone = try watch(service, traffic, seconds: baselineSeconds, "alone")
            attacks.start(on: service)
            let health = Prober(port: service.port, Prober.Question("/healthz"), isFresh: true, pause: 0.1)
            let under = try watch(service, traffic, seconds: max(30, minutes * 60 - baselineSeconds), "under attack")
            let healthSeen = try health.end()
            let attackers = try attacks.end()
            return outcome(alone: alone, under: under, health: healthSeen, attackers: attackers, service)
        }
    }

    private struct Phase {
        var figures = OrdinaryTraffic.Figures()
        var samples: [Sample] = []
        var logErrors = 0
    }

    private func watch(_ service: Service, _ traffic: OrdinaryTraffic, seconds: Double, _ name: String) throws -> Phase {
        var phase = Phase()
        let watch = Stopwatch()
        var minute = 0
        while watch.seconds < seconds {
            let end = min(seconds, Double(minute + 1) * 60)
            while watch.seconds < end {
                phase.samples.append(
                    Sample(
                        seconds: watch.seconds, megabytes: service.megabytes, descriptors: Double(try service.server.descriptorCount())))
                usleep(UInt32(max(0.01, min(Self.sampleSeconds, end - watch.seconds)) * 1_000_000))
            }
            minute += 1
            let figures = traffic.take()
            phase.figures.add(figures)
            let lines = service.server.logLines
            service.server.emptyLog()
            let errors = lines.count { $0.contains("\"level\":\"error\"") }
            phase.logErrors += errors
            let recent = phase.samples.suffix(60)
            note(
                """
                \(name), minute \(minute): \(Self.mean(recent.map(\.megabytes))) MB, \(Self.mean(recent.map(\.descriptors))) descriptors; \
                reads \(Self.text(figures.reads)), creates \(Self.text(figures.creates)); errors: \(AttackRun.text(figures.failures)); \
                \(errors) errors in the log
                """)
        }
        return phase
    }

    private func outcome(
        alone: Phase, under: Phase, health: Latencies, attackers: [(name: String, counts: [String: Int])], _ service: Service
    ) -> Outcome {
        let late = under.samples.filter { $0.seconds >= (under.samples.last?.seconds ?? 0) / 3 }
        let memory = Self.growth(late.map { ($0.seconds, $0.megabytes) })
        let descriptors = Self.growth(late.map { ($0.seconds, $0.descriptors) })
        let failures = [alone, under].map(\.figures.failures)
        let cut = attackers.flatMap { attack in
            attack.counts.filter {
                ["slow readers", "slow uploads"].contains(attack.name) && !$0.key.hasSuffix("whole") && !$0.key.hasSuffix("201")
            }
        }
        func ratio(_ what: String, _ figures: KeyPath<OrdinaryTraffic.Figures, Latencies>, below bound: Double) -> Check {
            let (before, after) = (alone.figures[keyPath: figures], under.figures[keyPath: figures])
            let times = after.percentile(0.99) / max(before.percentile(0.99), 1e-6)
            return Check(
                "99 of 100 \(what) in less than \(Int(bound)) × as long as alone",
                seen: "alone \(Self.text(before)), under attack \(Self.text(after)): \(Report.number(times)) ×",
                holds: times < bound && !after.seconds.isEmpty)
        }
        return Outcome(
            sent: "\(Report.number(minutes)) minutes: ten keys with 20 requests a second each, and beside them all attacks at once",
            checks: [
                Check("no error of theirs alone", seen: AttackRun.text(failures[0]), holds: failures[0].isEmpty),
                Check(
                    "no error of theirs under attack",
                    seen: AttackRun.text(failures[1])
                        + " of \(under.figures.reads.seconds.count + under.figures.creates.seconds.count + under.figures.others.seconds.count)",
                    holds: failures[1].isEmpty),
                ratio("reads", \.reads, below: Bound.readsTimes), ratio("creates", \.creates, below: Bound.createsTimes),
                Check(
                    "health on new connections, 99 of 100 within \(Latencies.milliseconds(Bound.healthSeconds))",
                    seen: "\(health.text), 99 of 100 \(Latencies.milliseconds(health.percentile(0.99)))",
                    holds: health.failureCount == 0 && health.percentile(0.99) < Bound.healthSeconds),
                Check(
                    "memory flat: less than 10 % over the last two thirds", seen: memory.text("MB"), holds: memory.share < Bound.growth),
                Check(
                    "descriptors flat, too", seen: descriptors.text("descriptors"), holds: descriptors.share < Bound.growth),
                Check("no slow reader or upload is cut", seen: AttackRun.text(Dictionary(cut, uniquingKeysWith: +)), holds: cut.isEmpty),
                Check("errors in the log", seen: "\(under.logErrors)", holds: true),
            ] + attackers.map { Check("attack: \($0.name)", seen: AttackRun.text($0.counts), holds: true) })
    }

    private struct Growth {
        let mean: Double
        let change: Double
        let most: Double

        var share: Double { mean > 0 ? change / mean : 0 }

        func text(_ unit: String) -> String {
            "\(Int(mean)) \(unit) on average, at most \(Int(most)), the line through them \(change < 0 ? "falls" : "rises") by \(Int(abs(change)))"
        }
    }

    /// What a straight line through the points (by least squares) does between the first and the last.
    private static func growth(_ points: [(x: Double, y: Double)]) -> Growth {
        let count = Double(max(1, points.count))
        let (meanX, meanY) = (points.map(\.x).reduce(0, +) / count, points.map(\.y).reduce(0, +) / count)
        let spread = points.map { ($0.x - meanX) * ($0.x - meanX) }.reduce(0, +)
        let slope = spread > 0 ? points.map { ($0.x - meanX) * ($0.y - meanY) }.reduce(0, +) / spread : 0
        let length = (points.last?.x ?? 0) - (points.first?.x ?? 0)
        return Growth(mean: meanY, change: slope * length, most: points.map(\.y).max() ?? 0)
    }

    private static func mean(_ values: [Double]) -> Int { values.isEmpty ? 0 : Int(values.reduce(0, +) / Double(values.count)) }

    private static func text(_ latencies: Latencies) -> String {
        "\(Latencies.milliseconds(latencies.percentile(0.5)))/\(Latencies.milliseconds(latencies.percentile(0.99)))"
    }
}
