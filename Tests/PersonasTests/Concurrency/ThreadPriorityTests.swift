import Foundation
import Personas
import Testing

@Suite("The priority of threads")
struct ThreadPriorityTests {
    #if os(Linux)
        private static var steps: Int32 { getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) }

        @Test("A thread that stands back does so alone, however often it says so")
        func alone() async {
            let before = Self.steps
            let worked = await withCheckedContinuation { continuation in
                Thread {
                    ThreadPriority.standBack()
                    ThreadPriority.standBack()
                    continuation.resume(returning: Self.steps)
                }.start()
            }
            let other = await withCheckedContinuation { continuation in
                Thread { continuation.resume(returning: Self.steps) }.start()
            }
            #expect(worked == max(before, 5))
            #expect(other == before)
        }
    #endif
}
