#include <sqlite3.h>

/// Keeps SQLite from counting the memory that it takes, for which every call of malloc and free waits at a lock that the whole process shares.
/// To be called before any connection is opened; afterwards it changes nothing.
static inline int sqlite3_config_without_memory_status(void) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}
