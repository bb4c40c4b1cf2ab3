import Foundation
import PersonasHTTP
import Testing

@Suite("The threads for bodies")
struct DecodingThreadsTests {
    #if os(Linux)
        @Test("They stand back behind those that serve requests")
        func standBack() async {
            let threads = DecodingThreads(count: 1)
            let steps = await withTaskExecutorPreference(threads) { Self.steps() }
            #expect(steps >= 5)
        }

        private static func steps() -> Int32 { getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) }
    #endif
}
