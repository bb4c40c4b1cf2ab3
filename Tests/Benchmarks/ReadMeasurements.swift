import Foundation
import TestSupport

/// Reads against hello, and reads of a large store against those of a small one.
struct ReadMeasurements {
    private static let pathsMax = 10_000
    /// Measurements of a pair at most, until one is disturbed by no more than this.
    private static let attempts = 4
    private static let foreignShareMax = 0.05

    let personas: String
    let large: BenchmarkStore
    let small: BenchmarkStore
    let seconds: Int
    let rounds: Int

    /// One kind of request to one server.
    private struct Read {
        let name: String
        let server: ServerProcess
        let paths: [String]
        let key: String?
        let status: Int
        var outcomes: [ReadLoad.Outcome] = []
        /// The rates as multiples of those of hello just before.
        var ratios: [Double] = []

        var rate: Double { outcomes.map(\.rate).median }
        var processorMicroseconds: Double { outcomes.map(\.processorMicroseconds).median }
    }

    func run(_ report: inout Report) throws {
        let directory = URL(fileURLWithPath: large.directory).deletingLastPathComponent().path
        let load = try ReadLoad(directory: directory, seconds: seconds)
        let hello = try ServerProcess.hello(logPath: "\(directory)/hello.log")
        defer { hello.stop() }
        let largeServer = try ServerProcess.personas(personas, store: large)
        defer { largeServer.stop() }
        let smallServer = small.directory == large.directory ? nil : try ServerProcess.personas(personas, store: small)
        defer { smallServer?.stop() }

        var reads = try self.reads(hello: hello, largeServer)
        if let smallServer { reads += try growthReads(smallServer) }
        for round in 1...rounds {
            for index in reads.indices.dropFirst() {
                let (hello, outcome) = try undisturbed(reads[0], reads[index], load, round)
                reads[0].outcomes.append(hello)
                reads[index].outcomes.append(outcome)
                reads[index].ratios.append(outcome.rate / hello.rate)
            }
            let rates = reads.map { "\($0.name) \(Int($0.outcomes.last?.rate ?? 0))" }
            Console.note("Reads, round \(round) of \(rounds): " + rates.joined(separator: ", "))
        }
        describe(reads, &report)
    }

    /// Measures hello and another read next to each other, so that both see the same machine, again if other processes took part of it.
    private func undisturbed(
        _ hello: Read, _ read: Read, _ load: ReadLoad, _ round: Int
    ) throws -> (ReadLoad.Outcome, ReadLoad.Outcome) {
        var best: (ReadLoad.Outcome, ReadLoad.Outcome)?
        for _ in 1...Self.attempts {
            let pair = (try run(hello, load, round), try run(read, load, round))
            let share = max(pair.0.foreignShare, pair.1.foreignShare)
            if let best, max(best.0.foreignShare, best.1.foreignShare) <= share { continue }
            best = pair
            if share < Self.foreignShareMax { break }
        }
        guard let best else { throw MeasurementFailed("nothing was measured") }
        return best
    }

    private func run(_ read: Read, _ load: ReadLoad, _ round: Int) throws -> ReadLoad.Outcome {
        try load.run(read.server, paths: read.paths, key: read.key, expecting: read.status, seed: round)
    }

    private func reads(hello: ServerProcess, _ server: ServerProcess) throws -> [Read] {
        let ids = try large.personaIDs(atMost: Self.pathsMax)
        var generator = SplitMix64(seed: 3)
        let unknown = (0..<Self.pathsMax).map { _ in "/v2/personas/\(UUID.random(using: &generator).uuidString.lowercased())" }
        let items = ids.map { "/v2/personas/\($0)" }
        let wrongKey = large.key.dropLast(38) + String(repeating: "0", count: 38)
        return [
            Read(name: "hello", server: hello, paths: ["/hello"], key: large.key, status: 200),
            Read(name: "get", server: server, paths: items, key: large.key, status: 200),
            Read(name: "page", server: server, paths: try pages(of: large, server), key: large.key, status: 200),
            Read(name: "401, no key", server: server, paths: items, key: nil, status: 401),
            Read(name: "401, unknown key", server: server, paths: items, key: String(wrongKey), status: 401),
            Read(name: "404, unknown item", server: server, paths: unknown, key: large.key, status: 404),
            Read(name: "404, unknown path", server: server, paths: ["/v2/nothing"], key: large.key, status: 404),
        ]
    }

    private func growthReads(_ server: ServerProcess) throws -> [Read] {
        let items = try small.personaIDs(atMost: Self.pathsMax).map { "/v2/personas/\($0)" }
        return [
            Read(name: "get, small store", server: server, paths: items, key: small.key, status: 200),
            Read(name: "page, small store", server: server, paths: try pages(of: small, server), key: small.key, status: 200),
        ]
    }

    /// Pages of 20 from all over the account's list, whose cursors are collected by walking it to its end.
    private func pages(of store: BenchmarkStore, _ server: ServerProcess) throws -> [String] {
        let connection = try Connection(port: server.port)
        var paths = ["/v2/personas?limit=20"]
        var cursor: String?
        repeat {
            let path = "/v2/personas?limit=100" + (cursor.map { "&cursor=\($0)" } ?? "")
            cursor = try connection.exchange("GET", path, key: store.key).member("next_cursor")
            if let cursor { paths.append("/v2/personas?limit=20&cursor=\(cursor)") }
        } while cursor != nil
        // The last one may lead to fewer than 20 items.
        return Array(paths.dropLast())
    }

    private func describe(_ reads: [Read], _ report: inout Report) {
        let hello = reads[0]
        report.add("hello", "\(Int(hello.rate)) requests/s, \(Report.number(hello.processorMicroseconds)) µs of processor each")
        let disturbance = reads.flatMap(\.outcomes).map(\.foreignShare)
        report.add(
            "disturbance of reads", "by other processes, share of the processors",
            value: disturbance.median * 100, unit: " %, at most \(Report.number((disturbance.max() ?? 0) * 100)) %")
        let targets = [
            "get": 0.5, "page": 0.25, "401, no key": 0.6, "401, unknown key": 0.6, "404, unknown item": 0.6, "404, unknown path": 0.6,
        ]
        for read in reads {
            guard let target = targets[read.name] else { continue }
            report.add(
                read.name, "\(Int(read.rate)) requests/s, \(Report.number(read.processorMicroseconds)) µs of processor each",
                value: read.ratios.median, unit: " × hello", target: .atLeast(target))
        }
        for name in ["get", "page"] {
            guard let before = reads.first(where: { $0.name == "\(name), small store" }),
                let after = reads.first(where: { $0.name == name })
            else { continue }
            let range = "from \(small.items) to \(large.items) items"
            let times = zip(before.ratios, after.ratios).map { $0 / $1 }
            report.add(
                "growth of \(name), time", "\(range): \(Int(before.rate)) to \(Int(after.rate)) requests/s", value: times.median,
                unit: " ×",
                target: .below(1.3))
            let costs = zip(before.outcomes, after.outcomes).map { $1.processorMicroseconds / $0.processorMicroseconds }
            report.add(
                "growth of \(name), processor",
                "\(range): \(Report.number(before.processorMicroseconds)) to \(Report.number(after.processorMicroseconds)) µs each",
                value: costs.median, unit: " ×", target: .below(1.3))
        }
    }
}

extension UUID {
    /// A random UUID from a generator of one's choice.
    fileprivate static func random(using generator: inout SplitMix64) -> UUID {
        let words = (generator.next(), generator.next())
        return withUnsafeBytes(of: words) { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }
}
