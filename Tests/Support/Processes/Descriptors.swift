import Foundation

/// The file descriptors that this process may have open.
package enum Descriptors {
    /// Raises the limit as far as it goes without any right. Returns the limit in force.
    @discardableResult
    package static func raise() -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }
}
