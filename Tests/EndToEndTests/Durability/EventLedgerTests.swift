import Foundation
import TestSupport
import Testing

/// What happened is told once and in order, through kill -9. `PERSONAS_KILLS` sets how often the service is killed, `PERSONAS_SEED` when.
@Suite("Events under kills", .timeLimit(.minutes(60)))
struct EventLedgerTests {
    private static let kills = ProcessInfo.processInfo.environment["PERSONAS_KILLS"].flatMap(Int.init) ?? 5
    private static let seed = ProcessInfo.processInfo.environment["PERSONAS_SEED"].flatMap(UInt64.init) ?? 20_261_122

    @Test(
        "Every change that was acknowledged is told exactly once, none that was not done, in one order to all, and the events build what lists show"
    )
    func ledger() async throws {
        try await Stage.run { stage in
            let rounds = try await EventRounds(stage)
            try await rounds.run(kills: Self.kills, seed: Self.seed)
            #expect(rounds.ledger.doneCount > Self.kills, "too little happened for this to prove anything")
            print("Events under kills: \(Self.kills) kills; seed \(Self.seed)")
        }
    }

    @Test(
        "Who follows the events, as the sample does it, has an exact mirror of the account, however often both are killed",
        arguments: ["stream", "poll"])
    func mirror(way: String) async throws {
        try await Stage.run { stage in
            let rounds = try await EventRounds(stage)
            let mirror = MirrorSample(stage: stage, address: rounds.address, key: rounds.key, polls: way == "poll")
            let kills = max(2, Self.kills / 2)
            try await rounds.run(kills: kills, seed: Self.seed &+ 1, beside: { try await mirror.run(seed: Self.seed) }) {
                client, items in
                let trash = try await client.all("/v2/trash")
                try await eventually("the mirror to be exact", detail: { mirror.log }) {
                    let copy = try await mirror.copy()
                    return copy["items"] == .object(items) && copy["trash"]?.names == Set(trash.compactMap { $0["id"]?.string })
                }
            }
            print(
                "Mirror by \(way): \(kills) kills of the service and \(mirror.kills) of the mirror, \(rounds.book.events.count) events,",
                "0 differences; seed \(Self.seed)")
        }
    }
}

extension EventRounds {
    /// Starts the service once, so that there are a port and keys.
    fileprivate convenience init(_ stage: Stage) async throws {
        let service = try await stage.serve()
        let (key, trainer) = (try await stage.key(), try await stage.key(account: "trainers", scopes: "trainer"))
        try await service.process.kill()
        self.init(stage: stage, key: key, trainer: trainer, port: service.port)
        try await credits.endow()
    }
}

/// The sample that mirrors an account, killed now and then.
private final class MirrorSample: Sendable {
    private static let program = TestTools.tests + "/../http/samples/mirror.py"

    private let stage: Stage
    private let address: String
    private let key: Key
    private let polls: Bool
    private let state = Shared((kills: 0, log: ""))

    /// How often it was killed.
    var kills: Int { state.value.kills }
    /// What it has said last.
    var log: String { state.value.log }

    init(stage: Stage, address: String, key: Key, polls: Bool) {
        self.stage = stage
        self.address = address
        self.key = key
        self.polls = polls
    }

    /// Runs it, and kills it every few seconds, until the task is cancelled.
    func run(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        while !Task.isCancelled {
            let process = try start(address, file, "--pause-max", "0.05", environment: ["PERSONAS_KEY": key.secret])
            let pause = Duration.milliseconds(.random(in: 500..<2_500, using: &random))
            try? await Task.sleep(for: pause)
            state.withLock { $0.log = String(process.standardError.suffix(2_000)) }
            if let exit = process.exit { throw MeasurementFailed("the mirror ended with \(exit): \(process.standardError)") }
            process.signal(SIGKILL)
            state.withLock { $0.kills += 1 }
        }
    }

    /// What it has, as it prints it.
    func copy() async throws -> JSONValue {
        let process = try start("--show", file, environment: [:])
        guard try await process.exit() == .status(0) else { return .null }
        return try JSONValue(parsing: process.standardOutput.utf8)
    }

    private var file: String { stage.folder + "/mirror.sqlite" }

    private func start(_ arguments: String..., environment: [String: String]) throws -> ChildProcess {
        try stage.start(
            program: "/usr/bin/python3", [Self.program] + arguments + (polls ? ["--poll"] : []), environment: environment)
    }
}
