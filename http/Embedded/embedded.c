// Swift has no way to put a large file into a program that compiles in a reasonable time; C has one, and the compiler notes the files among those
// that this one is made of, so that an edit of any of them builds it anew.
#include "embedded.h"

// Standard in C23, and known to Clang in every dialect.
#pragma clang diagnostic ignored "-Wc23-extensions"

#include "files.h"

size_t embedded_file_count(void) { return sizeof files / sizeof files[0]; }

struct EmbeddedFile embedded_file(size_t index) { return files[index]; }
