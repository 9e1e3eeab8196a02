/*
** Owns the byte queue and the search in it. Floor 0.
*/
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

char *bytes_reserve(Bytes *bytes, size_t size) {
    size_t length = bytes_length(bytes);
    if (bytes->capacity - bytes->end >= size) return bytes->memory + bytes->end;
    if (bytes->start >= length &&
        bytes->capacity - length >= size) { /* half is free: move, don't grow */
        memcpy(bytes->memory, bytes_data(bytes), length);
    } else {
        size_t capacity = length + size;
        if (length > 0 && capacity < 2 * bytes->capacity) capacity = 2 * bytes->capacity;
        char *memory = malloc(capacity);
        if (memory == NULL) return NULL;
        if (length > 0) memcpy(memory, bytes_data(bytes), length);
        free(bytes->memory);
        bytes->memory = memory;
        bytes->capacity = capacity;
    }
    bytes->start = 0;
    bytes->end = length;
    return bytes->memory + length;
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
    memcpy(bytes->memory + bytes->start, data, size);
    return true;
}

void bytes_drop(Bytes *bytes, size_t size) {
    bytes->start += size;
    if (bytes->start == bytes->end) bytes_free(bytes);
}

void bytes_free(Bytes *bytes) {
    free(bytes->memory);
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
