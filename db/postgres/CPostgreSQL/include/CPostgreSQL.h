#pragma once

// What the service calls of libpq, PostgreSQL's own client library. It is opened at run time, so that one executable serves those who have
// PostgreSQL and those who have not, and no build needs its headers; where they are there, libpq.c compares every line below with them.

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
typedef struct _PQconninfoOption PQconninfoOption;
typedef struct pgNotify PGnotify;
typedef unsigned int PostgresOid;
/// Is told of notices and warnings, while a call that reads runs.
typedef void (*PostgresNoticeReceiver)(void *_Nullable context, const PGresult *_Nonnull notice);

// Enumerations stand here as whole numbers: their values are below.
#define LIBPQ_FUNCTIONS(F) \
    F(int, PQlibVersion, (void)) \
    F(PQconninfoOption *_Nullable, PQconninfoParse, (const char *_Nonnull, char *_Nullable *_Nullable)) \
    F(void, PQconninfoFree, (PQconninfoOption *_Nullable)) \
    F(void, PQfreemem, (void *_Nullable)) \
    F(PGconn *_Nullable, PQconnectdbParams, (const char *_Nullable const *_Nonnull, const char *_Nullable const *_Nonnull, int)) \
    F(void, PQfinish, (PGconn *_Nonnull)) \
    F(unsigned int, PQstatus, (const PGconn *_Nonnull)) \
    F(unsigned int, PQtransactionStatus, (const PGconn *_Nonnull)) \
    F(const char *_Nullable, PQparameterStatus, (const PGconn *_Nonnull, const char *_Nonnull)) \
    F(int, PQserverVersion, (const PGconn *_Nonnull)) \
    F(int, PQbackendPID, (const PGconn *_Nonnull)) \
    F(char *_Nullable, PQerrorMessage, (const PGconn *_Nonnull)) \
    F(int, PQsocket, (const PGconn *_Nonnull)) \
    F(int, PQsetnonblocking, (PGconn *_Nonnull, int)) \
    F(PostgresNoticeReceiver _Nullable, PQsetNoticeReceiver, \
        (PGconn *_Nonnull, PostgresNoticeReceiver _Nullable, void *_Nullable)) \
    F(int, PQenterPipelineMode, (PGconn *_Nonnull)) \
    F(int, PQexitPipelineMode, (PGconn *_Nonnull)) \
    F(int, PQpipelineSync, (PGconn *_Nonnull)) \
    F(int, PQsendQuery, (PGconn *_Nonnull, const char *_Nonnull)) \
    F(int, PQsendPrepare, (PGconn *_Nonnull, const char *_Nonnull, const char *_Nonnull, int, const PostgresOid *_Nullable)) \
    F(int, PQsendQueryPrepared, \
        (PGconn *_Nonnull, const char *_Nonnull, int, const char *_Nullable const *_Nullable, const int *_Nullable, \
            const int *_Nullable, int)) \
    F(int, PQputCopyData, (PGconn *_Nonnull, const char *_Nullable, int)) \
    F(int, PQputCopyEnd, (PGconn *_Nonnull, const char *_Nullable)) \
    F(int, PQflush, (PGconn *_Nonnull)) \
    F(int, PQconsumeInput, (PGconn *_Nonnull)) \
    F(int, PQisBusy, (PGconn *_Nonnull)) \
    F(PGnotify *_Nullable, PQnotifies, (PGconn *_Nonnull)) \
    F(PGresult *_Nullable, PQgetResult, (PGconn *_Nonnull)) \
    F(unsigned int, PQresultStatus, (const PGresult *_Nullable)) \
    F(char *_Nullable, PQresultErrorMessage, (const PGresult *_Nonnull)) \
    F(char *_Nullable, PQresultErrorField, (const PGresult *_Nonnull, int)) \
    F(char *_Nullable, PQcmdStatus, (PGresult *_Nonnull)) \
    F(char *_Nullable, PQcmdTuples, (PGresult *_Nonnull)) \
    F(int, PQntuples, (const PGresult *_Nonnull)) \
    F(int, PQnfields, (const PGresult *_Nonnull)) \
    F(PostgresOid, PQftype, (const PGresult *_Nonnull, int)) \
    F(int, PQgetisnull, (const PGresult *_Nonnull, int, int)) \
    F(int, PQgetlength, (const PGresult *_Nonnull, int, int)) \
    F(char *_Nullable, PQgetvalue, (const PGresult *_Nonnull, int, int)) \
    F(void, PQclear, (PGresult *_Nullable))

/// The functions of libpq, found by their names.
struct LibPQ {
#define LIBPQ_MEMBER(result, name, parameters) result (*_Nonnull name) parameters;
    LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
#undef LIBPQ_MEMBER
};

/// Opens the library. To be called once.
/// - Parameter missing: becomes the name of what is missing, of the library or of a function, where something is.
/// - Returns: its functions; null where something is missing.
const struct LibPQ *_Nullable libpq_load(const char *_Nullable *_Nonnull missing);

/// One setting of a connection as `PQconninfoParse` tells of it; an array of them ends with one that has no keyword.
struct PostgresOption {
    /// What it is called.
    const char *_Nullable keyword;
    /// The environment variable that stands in for it.
    const char *_Nullable variable;
    /// What it is where nothing says otherwise.
    const char *_Nullable compiled;
    /// What the text says; null where it says nothing.
    const char *_Nullable value;
    /// Its label in a dialogue.
    const char *_Nullable label;
    /// How a dialogue shows it.
    const char *_Nullable shown;
    /// How wide a dialogue shows it.
    int shown_width;
};

/// What a session that listens is told, as `PQnotifies` hands it out, to be freed by `PQfreemem`.
struct PostgresNotification {
    /// The channel.
    char *_Nonnull channel;
    /// The process of the server that serves whoever has told.
    int process;
    /// What was told; empty for nothing.
    char *_Nonnull payload;
};

enum {
    POSTGRES_CONNECTION_OK = 0,
    POSTGRES_COMMAND_OK = 1,
    POSTGRES_TUPLES_OK = 2,
    POSTGRES_COPY_IN = 4,
    POSTGRES_PIPELINE_SYNC = 10,
    POSTGRES_PIPELINE_ABORTED = 11,
    POSTGRES_TRANSACTION_IDLE = 0,
    POSTGRES_FIELD_SEVERITY = 'V',
    POSTGRES_FIELD_STATE = 'C',
    POSTGRES_FIELD_MESSAGE = 'M',
    POSTGRES_FIELD_CONSTRAINT = 'n',
};
