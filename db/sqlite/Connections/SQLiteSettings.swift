import CSQLiteSettings

/// The settings of SQLite that hold for the whole process.
enum SQLiteSettings {
    /// Sets them, once for the process and before its first connection opens. Where another part of the process opened one before, SQLite refuses, and
    /// all works as before, but slower.
    static func apply() { _ = areSet }

    /// SQLite's own account of the memory that it takes, which nothing here asks for, is turned off: each of the dozen pieces of memory that one
    /// look-up takes and gives back would be counted under a lock that all connections share.
    private static let areSet = personas_sqlite_count_no_memory() == 0
}
