import CSQLiteSettings

/// What SQLite keeps to undo one operation of a group: each page as it was before the operation changed it.
///
/// An ordinary write changes some twenty pages. SQLite would put what is over 64 KB of them into a temporary file, made and written anew for each
/// operation: under load more system calls than all the rest of a commit. What changes far more, such as deleting an account, still gets its file,
/// so that memory stays bounded.
enum StatementJournals {
    /// Bytes of one operation that stay in memory: 31 pages of 4 KB, each with its number.
    ///
    /// SQLite writes that much in one piece when it makes a file after all, and takes a piece of 131,072 bytes or more for one that found the disk full.
    private static let memoryBytesMax: Int32 = 31 * (4_096 + 4)

    /// Has them kept in memory, by all connections of this process. It has to come before the first of them is opened; SQLite refuses it later, and
    /// all works as before, but slower.
    static func keepInMemory() { _ = isSet }

    /// Set once, because SQLite takes it while it is not in use alone.
    private static let isSet = personas_sqlite_keep_statement_journals_in_memory(memoryBytesMax) == 0
}
