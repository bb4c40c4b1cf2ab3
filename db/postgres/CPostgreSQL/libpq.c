#include "CPostgreSQL.h"

#include <dlfcn.h>
#include <stddef.h>

#if __has_include(<postgresql/libpq-fe.h>)
#include <postgresql/libpq-fe.h>
#elif __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#endif

// Where the headers are there, what is written down here is held against them.
#ifdef LIBPQ_FE_H
#define LIBPQ_CHECK(result, name, parameters) \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&name), result (*) parameters), #name " is another function");
LIBPQ_FUNCTIONS(LIBPQ_CHECK)
#undef LIBPQ_CHECK

#define VALUE_CHECK(ours, theirs) _Static_assert((int)ours == (int)theirs, #theirs " has another value");
VALUE_CHECK(POSTGRES_CONNECTION_OK, CONNECTION_OK)
VALUE_CHECK(POSTGRES_COMMAND_OK, PGRES_COMMAND_OK)
VALUE_CHECK(POSTGRES_TUPLES_OK, PGRES_TUPLES_OK)
VALUE_CHECK(POSTGRES_COPY_IN, PGRES_COPY_IN)
VALUE_CHECK(POSTGRES_PIPELINE_SYNC, PGRES_PIPELINE_SYNC)
VALUE_CHECK(POSTGRES_PIPELINE_ABORTED, PGRES_PIPELINE_ABORTED)
VALUE_CHECK(POSTGRES_TRANSACTION_IDLE, PQTRANS_IDLE)
VALUE_CHECK(POSTGRES_FIELD_SEVERITY, PG_DIAG_SEVERITY_NONLOCALIZED)
VALUE_CHECK(POSTGRES_FIELD_STATE, PG_DIAG_SQLSTATE)
VALUE_CHECK(POSTGRES_FIELD_MESSAGE, PG_DIAG_MESSAGE_PRIMARY)
VALUE_CHECK(POSTGRES_FIELD_CONSTRAINT, PG_DIAG_CONSTRAINT_NAME)
#undef VALUE_CHECK

#define OFFSET_CHECK(ours, theirs) \
    _Static_assert(offsetof(struct PostgresOption, ours) == offsetof(PQconninfoOption, theirs), #theirs " lies elsewhere");
OFFSET_CHECK(keyword, keyword)
OFFSET_CHECK(variable, envvar)
OFFSET_CHECK(compiled, compiled)
OFFSET_CHECK(value, val)
OFFSET_CHECK(label, label)
OFFSET_CHECK(shown, dispchar)
OFFSET_CHECK(shown_width, dispsize)
_Static_assert(sizeof(struct PostgresOption) == sizeof(PQconninfoOption), "An option of a connection has another size");
#undef OFFSET_CHECK

#define OFFSET_CHECK(ours, theirs) \
    _Static_assert(offsetof(struct PostgresNotification, ours) == offsetof(PGnotify, theirs), #theirs " lies elsewhere");
OFFSET_CHECK(channel, relname)
OFFSET_CHECK(process, be_pid)
OFFSET_CHECK(payload, extra)
#undef OFFSET_CHECK
#endif

const struct LibPQ *libpq_load(const char **missing) {
    static struct LibPQ functions;
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        *missing = "libpq.so.5";
        return NULL;
    }
#define LIBPQ_FIND(result, name, parameters) \
    if ((functions.name = (result(*) parameters)dlsym(library, #name)) == NULL) { \
        *missing = #name; \
        return NULL; \
    }
    LIBPQ_FUNCTIONS(LIBPQ_FIND)
#undef LIBPQ_FIND
    return &functions;
}
