import CoreMetrics
import Foundation
import PersonasMetrics
import Synchronization

/// What the operating system says about the process, under the names that Prometheus has for it. Where there is no `/proc` nothing is told.
final class ProcessMetrics: Sendable {
    private static let folder = "/proc/self"

    private let residentMemory: Meter?
    private let openDescriptors: Meter?
    private let descriptorsMax: Meter?
    private let processorTime: FloatingPointCounter
    /// Seconds of processor time that were told so far.
    private let told = Mutex(0.0)

    /// Notes when the process started.
    init(factory: any MetricsFactory) {
        processorTime = Metric("process_cpu_seconds_total", help: "Processor time used, in seconds.").floatingPointCounter(in: factory)
        guard let startTime = Self.startTime() else {
            (residentMemory, openDescriptors, descriptorsMax) = (nil, nil, nil)
            return
        }
        Metric("process_start_time_seconds", help: "When the process started, in seconds since 1970.").meter(in: factory).set(startTime)
        residentMemory = Metric("process_resident_memory_bytes", help: "Memory in use.").meter(in: factory)
        openDescriptors = Metric("process_open_fds", help: "File descriptors in use.").meter(in: factory)
        descriptorsMax = Metric("process_max_fds", help: "File descriptors that the process may have.").meter(in: factory)
    }

    /// Notes how much the process uses at this moment.
    func refresh() {
        // The second number is that of resident pages (proc(5)).
        if let residentMemory, let fields = Self.words(of: "statm"), fields.count > 1, let pages = Int(fields[1]) {
            residentMemory.set(pages * Int(sysconf(Int32(_SC_PAGESIZE))))
        }
        if let openDescriptors, let open = try? FileManager.default.contentsOfDirectory(atPath: "\(Self.folder)/fd") {
            openDescriptors.set(open.count)
        }
        var limit = rlimit()
        if let descriptorsMax, getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            descriptorsMax.set(Double(limit.rlim_cur))
        }
        told.withLock { told in
            // Not less than was told before, whatever the system's rounding.
            let used = max(told, Self.processorSeconds)
            processorTime.increment(by: used - told)
            told = used
        }
    }

    /// What the process has used of all processors, for itself and in the system.
    private static var processorSeconds: Double {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return 0 }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// In seconds since 1970.
    private static func startTime() -> Double? {
        // The name of the program, in parentheses, may hold blanks. Behind it the twentieth word is the start in ticks since the machine's.
        guard let fields = words(of: "stat"), let end = fields.lastIndex(where: { $0.hasSuffix(")") }), fields.count > end + 20,
            let ticks = Double(fields[end + 20]), let uptime = words(ofFile: "/proc/uptime")?.first.flatMap({ Double($0) })
        else { return nil }
        return (Date.now.timeIntervalSince1970 - uptime + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))).rounded()
    }

    private static func words(of file: String) -> [Substring]? { words(ofFile: "\(folder)/\(file)") }

    private static func words(ofFile path: String) -> [Substring]? {
        // These files have no length, which some ways of reading a file ask for first.
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.readToEnd() else { return nil }
        return String(decoding: data, as: UTF8.self).split { $0 == " " || $0 == "\n" }
    }
}
