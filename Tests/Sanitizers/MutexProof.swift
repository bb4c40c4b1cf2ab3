// Four threads change a list, every access inside its Mutex. With the argument "race" they change a number beside it as well, unguarded, which
// is what Thread Sanitizer has to find; .ci/sanitize thread runs both before the suite.

import Foundation
import Synchronization

/// What the threads share.
final class Shared: @unchecked Sendable {
    let list = Mutex<[Int]>([])
    /// Not safe to share, and that is the point: only "race" makes threads use it at once.
    var number = 0
}

/// The program.
@main
struct MutexProof {
    static func main() {
        let isRacing = CommandLine.arguments.contains("race")
        let shared = Shared()
        let done = DispatchSemaphore(value: 0)
        for _ in 0..<4 {
            Thread {
                for index in 0..<200_000 {
                    if isRacing { shared.number += 1 }
                    shared.list.withLock { list in
                        if list.count > 50 { list.removeAll() }
                        list.append(index)
                    }
                }
                done.signal()
            }.start()
        }
        for _ in 0..<4 { done.wait() }
    }
}
