/*
** Fuzzes base/buffer: a sequence of its operations, compared with an array.
*/
#include "input.h"

#include "base/buffer.h"

#include <string.h>

enum { BUFFER_MOST = 1 << 14 };

static char model[BUFFER_MOST];
static size_t model_size;

static char scratch[1 << 12];

/* Fills `scratch` with bytes of few kinds, so that searches find something. */
static size_t buffer_fill(Input *input) {
    size_t size = input_size(input) % sizeof scratch, step = input_byte(input);
    for (size_t i = 0; i < size; i++)
        scratch[i] = (char)('a' + (i * step >> 3) % 3);
    return model_size + size < BUFFER_MOST ? size : 0;
}

static void buffer_check(const Buffer *buffer) {
    fuzz_require(buffer_length(buffer) == model_size);
    fuzz_require(memcmp(buffer_data(buffer), model, model_size) == 0);
    fuzz_require(buffer->block == NULL || buffer->block->end <= buffer->block->capacity);
}

static void buffer_try_append(Buffer *buffer, Input *input) {
    size_t size = buffer_fill(input);
    fuzz_require(buffer_append(buffer, scratch, size));
    memcpy(model + model_size, scratch, size);
    model_size += size;
}

/* Reserves more than it adds. */
static void buffer_try_reserve(Buffer *buffer, Input *input) {
    size_t size = buffer_fill(input), more = input_size(input) % sizeof scratch;
    char *room = buffer_reserve(buffer, size + more + 1);
    fuzz_require(room != NULL);
    memset(room, '?', size + more + 1);
    memcpy(room, scratch, size);
    buffer_added(buffer, size);
    memcpy(model + model_size, scratch, size);
    model_size += size;
}

static void buffer_try_prepend(Buffer *buffer, Input *input) {
    size_t size = buffer_fill(input);
    fuzz_require(buffer_prepend(buffer, scratch, size));
    memmove(model + size, model, model_size);
    memcpy(model, scratch, size);
    model_size += size;
}

static void buffer_try_drop(Buffer *buffer, Input *input) {
    size_t size = input_size(input);
    if (size > model_size) size = model_size;
    buffer_drop(buffer, size);
    model_size -= size;
    memmove(model, model + size, model_size);
}

static size_t buffer_find_naively(const char *needle, size_t size) {
    for (size_t place = 0; place + size <= model_size; place++)
        if (memcmp(model + place, needle, size) == 0) return place;
    return model_size;
}

/* What was searched without success is not searched again when more bytes have come. */
static void buffer_try_find(const Buffer *buffer, Input *input) {
    Input needle = input_part(input, 1 + input_byte(input) % 4);
    const char *bytes = (const char *)needle.data, *data = buffer_data(buffer);
    if (needle.size == 0) return;
    size_t place = buffer_find_naively(bytes, needle.size), first = input_byte(input);
    fuzz_require(buffer_find(data, model_size, bytes, needle.size) == place);
    if (first > model_size || buffer_find(data, first, bytes, needle.size) != first) return;
    size_t from = buffer_unsearched(first, needle.size);
    fuzz_require(from + buffer_find(data + from, model_size - from, bytes, needle.size) == place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Input input = {data, size};
    Buffer buffer = {NULL};
    model_size = 0;
    while (input.size > 0) {
        switch (input_byte(&input) % 5) {
        case 0:
            buffer_try_append(&buffer, &input);
            break;
        case 1:
            buffer_try_reserve(&buffer, &input);
            break;
        case 2:
            buffer_try_prepend(&buffer, &input);
            break;
        case 3:
            buffer_try_drop(&buffer, &input);
            break;
        default:
            buffer_try_find(&buffer, &input);
        }
        buffer_check(&buffer);
    }
    buffer_free(&buffer);
    return 0;
}
