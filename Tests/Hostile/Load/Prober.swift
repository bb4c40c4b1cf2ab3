import Foundation
import TestSupport

/// Another client, which asks one thing again and again while an attack lasts and measures how long each answer takes.
package final class Prober: Sendable {
    /// What is asked.
    package struct Question: Sendable {
        let method: String
        let path: String
        let key: String?
        let body: @Sendable (Int) -> [UInt8]
        let statuses: Set<Int>

        /// - Parameters:
        ///   - body: of the request with a number; empty for none.
        ///   - statuses: which answers count as such.
        package init(
            _ path: String, method: String = "GET", key: String? = nil, statuses: Set<Int> = [200],
            body: @escaping @Sendable (Int) -> [UInt8] = { _ in [] }
        ) {
            self.method = method
            self.path = path
            self.key = key
            self.body = body
            self.statuses = statuses
        }

        /// Asks once. An answer of another status is told as a failure.
        func ask(_ connection: Connection, number: Int) throws -> String? {
            let answer = try connection.exchange(method, path, key: key, json: body(number))
            guard !statuses.contains(answer.status) else { return nil }
            let retry = answer.header("retry-after").map { "with Retry-After \($0)" } ?? "without Retry-After"
            return "\(answer.status) \(answer.code ?? "") \(retry)"
        }
    }

    /// Longer than the longest soak.
    private static let secondsMax = 200_000.0

    private let log: LatencyLog
    private let run: AttackRun

    /// Starts asking.
    /// - Parameters:
    ///   - isFresh: whether each question comes on a connection of its own, whose making counts.
    ///   - pause: seconds between an answer and the next question.
    package init(
        port: Int, _ question: Question, isFresh: Bool, pause: Double = 0.02, timeoutSeconds: Double = 10
    ) {
        let log = LatencyLog()
        self.log = log
        run = AttackRun.start(secondsMax: Self.secondsMax) { run in
            var connection: Connection?
            var number = 0
            repeat {
                let watch = Stopwatch()
                do {
                    let current = try connection ?? Connection(port: port, timeoutSeconds: timeoutSeconds)
                    connection = isFresh ? nil : current
                    let problem = try question.ask(current, number: number)
                    if let problem { log.add(failure: problem) } else { log.add(watch.seconds) }
                } catch {
                    connection = nil
                    log.add(failure: "\(error)")
                }
                number += 1
            } while run.pause(pause)
        }
    }

    /// Stops asking.
    package func end() throws -> Latencies {
        try run.end()
        return log.latencies
    }
}
