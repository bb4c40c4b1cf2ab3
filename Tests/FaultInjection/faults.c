// A layer between a program and the C library (LD_PRELOAD) that fails, shortens, delays, skips, counts and records what the program does to
// the files of one folder, or kills the program at an exact call. Everything else passes untouched.
//
// FAULTS_FOLDER   the folder; what lies below its media/ is media, all other files are the database
// FAULTS_CONTROL  a file of 256 bytes, mapped by both sides: the rule in force, and counters
// FAULTS_TRACE    where to record every change and every answer; absent for no record

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call { CALL_WRITE, CALL_FSYNC, CALL_RENAME, CALL_CREATE, CALL_TRUNCATE, CALL_UNLINK, CALL_OPEN, CALL_COUNT };
enum target { TARGET_NONE, TARGET_DATABASE, TARGET_MEDIA };
enum action { ACTION_NONE, ACTION_FAIL, ACTION_SHORT, ACTION_SKIP, ACTION_DELAY, ACTION_KILL_BEFORE, ACTION_KILL_AFTER };
enum event { EVENT_WRITE = 1, EVENT_TRUNCATE, EVENT_SYNC_BEGIN, EVENT_SYNC_END, EVENT_RENAME, EVENT_UNLINK, EVENT_CREATE, EVENT_ANSWER };

// Shared with the test, which writes the rule, the action last.
struct control {
    _Atomic uint32_t calls, targets, action, value, from, matched, acted, limit;
    _Atomic uint64_t counts[CALL_COUNT * 2];
    _Atomic uint64_t traced;
};

enum { DESCRIPTORS_MAX = 65536 };

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_length;
static int trace = -1;
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t sync_number;
// The path of every open file below the folder. A path is never freed, because another thread may be reading it, and tests are short.
static _Atomic(const char *) paths[DESCRIPTORS_MAX];

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);

// Other libraries open and close files before the constructor of this one has its turn.
static void find_real_calls(void) {
    if (real_unlink) return;
    real_open = dlsym(RTLD_NEXT, "open");
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
}

__attribute__((constructor)) static void start(void) {
    find_real_calls();
    const char *name = getenv("FAULTS_FOLDER"), *control_path = getenv("FAULTS_CONTROL");
    if (!name || !control_path) return;
    snprintf(folder, sizeof folder, "%s", name);
    folder_length = strlen(folder);
    int descriptor = real_open(control_path, O_RDWR | O_CLOEXEC);
    void *map = descriptor < 0 ? MAP_FAILED : mmap(NULL, 256, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (map == MAP_FAILED) {
        // A test of faults must not pass because there were none.
        fprintf(stderr, "the control file %s cannot be mapped\n", control_path);
        _exit(127);
    }
    real_close(descriptor);
    control = map;
    const char *trace_path = getenv("FAULTS_TRACE");
    if (trace_path) trace = real_open(trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static const char *path_of(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS_MAX ? atomic_load(&paths[descriptor]) : NULL;
}

static enum target target_of(const char *path) {
    if (!control || !path || strncmp(path, folder, folder_length) != 0) return TARGET_NONE;
    if (path[folder_length] == 0) return TARGET_DATABASE;
    if (path[folder_length] != '/') return TARGET_NONE;
    return strncmp(path + folder_length, "/media", 6) == 0 ? TARGET_MEDIA : TARGET_DATABASE;
}

static void record(enum event kind, const char *path, uint64_t offset, const struct iovec *parts, int count) {
    if (trace < 0) return;
    uint64_t length = 0;
    for (int index = 0; index < count; index++) length += parts[index].iov_len;
    struct { uint32_t kind, path_length; uint64_t offset, length; } head = {kind, (uint32_t)strlen(path), offset, length};
    struct iovec all[34] = {{&head, sizeof head}, {(void *)path, head.path_length}};
    memcpy(all + 2, parts, (size_t)count * sizeof *parts);
    ssize_t size = (ssize_t)(sizeof head + head.path_length + length);
    pthread_mutex_lock(&trace_lock);
    if (real_writev(trace, all, count + 2) != size) abort();
    atomic_fetch_add(&control->traced, 1);
    pthread_mutex_unlock(&trace_lock);
}

static void record_bytes(enum event kind, const char *path, uint64_t offset, const void *bytes, size_t length) {
    struct iovec part = {(void *)bytes, length};
    record(kind, path, offset, &part, length > 0);
}

// Counts a call and says what shall happen to it instead of, or beside, being done.
static enum action rule(enum call call, const char *path, uint32_t *value) {
    enum target target = target_of(path);
    if (target == TARGET_NONE) return ACTION_NONE;
    atomic_fetch_add(&control->counts[call * 2 + (target == TARGET_MEDIA)], 1);
    enum action action = atomic_load(&control->action);
    if (action == ACTION_NONE || !(control->calls & 1u << call) || !(control->targets & 1u << target)) return ACTION_NONE;
    if (atomic_fetch_add(&control->matched, 1) + 1 < control->from) return ACTION_NONE;
    uint32_t acted = atomic_fetch_add(&control->acted, 1);
    if (control->limit && acted >= control->limit) return ACTION_NONE;
    *value = control->value;
    switch (action) {
    case ACTION_KILL_BEFORE: kill(getpid(), SIGKILL); break;
    case ACTION_DELAY: {
        struct timespec pause = {*value / 1000, (long)(*value % 1000) * 1000000};
        nanosleep(&pause, NULL);
        break;
    }
    case ACTION_FAIL: errno = (int)*value; break;
    default: break;
    }
    return action;
}

static void after(enum action action) {
    if (action == ACTION_KILL_AFTER) {
        kill(getpid(), SIGKILL);
        pause();
    }
}

static int opened(int descriptor, const char *path) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX) return descriptor;
    atomic_store(&paths[descriptor], target_of(path) == TARGET_NONE ? NULL : strdup(path));
    return descriptor;
}

static int open_file(const char *path, int flags, mode_t mode) {
    find_real_calls();
    uint32_t value = 0;
    enum action action = ACTION_NONE;
    int is_new = 0;
    if (target_of(path) != TARGET_NONE) {
        action = rule(flags & O_CREAT ? CALL_CREATE : CALL_OPEN, path, &value);
        if (action == ACTION_FAIL) return -1;
        is_new = flags & O_CREAT && access(path, F_OK) != 0;
    }
    int descriptor = opened(real_open(path, flags, mode), path);
    if (descriptor >= 0 && is_new) record(EVENT_CREATE, path, 0, NULL, 0);
    if (descriptor >= 0 && flags & O_TRUNC && target_of(path) != TARGET_NONE) record(EVENT_TRUNCATE, path, 0, NULL, 0);
    after(action);
    return descriptor;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }

int open(const char *path, int flags, ...) { MODE(flags) return open_file(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_file(path, flags | O_LARGEFILE, mode); }

int openat(int directory, const char *path, int flags, ...) {
    find_real_calls();
    MODE(flags)
    if (path[0] == '/') return open_file(path, flags, mode);
    return opened(real_openat(directory, path, flags, mode), NULL);
}

int openat64(int directory, const char *path, int flags, ...) {
    find_real_calls();
    MODE(flags)
    if (path[0] == '/') return open_file(path, flags | O_LARGEFILE, mode);
    return opened(real_openat(directory, path, flags | O_LARGEFILE, mode), NULL);
}

int close(int descriptor) {
    find_real_calls();
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX) atomic_store(&paths[descriptor], NULL);
    return real_close(descriptor);
}

static void record_answer(const struct iovec *parts, size_t count) {
    if (trace < 0 || count == 0 || count > 32 || parts[0].iov_len < 12) return;
    if (memcmp(parts[0].iov_base, "HTTP/1.1 201", 12) == 0) record(EVENT_ANSWER, "", 0, parts, (int)count);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    find_real_calls();
    const char *path = path_of(descriptor);
    if (!path) {
        struct iovec part = {(void *)bytes, length};
        record_answer(&part, 1);
        return real_write(descriptor, bytes, length);
    }
    uint32_t value = 0;
    enum action action = rule(CALL_WRITE, path, &value);
    if (action == ACTION_FAIL) return -1;
    if (action == ACTION_SKIP) return (ssize_t)length;
    off_t offset = lseek(descriptor, 0, SEEK_CUR);
    ssize_t written = real_write(descriptor, bytes, action == ACTION_SHORT && length > 1 ? length / 2 : length);
    if (written > 0) record_bytes(EVENT_WRITE, path, (uint64_t)offset, bytes, (size_t)written);
    after(action);
    return written;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    find_real_calls();
    if (!path_of(descriptor) && count > 0) record_answer(parts, (size_t)count);
    return real_writev(descriptor, parts, count);
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
    find_real_calls();
    record_answer(message->msg_iov, message->msg_iovlen);
    return real_sendmsg(descriptor, message, flags);
}

static ssize_t write_at(int descriptor, const void *bytes, size_t length, off_t offset) {
    find_real_calls();
    const char *path = path_of(descriptor);
    uint32_t value = 0;
    enum action action = rule(CALL_WRITE, path, &value);
    if (action == ACTION_FAIL) return -1;
    if (action == ACTION_SKIP) return (ssize_t)length;
    ssize_t written = real_pwrite(descriptor, bytes, action == ACTION_SHORT && length > 1 ? length / 2 : length, offset);
    if (written > 0 && target_of(path) != TARGET_NONE) record_bytes(EVENT_WRITE, path, (uint64_t)offset, bytes, (size_t)written);
    after(action);
    return written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) { return write_at(descriptor, bytes, length, offset); }
ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) { return write_at(descriptor, bytes, length, offset); }

static int sync_file(int descriptor, int (**real_call)(int)) {
    find_real_calls();
    int (*real)(int) = *real_call;
    const char *path = path_of(descriptor);
    uint32_t value = 0;
    enum action action = rule(CALL_FSYNC, path, &value);
    if (action == ACTION_FAIL) return -1;
    if (action == ACTION_SKIP) return 0;
    int is_recorded = target_of(path) != TARGET_NONE;
    uint64_t number = atomic_fetch_add(&sync_number, 1);
    if (is_recorded) record(EVENT_SYNC_BEGIN, path, number, NULL, 0);
    int result = real(descriptor);
    if (is_recorded && result == 0) record(EVENT_SYNC_END, path, number, NULL, 0);
    after(action);
    return result;
}

int fsync(int descriptor) { return sync_file(descriptor, &real_fsync); }
int fdatasync(int descriptor) { return sync_file(descriptor, &real_fdatasync); }

static int truncate_file(int descriptor, off_t length) {
    find_real_calls();
    const char *path = path_of(descriptor);
    uint32_t value = 0;
    enum action action = rule(CALL_TRUNCATE, path, &value);
    if (action == ACTION_FAIL) return -1;
    int result = real_ftruncate(descriptor, length);
    if (result == 0 && target_of(path) != TARGET_NONE) record(EVENT_TRUNCATE, path, (uint64_t)length, NULL, 0);
    after(action);
    return result;
}

int ftruncate(int descriptor, off_t length) { return truncate_file(descriptor, length); }
int ftruncate64(int descriptor, off64_t length) { return truncate_file(descriptor, length); }

int rename(const char *path, const char *goal) {
    find_real_calls();
    uint32_t value = 0;
    enum action action = rule(CALL_RENAME, goal, &value);
    if (action == ACTION_FAIL) return -1;
    int result = real_rename(path, goal);
    if (result == 0 && target_of(goal) != TARGET_NONE) record_bytes(EVENT_RENAME, path, 0, goal, strlen(goal));
    after(action);
    return result;
}

int unlink(const char *path) {
    find_real_calls();
    uint32_t value = 0;
    enum action action = rule(CALL_UNLINK, path, &value);
    if (action == ACTION_FAIL) return -1;
    int result = real_unlink(path);
    if (result == 0 && target_of(path) != TARGET_NONE) record(EVENT_UNLINK, path, 0, NULL, 0);
    after(action);
    return result;
}
