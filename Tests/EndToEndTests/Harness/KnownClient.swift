import Foundation
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

/// One of the four programs that call the published API today, with its habits: what it sends, what it repeats, and what it reads.
struct KnownClient: Sendable {
    /// The habits of a program.
    struct Habits: Sendable {
        /// Headers beside the key, on calls with a body and without one.
        let headers: @Sendable (_ hasBody: Bool) -> [(name: String, value: String)]
        /// How often a call is sent again after a network error or one of `repeatedStatuses`.
        let repeats: Int
        /// Whether an answer makes it send again.
        let repeatsStatus: @Sendable (Int) -> Bool

        /// TypeScript: a type only where there is a body.
        static let a = Habits(
            headers: { [("Accept", "application/json")] + ($0 ? [("Content-Type", "application/json")] : []) }, repeats: 4,
            repeatsStatus: { $0 == 429 || $0 >= 500 })
        /// TypeScript: a type on every call.
        static let b = Habits(
            headers: { _ in [("Content-Type", "application/json"), ("Accept", "application/json")] }, repeats: 3,
            repeatsStatus: { $0 == 429 || $0 >= 500 })
        /// Python with requests.
        static let c = Habits(
            headers: { _ in
                [
                    ("Content-Type", "application/json"), ("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate"),
                    ("Connection", "keep-alive"),
                ]
            },
            repeats: 5, repeatsStatus: { $0 == 429 || $0 >= 500 })
        /// Python with httpx: nothing is repeated.
        static let d = Habits(
            headers: { ($0 ? [("Content-Type", "application/json")] : []) + [("Accept", "*/*"), ("User-Agent", "python-httpx/0.27.0")] },
            repeats: 0, repeatsStatus: { _ in false })
    }

    let habits: Habits
    let client: Client
    private let seen = Seen()

    init(_ habits: Habits, _ client: Client) {
        self.habits = habits
        self.client = client
    }

    /// The statuses of all answers so far; 0 for a network error.
    var statuses: [Int] { seen.statuses }

    /// Calls, and calls again as this program does.
    func call(_ method: HTTPMethod, _ path: String, _ json: JSONValue? = nil) async throws -> ClientAnswer {
        var left = habits.repeats
        while true {
            do {
                let answer = try await client.send(
                    method, "/v2/pikzonality\(path)", headers: habits.headers(json != nil), body: json?.bytes)
                seen.note(answer.status)
                guard habits.repeatsStatus(answer.status), left > 0 else { return answer }
                // A number of seconds is all that these programs understand.
                let pause = answer.header("Retry-After").map { Int($0) } ?? 1
                try await Task.sleep(for: .seconds(try #require(pause)))
            } catch  where left > 0 && !(error is ExpectationFailedError) {
                seen.note(0)
                try await Task.sleep(for: .milliseconds(500))
            }
            left -= 1
        }
    }

    /// Polls until an item is done. Whatever is no 200 makes these programs give it up for good.
    func polled(_ id: String) async throws -> JSONValue {
        try await eventually("the end of training of \(id)") {
            let answer = try await call(.GET, "/\(id)")
            try #require(answer.status == 200, "the program gives the item up: \(answer.status) \(answer.text)")
            return answer.json["status"] == "processing" ? nil : answer.json
        }
    }

    private final class Seen: Sendable {
        private let all = Mutex<[Int]>([])
        var statuses: [Int] { all.withLock { $0 } }
        func note(_ status: Int) { all.withLock { $0.append(status) } }
    }
}
