import CSQLiteSettings

/// The settings of SQLite that hold for the whole process.
enum SQLiteSettings {
    /// Bytes that SQLite keeps in memory to undo one operation of a group, which takes each page as it was before the operation changed it: 31 pages of
    /// 4 KB, each with its number.
    ///
    /// An ordinary write changes some twenty pages. SQLite would put what is over 64 KB of them into a temporary file, made and written anew for each
    /// operation: under load more system calls than all the rest of a commit. What changes far more, such as deleting an account, still gets its file,
    /// so that memory stays bounded. SQLite writes that much in one piece when it makes a file after all, and takes a piece of 131,072 bytes or more for
    /// one that found the disk full.
    private static let undoBytesMax: Int32 = 31 * (4_096 + 4)

    /// Sets them, once for the process and before its first connection opens. Where another part of the process opened one before, SQLite refuses, and
    /// all works as before, but slower.
    static func apply() { _ = areSet }

    /// SQLite's own account of the memory that it takes is turned off as well, which nothing here asks for: each of the dozen pieces of memory that
    /// one look-up takes and gives back would be counted under a lock that all connections share.
    private static let areSet =
        personas_sqlite_keep_statement_journals_in_memory(undoBytesMax) == 0 && personas_sqlite_count_no_memory() == 0
}
