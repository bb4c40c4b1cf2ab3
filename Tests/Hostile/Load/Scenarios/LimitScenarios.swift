import Foundation
import TestImages
import TestSupport

extension Scenario {
    /// Row 8: as many connections as there are file descriptors.
    /// - Parameters:
    ///   - descriptorsMax: the hard limit.
    ///   - stalled: connections that ask for an image and read nothing.
    ///   - idle: connections that say nothing.
    ///   - processorShareMax: of a core, that the service may take while all of them are still; nil to look away.
    package static func descriptors(
        descriptorsMax: Int, stalled: Int, idle: Int, imageSide: Int = 1_800, seconds: Double = 10, processorShareMax: Double? = 0.1
    ) -> Scenario {
        Scenario(row: "8", name: "\(descriptorsMax) descriptors") { arena in
            try arena.withService(accounts: ["victim", "other"], descriptorsMax: descriptorsMax) { service in
                let image = NoiseImage(width: imageSide, height: imageSide + 1, seed: arena.seed).variant(1)
                let paths = try service.published(by: "victim", name: "Large", images: Pictures.small(2) + [image.base64])
                let readers = StalledReaders(connections: stalled, path: paths[2]).start(on: service)
                try readers.awaitReady()
                let others = IdleConnections(connections: idle, kind: .silent).start(on: service)
                try others.awaitReady()
                usleep(2_000_000)
                let before = try service.server.processorSeconds()
                usleep(3_000_000)
                let share = (try service.server.processorSeconds() - before) / 3
                let descriptors = try service.server.descriptorCount()
                let list = Prober(
                    port: service.port, Prober.Question("/v2/personas", key: service.key("other")), isFresh: true, pause: 0.1,
                    timeoutSeconds: 5)
                let creates = try watch(service, creates: "other", imageSide: 141, seconds: seconds, seed: arena.seed)
                let lists = try list.end()
                try readers.end()
                try others.end()
                let lines = service.server.logLines
                let complaints = lines.filter { line in
                    let line = line.lowercased()
                    return line.contains("descriptor") || line.contains("too many open files")
                }
                let again = LatencyLog()
                let watch = Stopwatch()
                while again.latencies.seconds.isEmpty, watch.seconds < 30, service.server.isRunning {
                    usleep(100_000)
                    Prober.Question("/v2/personas", key: service.key("other")).askAfresh(port: service.port, timeoutSeconds: 5, again)
                }
                return Outcome(
                    sent: "\(stalled) stalled readers and \(idle) idle connections at a hard limit of \(descriptorsMax) descriptors",
                    checks: [
                        Check("lists work or are 503 with Retry-After", seen: lists.text, holds: lists.isServedOrRefused),
                        Check("creates, too", seen: creates.text, holds: creates.isServedOrRefused),
                        Check(
                            "the service rests: less than \(Int((processorShareMax ?? 0) * 100)) % of a core",
                            seen: "\(Int(share * 100)) % over 3 s, with \(descriptors) descriptors",
                            holds: share < processorShareMax ?? .infinity),
                        Check(
                            "the log says once that descriptors are short",
                            seen: "\(complaints.count) lines of it, \(lines.count { $0.contains("\"level\":\"error\"") }) errors in all",
                            holds: complaints.count <= 3 && (!complaints.isEmpty || descriptors < descriptorsMax - 8)),
                        Check(
                            "afterwards it works", seen: service.server.isRunning ? again.latencies.text : "it has ended",
                            holds: !again.latencies.seconds.isEmpty),
                    ])
            }
        }
    }

    /// Row 10: headers that cost more than their bytes justify.
    /// - Parameters:
    ///   - requests: of each kind.
    ///   - millisecondsMax: of processor time for each; nil to look away.
    package static func longHeaders(requests: Int = 200, millisecondsMax: Double? = 1) -> Scenario {
        Scenario(row: "10", name: "long headers") { arena in
            try arena.withService(accounts: ["victim"], flags: ["--over-limit-wait-milliseconds", "0"]) { service in
                let paths = try service.published(by: "victim", name: "Small", images: Pictures.small(3))
                let attack = LongHeaders(account: "victim", mediaPath: paths[0])
                let checks = try attack.requests(to: service).map { name, bytes in
                    let before = try service.server.processorSeconds()
                    let answers = LongHeaders.send(bytes, times: requests, to: service)
                    let milliseconds = (try service.server.processorSeconds() - before) / Double(requests) * 1_000
                    let isAnswered = answers.keys.allSatisfy { Int($0) != nil && $0 != "500" }
                    return Check(
                        name + (millisecondsMax.map { ": less than \(Report.number($0)) ms of processor" } ?? ": answered"),
                        seen: "\(Report.number(milliseconds)) ms; \(AttackRun.text(answers))",
                        holds: isAnswered && milliseconds < millisecondsMax ?? .infinity)
                }
                return Outcome(sent: "\(requests) requests of each kind, with 8 KB of combining marks", checks: checks)
            }
        }
    }
}

extension Latencies {
    /// Whether every client got an answer, and none another refusal than 503 with `Retry-After`.
    var isServedOrRefused: Bool {
        seconds.count + failureCount > 0 && failures.keys.allSatisfy { $0.hasPrefix("503 SERVICE_UNAVAILABLE with Retry-After") }
    }
}
