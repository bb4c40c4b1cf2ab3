package import Foundation

/// What a process has in memory, as proc(5) tells it.
package enum ProcessMemory {
    /// A value of `/proc/PID/status` in bytes: `VmRSS`, the resident memory, or `VmHWM`, its peak so far.
    package static func bytes(_ name: String, of id: pid_t) throws -> Int {
        guard let text = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8) else {
            throw MeasurementFailed("process \(id) is gone")
        }
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + ":") }),
            let kibibytes = Int(line.filter(\.isNumber))
        else { throw MeasurementFailed("/proc has no \(name)") }
        return kibibytes * 1_024
    }
}
