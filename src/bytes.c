/*
** Owns the byte queue and the search in it. Floor 0.
*/
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

static size_t capacity_of(const Bytes *bytes) {
    return bytes->block == NULL ? 0 : bytes->block->capacity;
}

/* Moves what is there to the front of a larger block. */
static bool grow(Bytes *bytes, size_t length, size_t size) {
    size_t capacity = length + size;
    if (length > 0 && capacity < 2 * capacity_of(bytes)) capacity = 2 * capacity_of(bytes);
    Block *block = malloc(sizeof *block + capacity);
    if (block == NULL) return false;
    block->capacity = capacity;
    if (length > 0) memcpy(block->data, bytes_data(bytes), length);
    free(bytes->block);
    bytes->block = block;
    return true;
}

char *bytes_reserve(Bytes *bytes, size_t size) {
    size_t length = bytes_length(bytes), capacity = capacity_of(bytes);
    if (capacity > 0 && capacity - bytes->end >= size) return bytes->block->data + bytes->end;
    if (capacity > 0 && bytes->start >= length && capacity - length >= size)
        memcpy(bytes->block->data, bytes_data(bytes), length); /* half is free: move, don't grow */
    else if (!grow(bytes, length, size))
        return NULL;
    bytes->start = 0;
    bytes->end = length;
    return bytes->block->data + length;
}

void bytes_added(Bytes *bytes, size_t size) {
    bytes->end += size;
    if (bytes->end == bytes->start) bytes_free(bytes);
}

bool bytes_append(Bytes *bytes, const char *data, size_t size) {
    if (size == 0) return true;
    char *room = bytes_reserve(bytes, size);
    if (room == NULL) return false;
    memcpy(room, data, size);
    bytes_added(bytes, size);
    return true;
}

bool bytes_prepend(Bytes *bytes, const char *data, size_t size) {
    if (size == 0) return true;
    if (size > bytes->start) {
        Bytes longer = {0};
        if (bytes_reserve(&longer, size + bytes_length(bytes)) == NULL) return false;
        longer.start = longer.end = size;
        bytes_append(&longer, bytes_data(bytes), bytes_length(bytes));
        bytes_free(bytes);
        *bytes = longer;
    }
    bytes->start -= size;
    memcpy(bytes->block->data + bytes->start, data, size);
    return true;
}

void bytes_drop(Bytes *bytes, size_t size) {
    bytes->start += size;
    if (bytes->start == bytes->end) bytes_free(bytes);
}

void bytes_free(Bytes *bytes) {
    free(bytes->block);
    *bytes = (Bytes){0};
}

size_t bytes_find(const char *data, size_t size, const char *needle, size_t needle_size) {
    if (needle_size > size) return size;
    const char *place = data, *last = data + size - needle_size;
    while ((place = memchr(place, needle[0], (size_t)(last - place) + 1)) != NULL) {
        if (memcmp(place, needle, needle_size) == 0) return (size_t)(place - data);
        if (place++ == last) break;
    }
    return size;
}
