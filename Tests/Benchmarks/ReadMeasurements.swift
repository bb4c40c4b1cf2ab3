import Foundation
import TestSupport

/// Reads against hello and against peers, and reads of a large store against those of a small one.
struct ReadMeasurements {
    private static let pathsMax = 10_000
    /// Measurements of one series at most, until one is disturbed next to not at all.
    private static let attempts = 4

    let personas: String
    let large: BenchmarkStore
    let small: BenchmarkStore
    let peers: PeerServers?
    let seconds: Int
    let rounds: Int
    let quiet: QuietMachine

    /// One kind of request to one server.
    private struct Read {
        let name: String
        let server: ServerProcess
        let paths: [String]
        let key: String?
        let status: Int
    }

    /// One kind of request to the service, and what that is compared with, which is measured right before it.
    private struct Series {
        let name: String
        /// By the name of what is compared with, how many times its rate the service's has to be.
        let targets: [String: Double]
        /// The service is the last one.
        let reads: [Read]
        /// Of each round, in the order of `reads`.
        var rounds: [[ReadLoad.Outcome]] = []

        var isDisturbed: Bool { rounds.contains { $0.contains { !$0.foreign.isQuiet } } }

        /// The median over all rounds of something of the service and of what it is compared with.
        func median(with name: String, _ figure: (_ service: ReadLoad.Outcome, _ other: ReadLoad.Outcome) -> Double) -> Double? {
            guard let index = reads.firstIndex(where: { $0.name == name }) else { return nil }
            return rounds.compactMap { outcomes in outcomes.last.map { figure($0, outcomes[index]) } }.median
        }
    }

    private static let service = "service"
    private static let hello = "hello"
    private static let smallStore = "small store"
    private static let growthMax = 1.15

    func run(_ report: inout Report) throws {
        let directory = URL(fileURLWithPath: large.directory).deletingLastPathComponent().path
        let load = try ReadLoad(directory: directory, seconds: seconds)
        let hello = try ServerProcess.hello(logPath: "\(directory)/hello.log")
        defer { hello.stop() }
        let largeServer = try ServerProcess.personas(personas, store: large)
        defer { largeServer.stop() }
        let smallServer = small.directory == large.directory ? nil : try ServerProcess.personas(personas, store: small)
        defer { smallServer?.stop() }
        // After the service, which brings an older store to its present schema.
        let peerServers = try peers?.start(on: large) ?? []
        defer { for peer in peerServers { peer.server.stop() } }

        var all = try series(hello: hello, largeServer, smallServer, peerServers)
        for round in 1...rounds {
            quiet.wait()
            for index in all.indices { all[index].rounds.append(try leastDisturbed(all[index], load, round)) }
            let rates = all.map { "\($0.name) \(Int($0.rounds.last?.last?.rate ?? 0))" }
            Console.note("Reads, round \(round) of \(rounds): " + rates.joined(separator: ", "))
        }
        describe(all, &report)
    }

    /// Measures a series, so that all of it sees the same machine, again if others took part of it.
    private func leastDisturbed(_ series: Series, _ load: ReadLoad, _ round: Int) throws -> [ReadLoad.Outcome] {
        var best: (outcomes: [ReadLoad.Outcome], share: Double)?
        for _ in 1...Self.attempts {
            let outcomes = try series.reads.map {
                try load.run($0.server, paths: $0.paths, key: $0.key, expecting: $0.status, seed: round)
            }
            let share = outcomes.map(\.foreign.all).max() ?? 0
            if best.map({ share < $0.share }) ?? true { best = (outcomes, share) }
            if share < ForeignShare.quietMax { break }
        }
        return best?.outcomes ?? []
    }

    private func series(
        hello: ServerProcess, _ server: ServerProcess, _ smallServer: ServerProcess?, _ peers: [(name: String, server: ServerProcess)]
    ) throws -> [Series] {
        let items = try large.personaIDs(atMost: Self.pathsMax).map { "/v2/personas/\($0)" }
        let pages = try Self.pages(for: large.key, server)
        var generator = SplitMix64(seed: 3)
        let unknown = (0..<Self.pathsMax).map { _ in "/v2/personas/\(UUID.random(using: &generator).uuidString.lowercased())" }
        let wrongKey = String(large.key.dropLast(38) + String(repeating: "0", count: 38))

        func series(
            _ name: String, _ paths: [String], key: String?, _ status: Int, _ targets: [String: Double], small smallPaths: [String] = []
        ) throws -> Series {
            var reads = [Read(name: Self.hello, server: hello, paths: ["/hello"], key: large.key, status: 200)]
            for peer in peers where targets[peer.name] != nil {
                try PeerServers.check(peer.name, peer.server, against: server, paths: paths, key: key)
                reads.append(Read(name: peer.name, server: peer.server, paths: paths, key: key, status: status))
            }
            if let smallServer, !smallPaths.isEmpty {
                reads.append(Read(name: Self.smallStore, server: smallServer, paths: smallPaths, key: small.key, status: status))
            }
            reads.append(Read(name: Self.service, server: server, paths: paths, key: key, status: status))
            return Series(name: name, targets: targets, reads: reads)
        }
        let smallItems = try small.personaIDs(atMost: Self.pathsMax).map { "/v2/personas/\($0)" }
        return [
            try series("item", items, key: large.key, 200, [Self.hello: 0.75, "Go": 1.4, "Rust": 0.75], small: smallItems),
            try series(
                "page", pages, key: large.key, 200, [Self.hello: 0.3, "Go": 1.6, "Rust": 0.5],
                small: try smallServer.map { try Self.pages(for: small.key, $0) } ?? []),
            try series("401, no key", items, key: nil, 401, [Self.hello: 0.9, "Go": 1.2, "Rust": 0]),
            try series("401, unknown key", items, key: wrongKey, 401, [Self.hello: 0.9]),
            try series("404, unknown item", unknown, key: large.key, 404, [Self.hello: 0.9, "Go": 1.2, "Rust": 0]),
            try series("404, unknown path", ["/v2/nothing"], key: large.key, 404, [Self.hello: 0.6]),
        ]
    }

    /// Pages of 20 from all over the account's list, whose cursors are collected by walking it to its end.
    static func pages(for key: String, _ server: ServerProcess) throws -> [String] {
        let connection = try Connection(port: server.port)
        var paths = ["/v2/personas?limit=20"]
        var cursor: String?
        repeat {
            let path = "/v2/personas?limit=100" + (cursor.map { "&cursor=\($0)" } ?? "")
            cursor = try connection.exchange("GET", path, key: key).member("next_cursor")
            if let cursor { paths.append("/v2/personas?limit=20&cursor=\(cursor)") }
        } while cursor != nil
        // The last one may lead to fewer than 20 items.
        return Array(paths.dropLast())
    }

    private func describe(_ all: [Series], _ report: inout Report) {
        let outcomes = all.flatMap(\.rounds).flatMap { $0 }
        let shares = outcomes.map { $0.foreign.all * 100 }
        let stolen = outcomes.map { $0.foreign.machines * 100 }
        let noisy = outcomes.count { !$0.foreign.isQuiet }
        report.add(
            "disturbance of reads", "\(noisy) of \(outcomes.count) measurements; of it steal \(Report.number(stolen.median)) %",
            value: shares.median, unit: " %, at most \(Report.number(shares.max() ?? 0)) %")
        for (index, series) in all.enumerated() {
            if index == 0 { report.add(Self.hello, cost(of: series, Self.hello)) }
            report.add(series.name, cost(of: series, Self.service))
            for name in [Self.hello] + PeerServers.names {
                guard let target = series.targets[name], let ratio = series.median(with: name, { $0.rate / $1.rate }) else { continue }
                report.add(
                    "", name == Self.hello ? "" : cost(of: series, name), value: ratio, unit: " × \(name)",
                    target: target > 0 ? .atLeast(target) : nil, isDisturbed: series.isDisturbed)
            }
            describeGrowth(of: series, &report)
        }
        guard let item = all.first,
            let ratio = item.median(with: Self.hello, { $0.slowestHundredthMicroseconds / $1.slowestHundredthMicroseconds })
        else { return }
        func slowest(_ name: String) -> String {
            item.median(with: name) { Double($1.slowestHundredthMicroseconds) }.map(Report.number) ?? ""
        }
        report.add(
            "item, 99 of 100 within", "\(slowest(Self.service)) µs; hello \(slowest(Self.hello)) µs", value: ratio, unit: " × hello",
            target: .atMost(2), isDisturbed: item.isDisturbed)
    }

    private func describeGrowth(of series: Series, _ report: inout Report) {
        let range = "from \(small.items) to \(large.items) items"
        if let times = series.median(with: Self.smallStore, { $1.rate / $0.rate }) {
            report.add(
                "growth of \(series.name), time", range, value: times, unit: " ×", target: .below(Self.growthMax),
                isDisturbed: series.isDisturbed)
        }
        if let costs = series.median(with: Self.smallStore, { $0.processorMicroseconds / $1.processorMicroseconds }) {
            report.add(
                "growth of \(series.name), processor", range, value: costs, unit: " ×", target: .below(Self.growthMax),
                isDisturbed: series.isDisturbed)
        }
    }

    private func cost(of series: Series, _ name: String) -> String {
        let rate = series.median(with: name) { $1.rate } ?? 0
        let microseconds = series.median(with: name) { $1.processorMicroseconds } ?? 0
        let whose = [Self.service, Self.hello].contains(name) ? "" : "\(name): "
        return "\(whose)\(Int(rate)) requests/s, \(Report.number(microseconds)) µs of processor each"
    }
}

extension UUID {
    /// A random UUID from a generator of one's choice.
    fileprivate static func random(using generator: inout SplitMix64) -> UUID {
        let words = (generator.next(), generator.next())
        return withUnsafeBytes(of: words) { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }
}
