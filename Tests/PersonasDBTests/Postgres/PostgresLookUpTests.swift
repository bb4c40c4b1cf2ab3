import Dispatch
import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Look-ups that travel together", .timeLimit(.minutes(3)))
    struct LookUpTests {
        /// The moment at which the transaction of a statement began, in microseconds: the same for all that one Sync ends.
        private static let moment = "SELECT CAST(extract(epoch FROM now()) * 1000000 AS bigint), CAST(? AS bigint)"

        /// Has several reads wait for the only connection, and lets them go together. Returns what became of each.
        private func together<Value: Sendable>(
            _ open: OpenPostgres, waitingMax: Int = 256, statementMillisecondsMax: Int? = nil,
            _ bodies: [@Sendable (any SQLConnection) throws -> Value]
        ) async throws -> [Result<Value, Failure>] {
            var settings = open.settings
            if let statementMillisecondsMax { settings.statementMillisecondsMax = statementMillisecondsMax }
            let lookUps = PostgresLookUps("test-read", count: 1, settings: settings, waitingMax: waitingMax)
            defer { lookUps.close() }
            // The connection is there before anything is measured on it.
            _ = try await lookUps.run { try $0.finds("SELECT 1", []) }
            let (begun, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            async let holding: Bool = lookUps.run { _ in
                begun.signal()
                return mayEnd.wait(timeout: .now() + 60) == .success
            }
            try await eventually("the one that holds the connection") { begun.wait(timeout: .now()) == .success }
            var tasks: [Task<Result<Value, Failure>, Never>] = []
            for body in bodies {
                tasks.append(Task { await result { () throws(Failure) in try await lookUps.run(body) } })
                // In this order.
                try await eventually("a place in the queue") { lookUps.waitingCount == tasks.count }
            }
            mayEnd.signal()
            #expect(try await holding)
            var outcomes: [Result<Value, Failure>] = []
            for task in tasks { outcomes.append(await task.value) }
            return outcomes
        }

        @Test("What waits for a connection goes out at once, up to a number, and everyone gets the own answer")
        func sharedTrip() async throws {
            try await withPostgres { open in
                let bodies = (0..<80).map { number in
                    { @Sendable (db: any SQLConnection) in try db.first(Self.moment, [number]) { [$0.integer(0), $0.integer(1)] } }
                }
                let answers = try await together(open, bodies).map { try #require(try $0.get()) }
                #expect(answers.map { $0[1] } == (0..<80).map(Int64.init))
                #expect(Set(answers[..<64].map { $0[0] }).count == 1, "64 have one transaction")
                #expect(Set(answers[64...].map { $0[0] }).count == 1, "the rest have another")
                #expect(answers[0][0] < answers[64][0])
            }
        }

        @Test("What asks again by what it was told does so together with the others, and sees its own answers only")
        func severalStatements() async throws {
            let rows = "INSERT INTO one SELECT n, n + 1 FROM generate_series(0, 99) n"
            try await withPostgres("CREATE TABLE one (id bigint PRIMARY KEY, next bigint); \(rows)") { open in
                let runs = Shared(0)
                let bodies = (0..<16).map { number in
                    { @Sendable (db: any SQLConnection) in
                        _ = runs.next()
                        var at = Int64(number)
                        // As many steps as the number says, up to more than answers are kept for.
                        for _ in 0..<number {
                            at = try db.first("SELECT next FROM one WHERE id = ?", [at]) { $0.integer(0) } ?? -1
                        }
                        return at
                    }
                }
                let found = try await together(open, bodies).map { try $0.get() }
                #expect(found == (0..<16).map { Int64(2 * $0) })
                // Each runs once for each statement and once more: eight at most, one when the ninth is asked for, and one with the connection to itself.
                #expect(runs.value == (0..<16).reduce(0) { $0 + ($1 <= 8 ? $1 + 1 : 10) })
            }
        }

        @Test("What wants to see one moment has the connection to itself, and so has what asks otherwise than before")
        func alone() async throws {
            try await withPostgres { open in
                let asked = Shared(0)
                let moments: @Sendable (any SQLConnection) throws -> [Int64] = { db in
                    let before = try db.first(Self.moment, [0]) { $0.integer(0) } ?? 0
                    return try db.atOneMoment {
                        [before] + (try (0..<2).map { _ in try db.first(Self.moment, [0]) { $0.integer(0) } ?? 0 })
                    }
                }
                let fickle: @Sendable (any SQLConnection) throws -> [Int64] = { db in
                    let text = "SELECT CAST(\(asked.next()) AS bigint)"
                    return [try db.first(text, []) { $0.integer(0) } ?? 0]
                }
                let found = try await together(open, [moments, fickle, moments]).map { try $0.get() }
                for moments in [found[0], found[2]] {
                    #expect(moments.count == 3 && moments[1] == moments[2] && moments[0] < moments[1], "\(moments)")
                }
                #expect(found[1] == [Int64(asked.value)], "the answer to the last of its questions")
            }
        }

        @Test("An error is its caller's alone, whether the server refuses the statement, its preparation, or the body throws it")
        func errors() async throws {
            try await withPostgres { open in
                let fine = "SELECT CAST(? AS bigint)"
                let texts = [fine, "SELECT 1 / CAST(? AS bigint)", fine, "SELECT missing + ?", fine, fine]
                let bodies = texts.enumerated().map { number, text in
                    { @Sendable (db: any SQLConnection) in
                        let value = try db.first(text, [text.contains("/") ? 0 : number]) { $0.integer(0) }
                        if number == 5 { throw Failure.notFound }
                        return value
                    }
                }
                for _ in 0..<2 {
                    let outcomes = try await together(open, bodies)
                    for number in [0, 2, 4] { #expect(try outcomes[number].get() == Int64(number)) }
                    #expect(outcomes[1].unexpectedText?.contains("division by zero") == true, "\(outcomes[1])")
                    #expect(outcomes[3].unexpectedText?.contains("missing") == true, "\(outcomes[3])")
                    #expect(throws: Failure.notFound) { try outcomes[5].get() }
                }
            }
        }

        @Test("A body that makes a value of being left is run again all the same")
        func swallowedDeparture() async throws {
            try await withPostgres { open in
                let bodies = (0..<3).map { number in
                    { @Sendable (db: any SQLConnection) -> Int64 in
                        let first = try? db.first("SELECT CAST(? AS bigint)", [number]) { $0.integer(0) }
                        let second = try? db.first("SELECT CAST(? AS bigint) + 10", [number]) { $0.integer(0) }
                        return (first ?? -1) * 100 + (second ?? -1)
                    }
                }
                let found = try await together(open, bodies).map { try $0.get() }
                #expect(found == [10, 111, 212])
            }
        }

        @Test("Where the connection ends under several look-ups, those that can be done are done on another")
        func brokenConnection() async throws {
            try await withPostgres { open in
                let bodies = (0..<9).map { number in
                    { @Sendable (db: any SQLConnection) in
                        // Time and again, so that its second try ends as well.
                        if number == 4 { return try db.finds("SELECT 1 FROM pg_terminate_backend(pg_backend_pid()) AS t WHERE t", []) }
                        return try db.first("SELECT CAST(? AS bigint)", [number]) { $0.integer(0) } == Int64(number)
                    }
                }
                let outcomes = try await together(open, bodies)
                for (number, outcome) in outcomes.enumerated() where number != 4 { #expect(try outcome.get(), "\(number)") }
                #expect(outcomes[4].isStoreBusy, "\(outcomes[4])")
            }
        }

        @Test("All that travel together have the time of one statement, not each its own")
        func lateServer() async throws {
            try await withPostgres { open in
                let bodies = (0..<16).map { _ in
                    // None is slow by itself, all of them together are.
                    { @Sendable (db: any SQLConnection) in try db.finds("SELECT 1 FROM pg_sleep(0.25)", []) }
                }
                let outcomes = try await together(open, statementMillisecondsMax: 3_000, bodies)
                // The server sends what it has at the end of all. Each by itself, again, would have been done.
                #expect(outcomes.allSatisfy { $0.isStoreBusy }, "\(outcomes)")
            }
        }

        @Test("So many wait, and further ones are refused")
        func bound() async throws {
            try await withPostgres { open in
                let lookUps = PostgresLookUps("test-read", count: 1, settings: open.settings, waitingMax: 2)
                let (begun, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
                async let holding: Bool = lookUps.run { _ in
                    begun.signal()
                    return mayEnd.wait(timeout: .now() + 60) == .success
                }
                try await eventually("the one that holds the connection") { begun.wait(timeout: .now()) == .success }
                let waiting = (0..<2).map { _ in Task { try await lookUps.run { try $0.finds("SELECT 1", []) } } }
                try await eventually("two that wait") { lookUps.waitingCount == 2 }
                let refused = await result { () throws(Failure) in try await lookUps.run { try $0.finds("SELECT 1", []) } }
                #expect(refused.isStoreBusy, "\(refused)")
                mayEnd.signal()
                #expect(try await holding)
                for task in waiting { #expect(try await task.value) }
                lookUps.close()
                let late = await result { () throws(Failure) in try await lookUps.run { _ in true } }
                #expect(late.isStoreBusy, "\(late)")
            }
        }
    }
}
