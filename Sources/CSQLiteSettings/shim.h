#include <sqlite3.h>

/// Keeps SQLite from counting the memory that it takes, for which every call of malloc and free waits at a lock that the whole process shares.
static inline int personas_sqlite_count_no_memory(void) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/// Has a connection leave the write-ahead log as it is when it closes. Returns SQLITE_OK, or why not.
static inline int personas_sqlite_keep_log(sqlite3 *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}
