import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Duties, and servers that go away", .timeLimit(.minutes(3)))
    struct DutyTests {
        /// Work that notes who does it.
        private final class Notes: Sendable {
            let running = Shared<[Int]>([])
            let begun = Shared<[Int]>([])

            func work(_ number: Int) async {
                running.withLock { $0.append(number) }
                begun.withLock { $0.append(number) }
                while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
                running.withLock { running in running.removeAll { $0 == number } }
            }
        }

        /// Has each of several processes do work under a duty while a body runs.
        private static func leading(_ replicas: [Replica], _ body: (Notes, [WakeSignal]) async throws -> Void) async throws {
            let notes = Notes()
            let stops = replicas.map { _ in WakeSignal() }
            let tasks = replicas.enumerated().map { number, replica in
                Task { await replica.storage.companions.lead(.deliveries, until: stops[number]) { await notes.work(number) } }
            }
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body(notes, stops)) } catch { outcome = .failure(error) }
            for task in tasks {
                task.cancel()
                await task.value
            }
            try outcome.get()
        }

        private static let holders = """
            SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1885696627 AND objid = 2 AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """

        @Test("A duty is one process's at a time, and another's once that gives it up, closes, or loses its connection")
        func moves() async throws {
            try await withReplicas(3) { name, replicas in
                try await Self.leading(replicas) { notes, stops in
                    try await eventually("somebody") { notes.running.value.count == 1 }
                    let first = try #require(notes.running.value.first)
                    #expect(replicas.filter { $0.storage.companions.leads(.deliveries) }.count == 1)

                    // Whoever ends the connection ends the work.
                    let server = try PostgresServer.shared.get()
                    let ended = try server.run("SELECT pg_terminate_backend(pid, 10000) FROM (\(Self.holders)) AS holder", in: name)
                    #expect(ended == "t")
                    try await eventually("the work anew") { notes.begun.value.count == 2 && notes.running.value.count == 1 }

                    let second = try #require(notes.running.value.first)
                    stops[second].notify()
                    // Its work goes on until its own end.
                    #expect(replicas[second].storage.companions.leads(.deliveries))
                    replicas[second].storage.close()
                    try await eventually("another") { notes.begun.value.count == 3 && notes.running.value.count == 1 }
                    #expect(notes.running.value != [second] && notes.begun.value.first == first)
                }
            }
        }

        @Test("Who has not sought a duty does not keep it from others, and who gives it up hands it on")
        func sought() async throws {
            try await withReplicas(2) { _, replicas in
                let (one, other) = (replicas[0].storage.companions, replicas[1].storage.companions)
                one.seek(.topUps)
                one.seek(.topUps)
                try await eventually("one") { one.leads(.topUps) }
                other.seek(.clearing)
                other.seek(.topUps)
                try await eventually("the other") { other.leads(.clearing) }
                #expect(!other.leads(.topUps))
                one.giveUp(.topUps)
                #expect(one.leads(.topUps), "somebody still seeks it here")
                one.giveUp(.topUps)
                #expect(!one.leads(.topUps))
                try await eventually("the other") { other.leads(.topUps) }
            }
        }

        @Test("Alone a process leads always, and work that ends is not done again")
        func alone() async {
            let runs = Shared(0)
            await NoCompanions().lead(.clearing) { _ = runs.next() }
            #expect(runs.value == 1)
        }

        @Test("While the server stands still nothing is ready and no duty is led; once it goes on everything is as before")
        func stopped() async throws {
            let server = try PostgresServer()
            defer { server.stop() }
            try await withReplicas(2, server: server) { _, replicas in
                try await Self.leading([replicas[0]]) { notes, _ in
                    try await eventually("the duty") { notes.running.value == [0] }
                    try server.hold(true)
                    do {
                        try await eventually("the end of the duty") { notes.running.value.isEmpty }
                        for replica in replicas { try await eventually("not ready") { replica.storage.schema.isReadyNow() == false } }
                        #expect(!replicas[0].storage.companions.leads(.deliveries))
                        // Nobody waits for the server longer than its time.
                        try await bounded("the end of a process", within: .seconds(60)) { replicas[1].storage.close() }
                    } catch {
                        try server.hold(false)
                        throw error
                    }
                    try server.hold(false)
                    try await eventually("ready") { replicas[0].storage.schema.isReadyNow() == true }
                    try await eventually("the duty") { notes.running.value == [0] }
                }
            }
        }

        @Test("Sessions of processes that stand still end by themselves, and with them their duties")
        func silence() async throws {
            try await withReplicas(1) { name, replicas in
                var times = PostgresPulse.Times()
                times.silenceMilliseconds = 300
                let settings = try PostgresSettings(PostgresServer.shared.get().address(of: name), environment: [:])
                let link = try PulseLink(settings.ofPulse(answerMillisecondsMax: 2_000), silenceMillisecondsMax: times.silenceMilliseconds)
                try link.settle(duties: [.clearing])
                #expect(link.led == [.clearing])
                replicas[0].storage.companions.seek(.clearing)
                try await eventually("the duty") { replicas[0].storage.companions.leads(.clearing) }
                #expect(throws: PostgresError.self) { try link.payloads() }
            }
        }
    }
}
