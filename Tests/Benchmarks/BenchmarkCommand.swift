import ArgumentParser
import Foundation
import TestSupport

/// Measures the service against its own targets and against a bare "hello" of the same build.
@main
struct BenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "PersonasBenchmark", abstract: "Measures speed and memory of personas on this machine.",
        subcommands: [MeasureCommand.self, HelloCommand.self], defaultSubcommand: MeasureCommand.self)
}

/// The measurements.
struct MeasureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure", abstract: "Fill the stores, measure, print one table.",
        discussion: """
            Ratios are of one run on one machine. The load generator shares its cores with the servers, for hello as for the service. The exit \
            code is 0 whether or not targets are met; it is 1 only when something could not be measured.
            """)
    @Option(help: "Path of the personas executable, of the same build") var personas: String
    @Option(help: "Folder for the stores, which are kept for the next run") var directory = ".build/benchmark"
    @Option(help: "Items in the large store") var items = 1_000_000
    @Option(help: "Items in the small store, to measure growth from") var smallItems = 10_000
    @Option(help: "Seconds of one measurement") var seconds = 5
    @Option(help: "Rounds, of which medians are taken") var rounds = 3
    @Option(help: ArgumentHelp("Parts to run: memory, reads, creates, flood, bodies", valueName: "LIST"))
    var only = "memory,reads,creates,flood,bodies"

    func validate() throws {
        guard smallItems >= 1_000, items >= smallItems, (1...600).contains(seconds), (1...99).contains(rounds) else {
            throw ValidationError(
                "At least 1000 items, no fewer in the large store than in the small one, 1 to 600 seconds, 1 to 99 rounds.")
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
        var parts = Set(only.split(separator: ",").map(String.init))
        // Measured within this process: without a server, and without a store to fill first.
        if parts.remove("bodies") != nil { BodyMeasurements(rounds: rounds).run(&report) }
        if !parts.isEmpty { try measureService(parts, &report) }
        Console.line(report.text)
    }

    private func measureService(_ parts: Set<String>, _ report: inout Report) throws {
        let large = try BenchmarkStore.prepared(in: "\(directory)/\(items)", items: items, personas: personas)
        let small = try BenchmarkStore.prepared(in: "\(directory)/\(smallItems)", items: smallItems, personas: personas)
        for store in [large, small] { report.describe("store", try store.description()) }
        report.describe("method", "medians of \(rounds) rounds, \(seconds) s each, hello and service in turn, 64 connections for reads")
        if parts.contains("memory") { try MemoryMeasurements(personas: personas, store: large).run(&report) }
        if parts.contains("reads") {
            try ReadMeasurements(personas: personas, large: large, small: small, seconds: seconds, rounds: rounds).run(&report)
        }
        if parts.contains("creates") {
            try CreateMeasurements(personas: personas, store: large, seconds: seconds, rounds: rounds).run(&report)
        }
        if parts.contains("flood") {
            try FloodMeasurements(personas: personas, store: small, seconds: seconds, rounds: rounds).run(&report)
        }
    }
}
