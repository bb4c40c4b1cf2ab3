package import Foundation

/// What processes have used of the processors, as proc(5) tells it.
package enum ProcessorTime {
    /// Of one process, user and system, in seconds.
    package static func seconds(of id: pid_t) throws -> Double { try ticks(id)[..<2].reduce(0, +) / perSecond }

    /// Of a process, its children that run, and those that have ended, in seconds.
    package static func secondsWithChildren(of id: pid_t) throws -> Double {
        let children = (try? String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)) ?? ""
        // One may end meanwhile, and is then among those that have.
        let running = children.split(separator: " ").compactMap { pid_t($0) }.map { (try? seconds(of: $0)) ?? 0 }
        return try ticks(id).reduce(0, +) / perSecond + running.reduce(0, +)
    }

    private static var perSecond: Double { Double(sysconf(Int32(_SC_CLK_TCK))) }

    /// User and system time of a process, then those of its children that have ended.
    private static func ticks(_ id: pid_t) throws -> [Double] {
        guard let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else {
            throw MeasurementFailed("process \(id) is gone")
        }
        // Behind the name in brackets stand the state and further fields, of which these are the 12th to the 15th.
        let fields = (text.split(separator: ")").last?.split(separator: " ") ?? []).dropFirst(11).prefix(4).compactMap { Double($0) }
        guard fields.count == 4 else { throw MeasurementFailed("/proc has no processor time") }
        return fields
    }
}
