import Personas
import Testing

@testable import PersonasHTTP

@Suite("What a read says of waiting")
struct ItemWaitTests {
    private static let parameters: [(query: String, seconds: Int)] = [
        ("wait=1", 1), ("wait=60", 60), ("x=1&wait=30", 30), ("wait=5&wait=x", 5), ("wait=%35", 5), ("wait=007", 7),
    ]

    @Test("is taken from the query, where it must be right", arguments: parameters)
    func parameter(query: String, seconds: Int) throws {
        for prefer in [nil, "wait=9", "x"] {
            let wait = try #require(try ItemWait(query: query, prefer: prefer))
            #expect(wait.seconds == seconds && wait.applied == nil)
        }
    }

    @Test(
        "is refused in the query where it is no number of seconds that may be waited for",
        arguments: [
            "wait=0", "wait=61", "wait=-1", "wait=+5", "wait=1.5", "wait=x", "wait=", "wait", "wait=5s", "wait=99999999999999999999",
            "wait=x&wait=5",
            "wait=%zz",
        ])
    func wrongParameter(query: String) {
        let violation = Violation("wait", "must be a whole number of seconds from 1 to 60")
        #expect(throws: Failure.invalid([violation])) { try ItemWait(query: query, prefer: "wait=5") }
    }

    private static let preferences: [(field: String, seconds: Int)] = [
        ("wait=10", 10), ("WAIT=10", 10), (" wait = 10 ", 10), ("respond-async, wait=10", 10), ("wait=10, wait=20", 10),
        ("wait=10;x=y", 10), ("wait=\"10\"", 10), ("foo=\"a, wait=3\", wait=4", 4), ("foo=\"\\\", wait=3\",wait=5", 5), ("wait=0", 1),
        ("wait=61", 60), ("wait=99999999999999999999", 60), ("handling=lenient;wait=3, wait=7", 7), (",,wait=2", 2),
    ]

    @Test("is taken from a preference, as near as there is", arguments: preferences)
    func preference(field: String, seconds: Int) throws {
        for query in [nil, "", "limit=1", "Wait=x"] {
            let wait = try #require(try ItemWait(query: query, prefer: field))
            #expect(wait.seconds == seconds && wait.applied == "wait=\(seconds)")
        }
    }

    @Test(
        "is nothing where a preference makes no sense",
        arguments: [
            "", "wait", "wait=", "wait=x", "wait=-1", "wait=1.5", "wait=10=20", "waits=10", "await=10", "wait=\"", "wait=\"10", "wait=1 0",
            "respond-async", "foo=\"wait=10\"", "foo;wait=10", "wait=x, wait=10", "\"wait=10",
        ])
    func nothing(field: String) throws {
        #expect(try ItemWait(query: nil, prefer: field) == nil)
    }
}
