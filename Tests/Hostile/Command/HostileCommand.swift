import ArgumentParser
import Foundation
import HostileLoad
import TestSupport

/// Attacks the service in every way that is known, and shows whether one client can take it away from the others.
@main
struct HostileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "PersonasHostile", abstract: "Attacks the service and shows what must hold meanwhile.",
        discussion: "The exit code is 1 if anything did not hold.")
    @Option(help: "Path of the personas executable") var personas: String
    @Option(help: "Folder for the data of the services that are started, which is removed at the end") var directory: String?
    @Option(help: "Minutes of the soak that follows the scenarios; 0 for none") var minutes = 0.0
    @Option(help: ArgumentHelp("Scenarios to run, by their rows; none for the soak alone", valueName: "ROW,…")) var only: String?
    @Option(help: "What all chance depends on") var seed: UInt64 = 1

    func validate() throws {
        guard (0...1_440).contains(minutes) else { throw ValidationError("At most 1440 minutes.") }
        let rows = Set(Scenario.all.map(\.row))
        for row in onlyRows ?? [] where !rows.contains(row) {
            throw ValidationError("There is no row \(row), only \(Scenario.all.map(\.row).joined(separator: ", ")).")
        }
    }

    private var onlyRows: [String]? {
        only.map { $0 == "none" ? [] : $0.split(separator: ",").map(String.init) }
    }

    func run() throws {
        ChildProcesses.endWithThisProcess()
        defer { ChildProcesses.endAll() }
        let folder = try directory ?? TemporaryFolder.make("hostile")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { if directory == nil { try? FileManager.default.removeItem(atPath: folder) } }
        // A thousand connections of one attack, and those of the others.
        Descriptors.raise()
        let arena = Arena(personas: personas, directory: folder, seed: seed)
        Console.note("seed \(seed)")
        var table = OutcomeTable()
        for scenario in Scenario.all where onlyRows?.contains(scenario.row) ?? true {
            add(to: &table, row: scenario.row, name: scenario.name) { try scenario.run(arena) }
        }
        if minutes > 0 {
            add(to: &table, row: "", name: "soak") { try Soak(minutes: minutes) { Console.note($0) }.run(arena) }
        }
        if !table.isEmpty { Console.line(table.text) }
        guard table.failures == 0 else { throw ExitCode.failure }
    }

    /// Runs something and adds what came of it.
    private func add(to table: inout OutcomeTable, row: String, name: String, _ run: () throws -> Outcome) {
        Console.note("\(row) \(name) …")
        let (watch, use) = (Stopwatch(), ProcessorUse.now)
        do {
            table.add(row: row, name: name, try run())
        } catch {
            table.add(row: row, name: name, Outcome(sent: "", checks: [Check("it can be measured", seen: "\(error)", holds: false)]))
        }
        let foreign = Int(ProcessorUse.now.foreign(since: use).all * 100)
        Console.note("\(row) \(name): \(table.lastVerdict), \(Int(watch.seconds)) s; other programs had \(foreign) % of the processor")
    }
}
