import Foundation
import Synchronization
import TestSupport
import Testing

/// Rounds of a start, a comparison with the ledger, work of many clients, and a kill.
final class CrashRounds: Sendable {
    /// What goes on when the service is killed.
    private enum Moment {
        /// Anything.
        case after(Duration)
        /// A certain call.
        case at(FaultInjector.Call, FaultInjector.Target, number: Int, isDone: Bool)
    }

    /// Jobs in hand at a kill are taken up again when their leases are over. A job may be killed under many workers before one ends it.
    private static let flags = ["--lease-seconds", "1", "--training-attempts-max", "100"] + CreditBook.flags

    let ledger = Ledger()
    /// What the trainings cost and what operators give.
    let credits: CreditBook
    let key: Key
    private let stage: Stage
    private let faults: FaultInjector
    private let trainer: Key
    private let exact = Atomic(0)

    /// How many of the kills came at a certain call.
    var exactKills: Int { exact.load(ordering: .relaxed) }

    init(stage: Stage, faults: FaultInjector, key: Key, trainer: Key) {
        self.stage = stage
        credits = CreditBook(stage: stage)
        self.faults = faults
        self.key = key
        self.trainer = trainer
    }

    /// Starts the service, looks at everything, and kills it at work.
    func run(_ round: Int, _ random: inout SplitMix64) async throws {
        faults.clear()
        if Int.random(in: 0..<4, using: &random) == 0 { try await killStart(&random) }
        let hasWorkers = Bool.random(using: &random)
        let service = try await stage.serve(
            Self.flags + ["--trainer", hasWorkers ? "worker" : "embedded"], environment: faults.environment)
        let incoming = try FileManager.default.contentsOfDirectory(atPath: "\(stage.data)/media/incoming")
        if !incoming.isEmpty { ledger.note(problem: "half-stored files were left: \(incoming)") }
        try await check(service, hasWorkers: hasWorkers)
        let moment = Self.moment(&random)
        let seeds = (0..<(hasWorkers ? 10 : 8)).map { _ in random.next() }
        try await work(service, round: round, seeds: seeds, workers: hasWorkers ? 2 : 0, killAt: moment)
    }

    /// Compares; where no trainer runs in the service, one of the product's own workers has to end every job.
    private func check(_ service: RunningService, hasWorkers: Bool) async throws {
        let worker =
            hasWorkers ? try stage.start(["worker", "--server", service.address, "--key", trainer.secret], data: nil) : nil
        try await check(service.client(key), everything: false)
        try await worker?.kill()
    }

    /// Compares with the ledgers.
    /// - Parameter everything: also what was compared before.
    func check(_ client: Client, everything: Bool) async throws {
        try await ledger.check(client, everyImage: everything)
        // Nobody here tries anything again.
        try await credits.check(client, trainings: Dictionary(uniqueKeysWithValues: ledger.known.map { ($0, 1) }), isWhole: everything)
        for problem in credits.problems { ledger.note(problem: problem) }
    }

    private static func moment(_ random: inout SplitMix64) -> Moment {
        guard Bool.random(using: &random) else { return .after(.milliseconds(.random(in: 30..<400, using: &random))) }
        let calls: [(FaultInjector.Call, FaultInjector.Target, Int)] = [
            (.sync, .database, 15), (.write, .database, 120), (.write, .media, 20), (.sync, .media, 40), (.rename, .media, 20),
            (.create, .media, 20), (.unlink, .media, 4),
        ]
        let (call, target, most) = calls[Int.random(in: calls.indices, using: &random)]
        return .at(call, target, number: .random(in: 1...most, using: &random), isDone: .random(using: &random))
    }

    /// Kills a server that is about to open its data.
    private func killStart(_ random: inout SplitMix64) async throws {
        let calls = Set([FaultInjector.Call.sync, .write, .create, .unlink])
        faults.set(.killBefore, on: calls, of: [.database], from: .random(in: 1...20, using: &random))
        let process = try stage.start(["serve", "--port", "0"], data: stage.data, environment: faults.environment)
        try await Task.sleep(for: .milliseconds(Int.random(in: 0..<200, using: &random)))
        try await process.kill()
        faults.clear()
    }

    /// Has clients and workers call until the service is killed under them.
    private func work(_ service: RunningService, round: Int, seeds: [UInt64], workers: Int, killAt moment: Moment) async throws {
        let kill = Kill()
        let living = ledger.living.sorted { $0.id < $1.id }
        let clients = seeds.count - workers
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, seed) in seeds.enumerated() {
                let label = "\(round)-\(index)"
                guard index < clients else {
                    let worker = LedgerWorker(ledger: ledger, client: service.client(trainer), label: label, seed: seed)
                    group.addTask {
                        var worker = worker
                        await kill.call(self.ledger.note) { try await worker.step() }
                    }
                    continue
                }
                let client = LedgerClient(
                    ledger: ledger, client: service.client(key), label: label, seed: seed,
                    own: living.enumerated().filter { $0.offset % clients == index }.map { ($0.element.id, $0.element.mode) })
                group.addTask {
                    var client = client
                    await kill.call(self.ledger.note) { try await client.step() }
                }
            }
            let amount = Int(seeds[0] % 60) - 20
            group.addTask { try await self.credits.adjust(by: amount < 0 ? amount : amount + 1, note: "round \(round)") }
            try await self.kill(service.process, kill, at: moment)
            try await group.waitForAll()
        }
        if service.process.exit != .signal(SIGKILL) {
            ledger.note(problem: "the service ended with \(String(describing: service.process.exit))")
        }
    }

    private func kill(_ process: ChildProcess, _ kill: Kill, at moment: Moment) async throws {
        switch moment {
        case .after(let pause):
            try await Task.sleep(for: pause)
            kill.begin()
            try await process.kill()
        case .at(let call, let target, let number, let isDone):
            kill.begin()
            faults.set(isDone ? .killAfter : .killBefore, on: [call], of: [target], from: number)
            if await comesTrue(within: .seconds(3), { process.exit != nil }) { exact.wrappingAdd(1, ordering: .relaxed) }
            try await process.kill()
        }
        kill.end()
    }
}
