/*
** Owns the byte queue and the search in it.
*/
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

/* Moves the `length` bytes that are there to the front of a larger block. */
static bool grow(Buffer *bytes, size_t length, size_t size) {
    Block *old = bytes->block;
    size_t capacity = length + size;
    if (length > 0 && capacity < 2 * old->capacity) capacity = 2 * old->capacity;
    Block *block = malloc(sizeof *block + capacity);
    if (block == NULL) return false;
    block->capacity = capacity;
    block->start = 0;
    block->end = length;
    if (length > 0) memcpy(block->data, buffer_data(bytes), length);
    free(old);
    bytes->block = block;
    return true;
}

char *buffer_reserve(Buffer *bytes, size_t size) {
    size_t length = buffer_length(bytes);
    Block *block = bytes->block;
    if (block != NULL && block->capacity - block->end >= size) return block->data + block->end;
    if (block != NULL && block->start >= length && block->capacity - length >= size) {
        memcpy(block->data, buffer_data(bytes), length); /* half is free: move, don't grow */
        block->start = 0;
        block->end = length;
    } else if (!grow(bytes, length, size)) {
        return NULL;
    }
    return bytes->block->data + length;
}

void buffer_added(Buffer *bytes, size_t size) {
    bytes->block->end += size;
    buffer_drop(bytes, 0);
}

bool buffer_append(Buffer *bytes, const char *data, size_t size) {
    if (size == 0) return true;
    char *room = buffer_reserve(bytes, size);
    if (room == NULL) return false;
    memcpy(room, data, size);
    buffer_added(bytes, size);
    return true;
}

bool buffer_prepend(Buffer *bytes, const char *data, size_t size) {
    if (size == 0) return true;
    if (bytes->block == NULL || size > bytes->block->start) {
        Buffer longer = {NULL};
        if (buffer_reserve(&longer, size + buffer_length(bytes)) == NULL) return false;
        longer.block->start = longer.block->end = size;
        buffer_append(&longer, buffer_data(bytes), buffer_length(bytes));
        buffer_free(bytes);
        *bytes = longer;
    }
    bytes->block->start -= size;
    memcpy(bytes->block->data + bytes->block->start, data, size);
    return true;
}

void buffer_drop(Buffer *bytes, size_t size) {
    if (bytes->block == NULL) return;
    bytes->block->start += size;
    if (bytes->block->start == bytes->block->end) buffer_free(bytes);
}

void buffer_free(Buffer *bytes) {
    free(bytes->block);
    bytes->block = NULL;
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
