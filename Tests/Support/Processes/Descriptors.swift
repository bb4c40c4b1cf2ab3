import Foundation

/// The file descriptors that this process may have open.
package enum Descriptors {
    /// Raises the limit as far as it goes without any right.
    package static func raise() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
