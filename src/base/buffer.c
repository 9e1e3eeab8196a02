/*
** Owns the byte queue and the search in it.
*/
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

const char buffer_nothing[] = "";

/* Moves the `length` bytes of the buffer to the front of a larger block. */
static bool buffer_grow(Buffer *buffer, size_t length, size_t size) {
    Block *old = buffer->block;
    size_t capacity = length + size;
    if (length > 0 && capacity < 2 * old->capacity) capacity = 2 * old->capacity;
    Block *block = malloc(sizeof *block + capacity);
    if (block == NULL) return false;
    block->capacity = capacity;
    block->start = 0;
    block->end = length;
    if (length > 0) memcpy(block->data, buffer_data(buffer), length);
    free(old);
    buffer->block = block;
    return true;
}

char *buffer_reserve(Buffer *buffer, size_t size) {
    size_t length = buffer_length(buffer);
    Block *block = buffer->block;
    if (block != NULL && block->capacity - block->end >= size) return block->data + block->end;
    if (block != NULL && block->start >= length && block->capacity - length >= size) {
        /* Half of the block is free, so moving the bytes to its front makes enough room. */
        memcpy(block->data, buffer_data(buffer), length);
        block->start = 0;
        block->end = length;
    } else if (!buffer_grow(buffer, length, size)) {
        return NULL;
    }
    return buffer->block->data + length;
}

void buffer_added(Buffer *buffer, size_t size) {
    buffer->block->end += size;
    buffer_drop(buffer, 0);
}

bool buffer_append(Buffer *buffer, const char *data, size_t size) {
    if (size == 0) return true;
    char *room = buffer_reserve(buffer, size);
    if (room == NULL) return false;
    memcpy(room, data, size);
    buffer_added(buffer, size);
    return true;
}

bool buffer_prepend(Buffer *buffer, const char *data, size_t size) {
    if (size == 0) return true;
    if (buffer->block == NULL || size > buffer->block->start) {
        Buffer longer = {NULL};
        if (buffer_reserve(&longer, size + buffer_length(buffer)) == NULL) return false;
        longer.block->start = longer.block->end = size;
        buffer_append(&longer, buffer_data(buffer), buffer_length(buffer));
        buffer_free(buffer);
        *buffer = longer;
    }
    buffer->block->start -= size;
    memcpy(buffer->block->data + buffer->block->start, data, size);
    return true;
}

void buffer_drop(Buffer *buffer, size_t size) {
    if (buffer->block == NULL) return;
    buffer->block->start += size;
    if (buffer->block->start == buffer->block->end) buffer_free(buffer);
}

void buffer_free(Buffer *buffer) {
    free(buffer->block);
    buffer->block = NULL;
}

size_t buffer_find(const char *data, size_t size, const char *needle, size_t needle_size) {
    if (needle_size > size) return size;
    const char *place = data, *last = data + size - needle_size;
    while ((place = memchr(place, needle[0], (size_t)(last - place) + 1)) != NULL) {
        if (memcmp(place, needle, needle_size) == 0) return (size_t)(place - data);
        if (place++ == last) break;
    }
    return size;
}
