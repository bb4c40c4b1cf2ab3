import Foundation
import TestPostgres
import TestSupport

/// Reads and creates on each kind of store, side by side: the same requests, through HTTP, with what each process spends on them.
struct DatabaseMeasurements {
    /// Milliseconds from a request to the database to its answer, beside what the database does: two machines of one region, in two of its places.
    private static let roundTripMilliseconds = 0.7
    private static let callers = [1, 8, 64]
    private static let pathsMax = 10_000

    let personas: String
    let store: BenchmarkStore
    let seconds: Int
    let rounds: Int
    let quiet: QuietMachine

    /// A server with its store.
    private struct Contestant {
        let name: String
        let server: ServerProcess
        let key: String
        let items: [String]
        let pages: [String]
        /// What works for the server in other processes, each with its processor time so far, in seconds.
        let others: [(name: String, seconds: () throws -> Double)]
        /// Bytes of the database's log so far.
        let logBytes: () throws -> Double
    }

    /// What one load of one contestant came to.
    private struct Outcome {
        let rate: Double
        /// Of the service, then of the others, per request.
        let microseconds: [Double]
        let logBytes: Double
        let isDisturbed: Bool
    }

    private enum Kind: String, CaseIterable {
        case item, page, create
    }

    func run(_ report: inout Report) throws {
        let copy = try copiedStore()
        defer { try? FileManager.default.removeItem(atPath: copy.directory) }
        let database = try BenchmarkDatabase(items: store.items, personas: personas)
        defer { database.stop() }
        let proxy = try DelayingProxy(to: database.server.socketPath, milliseconds: Self.roundTripMilliseconds / 2)
        defer { proxy.stop() }
        // Nobody trains, so that a create is what it is, and not what follows from it.
        let flags = ["--trainer", "worker"]
        let servers = [
            try ServerProcess.personas(personas, store: copy, flags: flags), try database.start(through: nil, flags: flags),
            try database.start(through: proxy, flags: flags),
        ]
        defer { for server in servers { server.stop() } }
        let contestants = try contestants(copy, database, servers)
        describe(database, try database.bytes(), &report)
        var outcomes: [String: [Outcome]] = [:]
        for round in 1...rounds {
            for kind in Kind.allCases {
                for callers in Self.callers {
                    quiet.wait()
                    for contestant in contestants {
                        let outcome = try measure(kind, contestant, callers, round)
                        outcomes["\(kind) \(callers) \(contestant.name)", default: []].append(outcome)
                        Console.note(
                            "Round \(round) of \(rounds): \(kind), \(callers), \(contestant.name): \(Report.number(outcome.rate))/s, "
                                + "\(outcome.microseconds.map(Report.number).joined(separator: " + ")) µs")
                    }
                }
            }
        }
        describe(contestants, outcomes, &report)
    }

    /// A copy, because what is created stays.
    private func copiedStore() throws -> BenchmarkStore {
        let copy = BenchmarkStore(directory: "\(store.directory).copy", items: store.items, key: store.key)
        if FileManager.default.fileExists(atPath: copy.directory) { try FileManager.default.removeItem(atPath: copy.directory) }
        _ = try Program.output("cp", ["-a", store.directory, copy.directory])
        return copy
    }

    private func contestants(_ copy: BenchmarkStore, _ database: BenchmarkDatabase, _ servers: [ServerProcess]) throws -> [Contestant] {
        let sqliteItems = try copy.personaIDs(atMost: Self.pathsMax).map { "/v2/personas/\($0)" }
        let items = try database.personaIDs(atMost: Self.pathsMax).map { "/v2/personas/\($0)" }
        let others: [(name: String, seconds: () throws -> Double)] = [
            ("PostgreSQL", database.server.processorSeconds), ("bucket", database.objects.processorSeconds),
        ]
        let sqlite = Contestant(
            name: "SQLite", server: servers[0], key: copy.key, items: sqliteItems,
            pages: try ReadMeasurements.pages(for: copy.key, servers[0]), others: [], logBytes: { 0 })
        let pages = try ReadMeasurements.pages(for: database.key, servers[1])
        let names = ["PostgreSQL, socket", "PostgreSQL, \(Self.roundTripMilliseconds) ms"]
        return [sqlite]
            + zip(names, servers[1...]).map { name, server in
                Contestant(
                    name: name, server: server, key: database.key, items: items, pages: pages, others: others, logBytes: database.logBytes)
            }
    }

    private func measure(_ kind: Kind, _ contestant: Contestant, _ callers: Int, _ round: Int) throws -> Outcome {
        let before = try spent(contestant)
        let logBefore = try contestant.logBytes()
        let (count, rate, isDisturbed): (Double, Double, Bool)
        switch kind {
        case .item, .page:
            let directory = URL(fileURLWithPath: store.directory).deletingLastPathComponent().path
            let outcome = try ReadLoad(directory: directory, seconds: seconds).run(
                contestant.server, paths: kind == .item ? contestant.items : contestant.pages, key: contestant.key, expecting: 200,
                seed: round, connections: callers
            ) { try contestant.others.reduce(0) { $0 + (try $1.seconds()) } }
            (count, rate, isDisturbed) = (outcome.requests, outcome.rate, !outcome.foreign.isQuiet)
        case .create:
            let start = ProcessorUse.now
            let load = CreateLoad(port: contestant.server.port, key: contestant.key, imageWidth: 141)
            let outcome = try load.creates(connections: callers, seconds: Double(seconds))
            let own = try zip(spent(contestant), before).reduce(0) { $0 + $1.0 - $1.1 }
            (count, rate) = (Double(outcome.ids.count), outcome.rate)
            isDisturbed = !ProcessorUse.now.foreign(since: start, own: own).isQuiet
            contestant.server.emptyLog()
        }
        let after = try spent(contestant)
        return Outcome(
            rate: rate, microseconds: zip(after, before).map { ($0 - $1) / count * 1_000_000 },
            logBytes: (try contestant.logBytes() - logBefore) / count, isDisturbed: isDisturbed)
    }

    /// Processor time of the service and of the others so far, in seconds.
    private func spent(_ contestant: Contestant) throws -> [Double] {
        [try contestant.server.processorSeconds()] + (try contestant.others.map { try $0.seconds() })
    }

    private func describe(_ database: BenchmarkDatabase, _ bytes: Double, _ report: inout Report) {
        report.describe(
            "databases",
            """
            \(store.items) items each; PostgreSQL's take \(Int(bytes / Double(store.items))) bytes with all indexes; medians of \(rounds) rounds, \
            \(seconds) s each, in turn; images of 3 × 20 KB in files and in a bucket in memory; nobody trains
            """)
    }

    private func describe(_ contestants: [Contestant], _ outcomes: [String: [Outcome]], _ report: inout Report) {
        for kind in Kind.allCases {
            for callers in Self.callers {
                func found(_ contestant: Contestant) -> [Outcome] { outcomes["\(kind) \(callers) \(contestant.name)"] ?? [] }
                let base = contestants.first.map { found($0).map(\.rate) } ?? []
                for (number, contestant) in contestants.enumerated() {
                    let own = found(contestant)
                    let parts = (["service"] + contestant.others.map(\.name)).enumerated().map { index, name in
                        "\(name) \(Report.number(own.map { $0.microseconds[index] }.median))"
                    }
                    let log = kind == .create && number > 0 ? ", log \(Report.number(own.map(\.logBytes).median / 1_000)) kB" : ""
                    report.add(
                        number == 0 ? "\(kind), \(callers) \(callers == 1 ? "caller" : "callers")" : "",
                        "\(contestant.name): \(Report.number(own.map(\.rate).median))/s; µs of processor each: "
                            + "\(parts.joined(separator: ", "))\(log)",
                        value: number == 0 ? nil : zip(own.map(\.rate), base).map { $0 / $1 }.median, unit: " × SQLite",
                        isDisturbed: own.contains(where: \.isDisturbed))
                }
            }
        }
    }
}
