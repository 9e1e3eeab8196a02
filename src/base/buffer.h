/*
** Buffers: a queue of bytes that are added at the end and taken from the front.
** An empty buffer has no memory.
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
    size_t start, end; /* where the bytes are in `data` */
    char data[];
} Block;

static inline size_t buffer_length(const Buffer *buffer) {
    return buffer->block == NULL ? 0 : buffer->block->end - buffer->block->start;
}

extern const char buffer_nothing[]; /* where the bytes of an empty buffer are */

static inline const char *buffer_data(const Buffer *buffer) {
    return buffer->block == NULL ? buffer_nothing : buffer->block->data + buffer->block->start;
}

/*
** Returns room for `size` more bytes at the end, or NULL if there is no memory.
** Then buffer_added must be called with the number of bytes that were written there.
*/
char *buffer_reserve(Buffer *buffer, size_t size);
void buffer_added(Buffer *buffer, size_t size);

/* Add bytes at the end or at the front. Without memory they change nothing and return false. */
bool buffer_append(Buffer *buffer, const char *data, size_t size);
bool buffer_prepend(Buffer *buffer, const char *data, size_t size);

void buffer_drop(Buffer *buffer, size_t size); /* removes bytes from the front */
void buffer_free(Buffer *buffer);

/*
** Returns the first place of `needle` in `data`, or `size` if there is none. Once
** more bytes have come, the search may begin at buffer_unsearched(size, needle_size).
*/
size_t buffer_find(const char *data, size_t size, const char *needle, size_t needle_size);

static inline size_t buffer_unsearched(size_t size, size_t needle_size) {
    return size < needle_size ? 0 : size - needle_size + 1;
}

#endif
