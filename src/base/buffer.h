/*
** Buffer: a queue of bytes that grows at its end and is taken from its front.
** Knows neither Lua nor libuv.
*/
#ifndef ARSENAL_BASE_BUFFER_H
#define ARSENAL_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Buffer {
    struct Block *block; /* NULL while empty */
} Buffer;

typedef struct Block {
    size_t capacity;
    size_t start, end; /* of what is in it */
    char data[];
} Block;

static inline size_t buffer_length(const Buffer *bytes) {
    return bytes->block == NULL ? 0 : bytes->block->end - bytes->block->start;
}

static inline const char *buffer_data(const Buffer *bytes) {
    return bytes->block == NULL ? "" : bytes->block->data + bytes->block->start;
}

/* Room for `size` more bytes at the end, or NULL for want of memory; buffer_added tells how many were filled. */
char *buffer_reserve(Buffer *bytes, size_t size);
void buffer_added(Buffer *bytes, size_t size);

bool buffer_append(Buffer *bytes, const char *data,
                   size_t size); /* false: no memory, nothing done */
bool buffer_prepend(Buffer *bytes, const char *data, size_t size); /* likewise */
void buffer_drop(Buffer *bytes, size_t size);                      /* from the front */
void buffer_free(Buffer *bytes);

/*
** The first place of `needle` in `data`, or `size` when there is none. It
** need not be looked for again before buffer_unsearched(size, needle size).
*/
size_t buffer_find(const char *data, size_t size, const char *needle, size_t needle_size);

static inline size_t buffer_unsearched(size_t size, size_t needle_size) {
    return size < needle_size ? 0 : size - needle_size + 1;
}

#endif
