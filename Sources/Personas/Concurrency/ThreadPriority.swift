import Foundation

/// Which threads have the processor first where there is not enough of it for all.
package enum ThreadPriority {
    /// How far work stands back, of the 19 steps that any program may take.
    private static let steps: Int32 = 5

    /// Has the calling thread stand back, for as long as it lives, behind those that take requests and answer them: what a create has to be worked on
    /// takes a thousand times as long as a read. Where the system has no such order among the threads of a process, nothing changes.
    package static func standBack() {
        #if os(Linux)
            // Of the calling thread alone, unlike what POSIX says (setpriority(2), notes). It fails where the process stands farther back already.
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, steps)
        #endif
    }
}
