import CSQLiteConfiguration

/// SQLite's own account of the memory that it takes, which nothing here asks for.
enum MemoryStatus {
    /// Turns it off, once for the process and before its first connection opens: each of the dozen pieces of memory that one look-up takes and gives back
    /// would be counted under a lock that all connections share. Where another part of the process opened one before, it stays on.
    static func turnOff() { _ = isOff }

    private static let isOff = sqlite3_config_without_memory_status() == 0
}
