#include <sqlite3.h>

/// Keeps SQLite from counting the memory that it takes, for which every call of malloc and free waits at a lock that the whole process shares.
static inline int personas_sqlite_count_no_memory(void) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}
