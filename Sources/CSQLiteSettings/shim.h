#include <sqlite3.h>

/// Up to how many bytes SQLite keeps in memory what it needs to undo a statement or a savepoint. What goes beyond lies in a temporary file.
static inline int personas_sqlite_keep_statement_journals_in_memory(int bytes) {
    return sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, bytes);
}
