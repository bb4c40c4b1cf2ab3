import Foundation

/// Processor time since the machine started, to tell how much of a span went to others.
package struct ProcessorUse: Sendable {
    /// Of all processes, in seconds.
    let busy: Double
    /// What a hypervisor gave to other machines, in seconds.
    let stolen: Double
    /// Of this process and its children that ended, in seconds.
    let ours: Double
    let clock = ContinuousClock.now

    /// As it stands.
    package static var now: ProcessorUse {
        // The fields: user, nice, system, idle, iowait, irq, softirq, steal. Interrupts belong to no process.
        let line = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8))?.split(separator: "\n").first ?? ""
        let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
        let busy = ticks.count > 7 ? ticks[0] + ticks[1] + ticks[2] : 0
        let stolen = ticks.count > 7 ? ticks[7] : 0
        let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        let ours = [RUSAGE_CHILDREN, RUSAGE_SELF].reduce(0.0) { sum, who in
            var usage = rusage()
            getrusage(who.rawValue, &usage)
            return [usage.ru_utime, usage.ru_stime].reduce(sum) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1_000_000 }
        }
        return ProcessorUse(busy: busy / ticksPerSecond, stolen: stolen / ticksPerSecond, ours: ours)
    }

    /// What others had of all processor time since a start.
    /// - Parameter own: seconds of a server that was measured and still runs.
    package func foreign(since start: ProcessorUse, own: Double = 0) -> ForeignShare {
        let all = start.clock.duration(to: clock) / .seconds(1) * Double(ProcessInfo.processInfo.activeProcessorCount)
        return ForeignShare(
            processes: max(0, (busy - start.busy - (ours - start.ours) - own) / all), machines: max(0, (stolen - start.stolen) / all))
    }
}

/// The share of all processor time that was not there for what is measured.
package struct ForeignShare: Sendable {
    /// More than this, and what was measured meanwhile says less of the program than of the machine.
    package static let quietMax = 0.05

    /// Of processes that are neither this one, nor its children, nor a server under measurement.
    package let processes: Double
    /// Of other machines on the same hardware: steal time.
    package let machines: Double

    /// Of both.
    package var all: Double { processes + machines }
    /// Whether that is next to nothing.
    package var isQuiet: Bool { all < Self.quietMax }
}

/// Waiting until nobody else uses the machine.
package struct QuietMachine: Sendable {
    /// How long one wait may take; 0 not to wait.
    package let secondsMax: Int

    /// Takes the longest wait.
    package init(secondsMax: Int) {
        self.secondsMax = secondsMax
    }

    /// Waits until two seconds were quiet in a row, or the longest wait is over.
    package func wait() {
        let watch = Stopwatch()
        var quietSeconds = 0
        while quietSeconds < 2, watch.seconds < Double(secondsMax) {
            let before = ProcessorUse.now
            sleep(1)
            quietSeconds = ProcessorUse.now.foreign(since: before).isQuiet ? quietSeconds + 1 : 0
        }
        if secondsMax > 0, quietSeconds < 2 { Console.note("The machine did not become quiet within \(secondsMax) s.") }
    }
}
