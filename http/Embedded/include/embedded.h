#ifndef EMBEDDED_H
#define EMBEDDED_H

#include <stddef.h>

/// A file that the executable carries.
struct EmbeddedFile {
    /// Its path from the folder http.
    const char *path;
    /// Its bytes, which stay where they are as long as the process lives.
    const unsigned char *bytes;
    /// How many these are.
    size_t count;
};

/// How many files there are.
size_t embedded_file_count(void);

/// One of the files.
struct EmbeddedFile embedded_file(size_t index);

#endif
