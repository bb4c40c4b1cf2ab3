#include <sqlite3.h>

/// Up to how many bytes SQLite keeps in memory what it needs to undo a statement or a savepoint. What goes beyond lies in a temporary file.
static inline int personas_sqlite_keep_statement_journals_in_memory(int bytes) {
    return sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, bytes);
}

/// Keeps SQLite from counting the memory that it takes, for which every call of malloc and free waits at a lock that the whole process shares.
static inline int personas_sqlite_count_no_memory(void) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}
