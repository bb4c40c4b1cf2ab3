// Tells Thread Sanitizer what the slow paths of Swift's Mutex do. Only .ci/sanitize builds this, and links it into what it runs.
//
// The quick paths of Synchronization.Mutex are inlined atomic operations, which the sanitizer sees. Where two threads meet, they end in the
// library libswiftSynchronization, which waits by a futex and is not instrumented: the sanitizer does not learn that one thread waited for the
// other, and takes what they do inside the lock for a race. MutexProof.swift shows that: without this file the sanitizer reports its lock, with
// it only its race. Suppressions would not do, because the frames of a report are the caller's own code, where real races would be hidden too.

#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

// The linker puts "__wrap_" before the name that callers ask for and leaves "__real_" for the library's own (its option --wrap).
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define MUTEX __attribute__((swift_context)) void *mutex

__attribute__((swiftcall)) void lock(uint32_t thread, MUTEX) __asm__("__real_" LOCK);
__attribute__((swiftcall)) void unlock(MUTEX) __asm__("__real_" UNLOCK);
__attribute__((swiftcall)) void lockAndTell(uint32_t thread, MUTEX) __asm__("__wrap_" LOCK);
__attribute__((swiftcall)) void tellAndUnlock(MUTEX) __asm__("__wrap_" UNLOCK);

__attribute__((swiftcall)) void lockAndTell(uint32_t thread, MUTEX) {
    lock(thread, mutex);
    __tsan_acquire(mutex);
}

__attribute__((swiftcall)) void tellAndUnlock(MUTEX) {
    __tsan_release(mutex);
    unlock(mutex);
}
