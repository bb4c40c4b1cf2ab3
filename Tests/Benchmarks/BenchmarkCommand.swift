import ArgumentParser
import Foundation
import TestSupport

/// Measures the service against its own targets and against a bare "hello" of the same build.
@main
struct BenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "PersonasBenchmark", abstract: "Measures speed and memory of personas on this machine.",
        subcommands: [MeasureCommand.self, HelloCommand.self, ObjectsCommand.self], defaultSubcommand: MeasureCommand.self)
}

/// The measurements.
struct MeasureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure", abstract: "Fill the stores, measure, print one table.",
        discussion: """
            Ratios are of one run on one machine. The load generator, one thread of wrk with 64 connections, shares its cores with the servers, \
            for hello and for the peers as for the service, and what is compared is measured right after one another. Where other processes, or \
            other machines of a hypervisor (steal time), had more than a twentieth of the processors, a series of reads is measured again, four \
            times at most; figures of which some stayed disturbed are marked so, and figures that matter want a quiet machine: see \
            --wait-for-quiet. The exit code is 0 whether or not targets are met; it is 1 only when something could not be measured.

            Peers are programs of other languages that answer the same reads from the same database, without log, limits or metrics; \
            .ci/benchmark --peers builds those of Tests/Benchmarks/Peers, in Go and Rust. Their answers are compared with the service's first. \
            Against Rust, the figure to wish for is 0.9 × for item and page.

            The part databases compares stores side by side: SQLite, PostgreSQL over its socket, and behind a proxy that makes a round trip of \
            0.7 ms. Images of PostgreSQL's items go to a store of objects in memory. All share this machine's cores, so that processor time \
            per request says more than rates.

            The parts connections, waits and streams need a limit of 12,000 file descriptors (ulimit -n) for itself and as many for the service.
            """)
    @Option(help: "Path of the personas executable, of the same build") var personas: String
    @Option(help: "Folder for the stores, which are kept for the next run") var directory = ".build/benchmark"
    @Option(help: "Items in the large store") var items = 1_000_000
    @Option(help: "Items in the small store, to measure growth from") var smallItems = 10_000
    @Option(help: "Seconds of one measurement") var seconds = 5
    @Option(help: "Rounds, of which medians are taken") var rounds = 5
    @Option(help: ArgumentHelp("Parts to run: \(Part.allCases.map(\.rawValue).joined(separator: ", "))", valueName: "LIST"))
    var only = Part.allCases.map(\.rawValue).joined(separator: ",")
    @Option(help: ArgumentHelp("Compare reads with the peers in this folder", valueName: "FOLDER")) var peers: String?
    @Option(help: ArgumentHelp("Wait before each round until the machine is quiet, so many seconds at most", valueName: "SECONDS"))
    var waitForQuiet = 0

    /// What can be measured by itself.
    enum Part: String, CaseIterable {
        case memory, connections, waits, streams, reads, searches, creates, flood, bodies, databases
    }

    func validate() throws {
        guard smallItems >= 1_000, items >= smallItems, (1...600).contains(seconds), (1...99).contains(rounds), waitForQuiet >= 0 else {
            throw ValidationError(
                "At least 1000 items, no fewer in the large store than in the small one, 1 to 600 seconds, 1 to 99 rounds.")
        }
        if let unknown = only.split(separator: ",").first(where: { Part(rawValue: String($0)) == nil }) {
            throw ValidationError("There is no part \(unknown).")
        }
    }

    func run() throws {
        ChildProcesses.endWithThisProcess()
        defer { ChildProcesses.endAll() }
        do {
            try measure()
        } catch {
            Console.note("benchmark: \(error)")
            throw ExitCode.failure
        }
    }

    private func measure() throws {
        var report = Report()
        report.describe("machine", "\(ProcessInfo.processInfo.activeProcessorCount) cores, shared by servers and load generator")
        var parts = Set(only.split(separator: ",").compactMap { Part(rawValue: String($0)) })
        // Measured within this process: without a server, and without a store to fill first.
        if parts.remove(.bodies) != nil { BodyMeasurements(rounds: rounds).run(&report) }
        if !parts.isEmpty { try measureService(parts, &report) }
        Console.line(report.text)
    }

    private func measureService(_ parts: Set<Part>, _ report: inout Report) throws {
        if parts.contains(.databases) { try measureDatabases(&report) }
        if parts == [.databases] { return }
        let large = try BenchmarkStore.prepared(in: "\(directory)/\(items)", items: items, personas: personas)
        let small = try BenchmarkStore.prepared(in: "\(directory)/\(smallItems)", items: smallItems, personas: personas)
        for store in [large, small] { report.describe("store", try store.description()) }
        report.describe(
            "method",
            "medians of \(rounds) rounds, \(seconds) s each, in turn with what they are compared with, \(ReadLoad.connections) connections for reads"
        )
        let quiet = QuietMachine(secondsMax: waitForQuiet)
        if parts.contains(.memory) { try MemoryMeasurements(personas: personas, store: large).run(&report) }
        if parts.contains(.connections) {
            try ConnectionMeasurements(personas: personas, store: small, rounds: rounds, quiet: quiet).run(&report)
        }
        if parts.contains(.streams) { try StreamMeasurements(personas: personas, store: small, quiet: quiet).run(&report) }
        if parts.contains(.waits) { try WaitMeasurements(personas: personas, store: small, quiet: quiet).run(&report) }
        if parts.contains(.reads) {
            try ReadMeasurements(
                personas: personas, large: large, small: small, peers: peers.map(PeerServers.init), seconds: seconds, rounds: rounds,
                quiet: quiet
            ).run(&report)
        }
        if parts.contains(.searches) {
            try SearchMeasurements(personas: personas, large: large, small: small, rounds: rounds, quiet: quiet).run(&report)
        }
        if parts.contains(.creates) {
            try CreateMeasurements(personas: personas, store: large, seconds: seconds, rounds: rounds, quiet: quiet).run(&report)
        }
        if parts.contains(.flood) {
            try FloodMeasurements(personas: personas, store: small, seconds: seconds, rounds: rounds, quiet: quiet).run(&report)
        }
    }

    private func measureDatabases(_ report: inout Report) throws {
        let store = try BenchmarkStore.prepared(in: "\(directory)/\(smallItems)", items: smallItems, personas: personas)
        try DatabaseMeasurements(
            personas: personas, store: store, seconds: seconds, rounds: rounds, quiet: QuietMachine(secondsMax: waitForQuiet)
        ).run(&report)
    }
}
