#if defined(__linux__)
#include <sys/fsuid.h>
#endif
