/*
** Bytes: a queue of bytes that grows at its end and is taken from its front.
** Knows neither Lua nor libuv. Floor 0.
*/
#ifndef ARSENAL_BYTES_H
#define ARSENAL_BYTES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Bytes {
    struct Block *block; /* NULL while empty */
} Bytes;

typedef struct Block {
    size_t capacity;
    size_t start, end; /* of what is in it */
    char data[];
} Block;

static inline size_t bytes_length(const Bytes *bytes) {
    return bytes->block == NULL ? 0 : bytes->block->end - bytes->block->start;
}

static inline const char *bytes_data(const Bytes *bytes) {
    return bytes->block == NULL ? "" : bytes->block->data + bytes->block->start;
}

/* Room for `size` more bytes at the end, or NULL for want of memory; bytes_added tells how many were filled. */
char *bytes_reserve(Bytes *bytes, size_t size);
void bytes_added(Bytes *bytes, size_t size);

bool bytes_append(Bytes *bytes, const char *data, size_t size); /* false: no memory, nothing done */
bool bytes_prepend(Bytes *bytes, const char *data, size_t size); /* likewise */
void bytes_drop(Bytes *bytes, size_t size);                      /* from the front */
void bytes_free(Bytes *bytes);

/*
** The first place of `needle` in `data`, or `size` when there is none. It
** need not be looked for again before bytes_unsearched(size, needle size).
*/
size_t bytes_find(const char *data, size_t size, const char *needle, size_t needle_size);

static inline size_t bytes_unsearched(size_t size, size_t needle_size) {
    return size < needle_size ? 0 : size - needle_size + 1;
}

#endif
