import Foundation

/// Processor time since the machine started, to tell how much of a span went to others.
package struct ProcessorUse: Sendable {
    /// Of all processes, and what a hypervisor gave to other machines, in seconds.
    let busy: Double
    /// Of this process and its children that ended, in seconds.
    let ours: Double
    let clock = ContinuousClock.now

    /// As it stands.
    package static var now: ProcessorUse {
        // The fields: user, nice, system, idle, iowait, irq, softirq, steal. Interrupts belong to no process.
        let line = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8))?.split(separator: "\n").first ?? ""
        let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
        let busy = ticks.count > 7 ? ticks[0] + ticks[1] + ticks[2] + ticks[7] : 0
        let ours = [RUSAGE_CHILDREN, RUSAGE_SELF].reduce(0.0) { sum, who in
            var usage = rusage()
            getrusage(who.rawValue, &usage)
            return [usage.ru_utime, usage.ru_stime].reduce(sum) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1_000_000 }
        }
        return ProcessorUse(busy: busy / Double(sysconf(Int32(_SC_CLK_TCK))), ours: ours)
    }

    /// The share of all processor time since a start that neither this process nor its children had.
    /// - Parameter own: seconds of a server that was measured and still runs.
    package func foreignShare(since start: ProcessorUse, own: Double = 0) -> Double {
        let all = start.clock.duration(to: clock) / .seconds(1) * Double(ProcessInfo.processInfo.activeProcessorCount)
        return max(0, (busy - start.busy - (ours - start.ours) - own) / all)
    }
}
