package import CoreMetrics
import NIOPosix
package import Personas
import PersonasMetrics

/// Threads for work on request bodies and images, apart from those that serve all requests.
///
/// They end with the last reference.
package final class DecodingThreads: TaskExecutor {
    private let threads: NIOThreadPool

    /// Starts the threads.
    package init(count: Int) {
        threads = NIOThreadPool(numberOfThreads: count)
        threads.start()
    }

    deinit {
        threads.shutdownGracefully { _ in }
    }

    /// Runs a part of a task on one of the threads.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // While the threads end, the work is handed back at once and is done on the thread that came with it: a task must never be forgotten.
        threads.submit { [executor = asUnownedTaskExecutor()] state in
            if case .active = state { ThreadPriority.standBack() }
            job.runSynchronously(on: executor)
        }
    }
}

extension BodyDecoding {
    /// Work on threads of its own, which tells how much of it waits.
    package init(places: Int, metrics: any MetricsFactory) {
        let waiting = Metric("personas_body_decoding_queue_depth", help: "Large request bodies and images that wait to be decoded.")
            .meter(in: metrics)
        self.init(places: places, threads: DecodingThreads(count: 2 * places)) { waiting.set($0) }
    }
}
